"""Differences within one result against a jackknife that leaves out one block of variants after
another, and the matrices of GenomicSEM.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import xarray as xr

import bayesmixer as bm
from bayesmixer.errors import InputError
from tests.ldsc.conftest import Small

pytestmark = pytest.mark.filterwarnings("ignore:.*estimates are rough")

BLOCKS = 20


@pytest.fixture(scope="module")
def rg(small: Small) -> xr.DataTree:
    return bm.ldsc.rg(
        list(small[1].values()),
        small[0] / "ld",
        n_blocks=BLOCKS,
        samp_prev=[0.5, None, 0.3],
        pop_prev=[0.01, None, 0.1],
    )


@pytest.fixture(scope="module")
def parts(small: Small) -> xr.DataTree:
    prefix = f"{small[0]}/annot/"
    return bm.ldsc.partitioned(
        small[1]["first"], prefix, f"{small[0]}/ld/", frq=prefix, n_blocks=BLOCKS
    )


def error_of(tree: xr.DataTree, of: Callable[[dict[str, np.ndarray]], float]) -> float:
    """Jackknife error of a function of what is without each block, one block after another."""
    left = tree["jackknife"].to_dataset()
    found = np.array(
        [
            of({str(k): v.isel(block=b).values for k, v in left.data_vars.items()})
            for b in range(BLOCKS)
        ]
    )
    return float(np.sqrt((BLOCKS - 1) / BLOCKS * ((found - found.mean()) ** 2).sum()))


def test_rg_is_held_against_its_ends_by_the_statistic_of_its_set(rg: xr.DataTree) -> None:
    table = bm.ldsc.differences(rg, of=[("sumstats[0]", "sumstats[1]")]).set_index("second")
    estimate = rg["estimate"].to_dataset()
    value = float(estimate["rg"][0, 1])
    for r in (1, -1):
        row = table.loc[str(r)]
        assert row["difference"] == value - r
        assert row["se"] == pytest.approx(float(estimate["rg_se"][0, 1]))
        h = estimate["h2"].values
        statistic = float(estimate["gencov"][0, 1]) - r * np.sqrt(h[0] * h[1])
        error = error_of(
            rg, lambda v, r=r: v["gencov"][0, 1] - r * np.sqrt(v["h2"][0] * v["h2"][1])
        )
        assert row["z"] == pytest.approx(statistic / error)
        inside = float(estimate["rg_lower"][0, 1]) <= r <= float(estimate["rg_upper"][0, 1])
        assert (row["p"] > 0.1) == inside


def test_differences_of_correlations_covariances_and_heritabilities(
    small: Small, rg: xr.DataTree
) -> None:
    first = small[1]["first"]
    fit = bm.ldsc.rg([first, small[1]["second"], first], small[0] / "ld", n_blocks=BLOCKS)
    table = bm.ldsc.differences(fit)
    assert list(table["second"][:6]) == ["1"] * 3 + ["-1"] * 3
    row = table.iloc[6]
    estimate = fit["estimate"].to_dataset()
    names = [str(v) for v in estimate["trait"].values]
    assert row["first"] == f"{names[0]}, {names[1]}"
    assert row["second"] == f"{names[0]}, {names[2]}"

    def between(v: dict[str, np.ndarray]) -> float:
        g, h = v["gencov"], v["h2"]
        return float(g[0, 1] / np.sqrt(h[0] * h[1]) - g[0, 2] / np.sqrt(h[0] * h[2]))

    error = error_of(fit, between)
    assert row["se"] == pytest.approx(error)
    assert row["z"] == pytest.approx(float(estimate["rg"][0, 1] - estimate["rg"][0, 2]) / error)
    # the same trait twice: as far from the second as itself
    same = bm.ldsc.differences(fit, of=[(names[0], names[1]), (names[2], names[1])]).iloc[-1]
    assert same["difference"] == pytest.approx(0, abs=1e-12)
    assert np.isnan(same["z"])
    # a trait without heritability spoils no other
    none = bm.ldsc.differences(rg).set_index(["first", "second"])
    assert np.isfinite(none.loc[("sumstats[0], sumstats[1]", "1"), "p"])
    one = bm.ldsc.differences(rg, "h2", ["sumstats[0]", "sumstats[2]"]).iloc[0]
    error = error_of(rg, lambda v: float(v["h2"][0] - v["h2"][2]))
    assert one["se"] == pytest.approx(error)
    assert one["p"] < 0.01
    two = bm.ldsc.differences(rg, "gencov").iloc[0]
    error = error_of(rg, lambda v: float(v["gencov"][0, 1] - v["gencov"][0, 2]))
    assert two["se"] == pytest.approx(error)


def test_differences_of_enrichments_and_coefficients(parts: xr.DataTree) -> None:
    estimate = parts["estimate"].to_dataset()
    row = bm.ldsc.differences(parts, of=["one", "two"]).iloc[0]
    value = estimate["enrichment"].sel(annotation=["one", "two"]).values
    assert row["difference"] == pytest.approx(value[0] - value[1])
    error = error_of(parts, lambda v: float(v["enrichment"][1] - v["enrichment"][2]))
    assert row["se"] == pytest.approx(error)
    by_total = error_of(parts, lambda v: float((v["enrichment"][1] - v["enrichment"][2]) * v["h2"]))
    assert row["z"] == pytest.approx((value[0] - value[1]) * float(estimate["h2"]) / by_total)
    row = bm.ldsc.differences(parts, "coef").iloc[2]
    assert (row["first"], row["second"]) == ("one", "two")
    error = error_of(parts, lambda v: float(v["coef"][1] - v["coef"][2]))
    assert row["se"] == pytest.approx(error)
    # the enrichments' own errors are those reported
    left = parts["jackknife"]["enrichment"].values
    np.testing.assert_allclose(
        np.sqrt((BLOCKS - 1) * left.var(axis=0)), estimate["enrichment_se"].values, atol=1e-12
    )


def test_matrices_of_genomic_sem_are_its_formulas_of_pseudovalues(rg: xr.DataTree) -> None:
    """As GenomicSEM's ldsc.R: cov(pseudovalues) / blocks of elements in the order in which R's
    lower.tri has them, each scaled by the square roots of its traits' factors.
    """
    s, v, i, n, m = bm.ldsc.genomic_sem(rg)
    estimate, left = rg["estimate"].to_dataset(), rg["jackknife"].to_dataset()
    factor = [float(estimate["h2_liability"][k] / estimate["h2"][k]) for k in (0, 2)]
    root = np.sqrt([factor[0], 1.0, factor[1]])
    order = [(0, 0), (1, 0), (2, 0), (1, 1), (2, 1), (2, 2)]
    pseudo = []
    for a, b in order:
        gone = (left["h2"][a] if a == b else left["gencov"][a, b]).values
        one = float(estimate["gencov"][a, b])
        pseudo.append((BLOCKS * one - (BLOCKS - 1) * gone) * root[a] * root[b])
        assert s[a, b] == s[b, a] == pytest.approx(one * root[a] * root[b])
    np.testing.assert_allclose(v, np.cov(pseudo) / BLOCKS, rtol=1e-10)
    np.testing.assert_allclose(np.sqrt(v[1, 1]), float(estimate["gencov_liability_se"][1, 0]))
    assert i[0, 0] == float(estimate["intercept"][0])
    assert i[0, 1] == i[1, 0] == float(estimate["intercept_gencov"][0, 1])
    np.testing.assert_allclose(n, np.full((1, 6), 1500.0))
    assert m == 6000


def test_matrices_of_a_posterior_are_its_mean_and_covariance(rg: xr.DataTree) -> None:
    names = rg["estimate"]["trait"].values
    draws = np.random.default_rng(0).normal(size=(2, 10, 3, 3))
    draws += draws.swapaxes(2, 3)
    made = xr.Dataset(
        {"gencov": (("chain", "draw", "trait", "trait_bis"), draws)},
        {"trait": names, "trait_bis": names},
    )
    s, v, i, n, m = bm.ldsc.genomic_sem(rg, xr.DataTree.from_dict({"posterior": made}))
    np.testing.assert_allclose(s, draws.reshape(20, 3, 3).mean(axis=0))
    order = [(0, 0), (1, 0), (2, 0), (1, 1), (2, 1), (2, 2)]
    np.testing.assert_allclose(v, np.cov([draws[..., a, b].ravel() for a, b in order]))
    for one, other in zip((i, n, m), bm.ldsc.genomic_sem(rg)[2:], strict=True):
        np.testing.assert_array_equal(one, other)
    for wrong, told in (
        (made.isel(draw=[0]), "2 draws, expected more than the 6 elements"),
        (made.assign_coords(trait=names[::-1]), "of other traits"),
        (made.drop_vars("gencov"), "no draws of gencov"),
    ):
        with pytest.raises(InputError, match=told):
            bm.ldsc.genomic_sem(rg, xr.DataTree.from_dict({"posterior": wrong}))


def test_what_has_no_such_differences_is_told_in_one_line(
    small: Small, rg: xr.DataTree, parts: xr.DataTree
) -> None:
    folder, traits = small
    one = bm.ldsc.h2(traits["first"], folder / "ld")
    like = bm.ldsc.rg([traits["first"], traits["second"]], folder / "ld", like_ldsc=True)
    for call, told in (
        (lambda: bm.ldsc.differences(one), "of one trait and annotation"),
        (lambda: bm.ldsc.differences(like), "made with like_ldsc"),
        (lambda: bm.ldsc.differences(rg, "enrichment"), "expected rg, h2, gencov"),
        (lambda: bm.ldsc.differences(rg, of=["sumstats[0]"]), "expected pairs of traits"),
        (lambda: bm.ldsc.differences(rg, of=[("a", "sumstats[0]")]), "'a', expected some of"),
        (lambda: bm.ldsc.differences(parts, of=["three"]), "'three', expected some of base"),
        (lambda: bm.ldsc.differences(parts, of=["one"] * 101), "101 of them"),
        (lambda: bm.ldsc.genomic_sem(parts), "not of pairs of traits"),
        (lambda: bm.ldsc.genomic_sem(like), "made with like_ldsc"),
    ):
        with pytest.raises(InputError, match=told) as error:
            call()
        assert "\n" not in str(error.value)
