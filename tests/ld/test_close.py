"""The spectrum of close partners, against the LD of the panel's genotypes."""

import numpy as np
import pytest
import xarray as xr

import bayesmixer as bm
from bayesmixer.errors import InputError
from bayesmixer.ld.close import close_partners
from bayesmixer.ld.spectrum import spectrum_from_pairs
from bayesmixer.simulation.panel import panel_blocks


@pytest.fixture(scope="module")
def aligned(example_folder):
    """GwasData of one trait of the example, its reference, and the panel."""
    example = bm.example_data(example_folder / "data")
    reference = bm.open_reference(example_folder / "panel.zarr")
    sumstats = bm.read_sumstats(next(iter(example.sumstats.values())))
    return bm.align(sumstats, reference), reference, example


@pytest.mark.parametrize("r2_min", [0.1, 0.4])
def test_close_partners_are_those_of_the_genotypes(aligned, r2_min):
    data, reference, example = aligned
    spectrum, count = close_partners(data, reference, r2_min)
    panel = panel_blocks(example.genotypes, example.ld_blocks, [2])
    x = panel.standardised(3).astype(float)
    r2 = (x @ x.T / x.shape[1]) ** 2
    np.fill_diagonal(r2, 1.0)
    first = panel.edges[3]
    h = panel.heterozygosity[first : first + len(x)]
    names = panel.variants["snp"].to_numpy()[first : first + len(x)]
    place = {snp: i for i, snp in enumerate(data["snp"].values)}
    looked_at = 0
    for j in np.flatnonzero(h > 0):
        if names[j] not in place or np.abs(r2[j] - r2_min).min() < 1e-5:
            continue
        near = (r2[j] >= r2_min) & (h > 0)
        row = place[names[j]]
        assert count[row] == near.sum()
        strength = h[near] * r2[j, near]
        exact = spectrum_from_pairs([0, near.sum()], strength, data.sizes["node"])[0]
        # r^2 is float32, and cardinal functions are steep near their nodes
        np.testing.assert_allclose(spectrum[row], exact, atol=2e-4 * strength.sum())
        looked_at += 1
    assert looked_at > 20


def test_all_partners_are_at_least_the_close_ones(aligned):
    data, reference, _ = aligned
    spectrum, count = close_partners(data, reference, 0.1)
    assert (spectrum.sum(1) <= data["ld_score_h"].values[0] * (1 + 1e-5)).all()
    assert count.min() == 1 < count.max()


def test_exponents_between_those_held_are_on_the_scale_of_their_spectra(example_folder, tmp_path):
    from bayesmixer.ld.exponents import at_exponent

    example = bm.example_data(example_folder / "data")
    reference = bm.build_reference(
        example.genotypes,
        tmp_path / "panel.zarr",
        window=example.ld_blocks,
        r2_rule="plain",
        maf_s=[-1, -0.5, 0],
        chromosomes=[1],
    )
    data = bm.align(bm.read_sumstats(next(iter(example.sumstats.values()))), reference)
    one = at_exponent(data, -0.3)
    spectrum, count = close_partners(one, reference)
    alone = count == 1
    own = one.attrs["strength_scale"] * data["heterozygosity"].values ** 0.7
    np.testing.assert_allclose(spectrum.sum(1)[alone], own[alone], rtol=1e-5)


def _tree(like, groups):
    return xr.DataTree.from_dict({"/": xr.Dataset(attrs=like.attrs), **groups})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d, r: (d, r, 0.05), "r2_min: 0.05, expected between 0.1"),
        (lambda d, r: (d, r.isel(variant=slice(0, 200)), 0.1), "lacks .* of the"),
        (lambda d, r: (d.assign(ld_score=d["ld_score"] + 1), r, 0.1), "other LD scores"),
        (lambda d, r: (d, _tree(r, {"1": r["1"].to_dataset()}), 0.1), "no chrom"),
        (
            lambda d, r: (
                d,
                xr.DataTree.from_dict(
                    {
                        k: c.to_dataset().drop_vars(["neighbour_r2", "spectrum"], errors="ignore")
                        for k, c in r.children.items()
                    }
                ),
                0.1,
            ),
            "neighbour_r2",
        ),
    ],
    ids=["limit", "fewer variants", "other panel", "fewer chromosomes", "no neighbours"],
)
def test_a_reference_that_does_not_fit_is_an_error_of_one_line(aligned, change, message):
    data, reference, _ = aligned
    data, other, r2_min = change(data, reference)
    with pytest.raises(InputError, match=message):
        close_partners(data, other, r2_min)
