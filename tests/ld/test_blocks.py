"""LD blocks: reading, labelling as the simulator of the shared data does, and the cheapest cuts
against brute force.
"""

import gzip
import itertools

import numpy as np
import pandas as pd
import pytest

from bayesmixer.errors import InputError
from bayesmixer.ld.blocks import blocks_from_gaps, label_blocks, read_blocks


def test_named_set_has_the_blocks_of_the_published_file(shared):
    published = pd.read_csv(shared / "data/ld_blocks/eur_hg19.bed", sep=r"\s+")
    blocks = read_blocks("eur_hg19")
    assert len(blocks) == len(published) == 1703
    expected = {(c.removeprefix("chr"), a, b) for c, a, b in published.itertuples(index=False)}
    assert set(blocks.itertuples(index=False, name=None)) == expected
    assert list(blocks["chrom"].unique()) == [str(c) for c in range(1, 23)]


def test_labels_agree_with_searchsorted_on_the_stops_of_each_chromosome():
    blocks = read_blocks("eur_hg19")
    rng = np.random.default_rng(3)
    chrom = np.repeat(["1", "7", "22"], 500)
    pos = np.concatenate([np.sort(rng.integers(1, 260_000_000, 500)) for _ in range(3)])
    pos[700] = blocks.loc[blocks["chrom"] == "7", "stop"].iloc[
        10
    ]  # an end belongs to the block that it ends
    label = label_blocks(chrom, pos, blocks)
    for c in ("1", "7", "22"):
        at = chrom == c
        expected = np.searchsorted(
            np.sort(blocks.loc[blocks["chrom"] == c, "stop"].to_numpy()), pos[at]
        )
        assert np.array_equal(label[at] - label[at][0], expected - expected[0])
    assert len(set(label[chrom == "1"]) & set(label[chrom == "7"])) == 0


def test_variants_outside_all_blocks_have_a_label_of_their_own_chromosome():
    blocks = pd.DataFrame(
        {"chrom": ["1", "1", "2"], "start": [100, 200, 100], "stop": [200, 300, 200]}
    )
    assert label_blocks(
        ["1", "1", "1", "1", "2"], [50, 200, 201, 999, 50], read_blocks(blocks)
    ).tolist() == [0, 0, 1, 2, 3]


@pytest.mark.parametrize("form", ["header", "no header", "gzip", "spaces", "bed names"])
def test_every_form_of_file_reads_the_same(tmp_path, form):
    rows = ["chr2\t10\t20", "chr10\t5\t9", "chr2\t20\t35", "chrX\t1\t2"]
    head = {
        "header": "chr\tstart\tstop",
        "spaces": "chr start stop",
        "bed names": "#chrom\tchromStart\tchromEnd",
    }.get(form)
    text = "\n".join(([head] if head else []) + rows) + "\n"
    text = text.replace("\t", "  ") if form == "spaces" else text
    path = tmp_path / "b.bed"
    path.write_bytes(gzip.compress(text.encode()) if form == "gzip" else text.encode())
    assert list(read_blocks(path).itertuples(index=False, name=None)) == [
        ("2", 10, 20),
        ("2", 20, 35),
        ("10", 5, 9),
        ("X", 1, 2),
    ]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "no LD block"),
        ("chr1 5\n", "line 1.*2 column"),
        ("chr1 1 2\nchr1 5 x\n", "line 2.*whole numbers"),
        ("chr1 9 5\n", "start < stop"),
        ("chr1 1 20\nchr1 10 30\n", "overlap"),
        ("chr1 nan 20\n", "whole numbers"),
    ],
)
def test_malformed_blocks_say_what_is_wrong(tmp_path, text, words):
    path = tmp_path / "b.bed"
    path.write_text(text)
    with pytest.raises(InputError, match=words):
        read_blocks(path)


def test_missing_file_truncated_gzip_wrong_columns_and_missing_chromosome_are_errors(tmp_path):
    with pytest.raises(InputError, match=r"no such file.*eur_hg19"):
        read_blocks("nowhere.bed")
    broken = tmp_path / "b.bed.gz"
    broken.write_bytes(gzip.compress(b"chr1 1 2\n" * 1000)[:40])
    with pytest.raises(InputError, match="cannot be read"):
        read_blocks(broken)
    with pytest.raises(InputError, match="expected chrom, start, stop"):
        read_blocks(pd.DataFrame({"a": [1]}))
    with pytest.raises(InputError, match="chromosome X, which has 2 variants"):
        label_blocks(["X", "X"], [1, 2], read_blocks("eur_hg19"))


def _graph(
    n: int, pairs: dict[tuple[int, int], float]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    dense = np.zeros((n, n))
    for (i, j), v in pairs.items():
        dense[i, j] = dense[j, i] = v
    rows, columns = np.nonzero(dense)
    return np.concatenate([[0], np.cumsum((dense > 0).sum(1))]), columns, dense[rows, columns]


def _cost(
    starts: tuple[int, ...], n: int, pairs: dict[tuple[int, int], float], target: int
) -> float:
    label = np.zeros(n, int)
    label[list(starts[1:])] = 1
    label = np.cumsum(label)
    sizes = np.bincount(label)
    if n >= 2 * target and not ((sizes >= target // 2) & (sizes <= 3 * target // 2)).all():
        return np.inf
    # a pair costs its r^2 once for each cut between its ends
    parted = sum(v * abs(int(label[i]) - int(label[j])) for (i, j), v in pairs.items())
    return parted + (((sizes - target) / target) ** 2).sum()


@pytest.mark.parametrize("seed", range(12))
def test_cuts_are_the_cheapest_of_all_divisions(seed):
    rng = np.random.default_rng(seed)
    n, target = 13, 4
    pairs = {
        (i, j): float(rng.uniform(0.1, 1))
        for i, j in itertools.combinations(range(n), 2)
        if rng.random() < 0.6 / (j - i)
    }
    label = blocks_from_gaps(*_graph(n, pairs), target_size=target)
    assert label[0] == 0
    assert set(np.diff(label)) <= {0, 1}
    starts = tuple(np.flatnonzero(np.diff(label, prepend=-1)))
    divisions = [(0, *c) for k in range(7) for c in itertools.combinations(range(1, n), k)]
    best = min(_cost(s, n, pairs, target) for s in divisions)
    assert _cost(starts, n, pairs, target) == pytest.approx(best, abs=1e-9)


def test_true_gaps_are_found_and_part_no_pair():
    sizes = [40, 70, 55, 62, 48]
    ends = np.cumsum(sizes)
    pairs = {
        (i, j): 0.5
        for a, b in zip([0, *ends[:-1]], ends, strict=True)
        for i, j in itertools.combinations(range(a, b), 2)
        if j - i < 6
    }
    label = blocks_from_gaps(*_graph(int(ends[-1]), pairs), target_size=50)
    assert np.array_equal(label, np.repeat(np.arange(5), sizes))


def test_tiny_chromosomes_are_one_piece_and_a_silly_target_is_an_error():
    empty = (np.zeros(4, int), np.zeros(0, int), np.zeros(0))
    assert blocks_from_gaps(*empty, target_size=600).tolist() == [0, 0, 0]
    assert blocks_from_gaps(np.zeros(1, int), np.zeros(0, int), np.zeros(0)).tolist() == []
    with pytest.raises(InputError, match="target_size"):
        blocks_from_gaps(*empty, target_size=1)
