"""Memory layout of a likelihood: every variant in exactly one place, whatever the LD blocks look
like.
"""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bayesmixer.ops.layout import CHUNK, LANES, Z_EDGES, LikelihoodData

NODES = np.array([0.5, 0.1, 0.01, 0.0])


def make(block, seed=0, weight=None, dtype=np.float64, **kwargs):
    rng = np.random.default_rng(seed)
    size = len(block)
    z, n = rng.normal(0, 3, size), rng.uniform(5e4, 1e5, size)
    weight = rng.uniform(0.1, 2, size) if weight is None else weight
    return LikelihoodData(
        z, n, weight, rng.gamma(1, 0.5, (size, 4)).astype(dtype), NODES, np.asarray(block), **kwargs
    )


@settings(max_examples=60, deadline=None)
@given(
    sizes=st.lists(st.integers(0, 300), min_size=1, max_size=8).filter(sum),
    censor=st.sampled_from([None, 3.0]),
    dtype=st.sampled_from([np.float32, np.float64]),
)
def test_every_weighted_variant_lies_in_one_chunk_or_in_the_tail_with_its_own_spectrum(
    sizes, censor, dtype
):
    data = make(
        np.repeat(np.arange(len(sizes)), sizes), dtype=dtype, censor=censor, n_blocks=len(sizes)
    )
    c, k = data.chunks, len(NODES)
    assert data.n_blocks == len(sizes)
    assert c.spectra.dtype == dtype
    found = []
    for block in range(len(sizes)):
        for chunk in range(c.block_chunk[block], c.block_chunk[block + 1]):
            a, b = c.start[chunk], c.start[chunk + 1]
            assert b - a <= CHUNK
            assert (b - a) % LANES == 0
            spectra = c.spectra[k * a : k * b].reshape(k, b - a).T
            for i in np.flatnonzero(c.weight[a:b]):
                found.append((block, c.z[a + i], c.inv_nu[a + i], c.weight[a + i], *spectra[i]))
    tail = data.tails[-1].row
    for row in tail:
        found.append(
            (
                data.block[row],
                data.rows.zt[row],
                data.inv_nu[row],
                data.weight[row],
                *data.spectrum[row],
            )
        )
    expected = [
        (b, zt, v, w, *s)
        for b, zt, v, w, s in zip(
            data.block, data.rows.zt, data.inv_nu, data.weight, data.spectrum, strict=True
        )
    ]
    assert sorted(found) == sorted(expected)


def test_padding_has_no_weight():
    data = make([0] * 13)
    c = data.chunks
    assert c.weight.sum() == pytest.approx(data.weight[data.z <= Z_EDGES[-1]].sum())
    assert c.start[-1] > (data.z <= Z_EDGES[-1]).sum()


def test_tails_grow_as_the_cosine_sum_serves_less_and_hold_all_censored_rows():
    data = make(np.repeat(np.arange(5), 40), censor=2.0)
    rows = [set(t.row) for t in data.tails]
    assert rows[0] == set(range(200))
    assert rows[0] >= rows[1] >= rows[2]
    assert set(np.flatnonzero(data.z > 2.0)) <= rows[2]
    for t in data.tails:
        for block in range(5):
            assert (data.block[t.row[t.block_row[block] : t.block_row[block + 1]]] == block).all()


def test_parts_cover_all_blocks_once():
    data = make(np.sort(np.random.default_rng(1).integers(0, 300, 5000)), n_blocks=310)
    assert data.parts[0] == 0
    assert data.parts[-1] == 310
    assert (np.diff(data.parts) > 0).all()


def test_variants_of_weight_zero_are_left_out_even_where_their_data_are_missing():
    weight = np.array([1.0, 0.0, 2.0])
    data = LikelihoodData([1.0, np.nan, 2.0], [1e5] * 3, weight, np.ones((3, 4)), NODES, [0, 0, 1])
    assert list(data.variant) == [0, 2]
    assert data.effective_variants == 3.0


def test_digest_changes_with_every_part_of_the_data():
    base = dict(
        z=np.arange(1.0, 5),
        n=np.full(4, 1e5),
        weight=np.ones(4),
        spectrum=np.ones((4, 4)),
        node_x=NODES,
        ld_block=np.array([0, 0, 1, 1]),
    )
    seen = {LikelihoodData(**base).digest}
    changes = dict(
        z=base["z"] + 1e-9,
        n=base["n"] + 1,
        weight=base["weight"] * 2,
        spectrum=base["spectrum"] * 2,
        node_x=NODES * 0.5,
        ld_block=np.array([0, 1, 1, 1]),
    )
    for name, value in changes.items():
        seen.add(LikelihoodData(**{**base, name: value}).digest)
    seen.add(LikelihoodData(**base, censor=5.0).digest)
    seen.add(LikelihoodData(**base, n_blocks=3).digest)
    assert len(seen) == 9
    assert LikelihoodData(**base).digest in seen


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"z": [1.0, np.inf]}, "z: not finite"),
        ({"n": [1e5, -1.0]}, "n: sample sizes must be positive"),
        ({"weight": [0.0, 0.0]}, "no variant has a positive weight"),
        ({"spectrum": np.ones((3, 4))}, "expected"),
        ({"node_x": NODES[::-1]}, "descending to 0"),
        ({"censor": -1.0}, "censor"),
    ],
)
def test_data_that_no_likelihood_has_are_refused(change, message):
    base = dict(
        z=[1.0, 2.0],
        n=[1e5, 1e5],
        weight=[1.0, 1.0],
        spectrum=np.ones((2, 4)),
        node_x=NODES,
        ld_block=[0, 1],
    )
    with pytest.raises(ValueError, match=message):
        LikelihoodData(**{**base, **change})
