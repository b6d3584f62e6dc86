"""mash against brute force, at the edges, and where mashr's habits are not copied."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from scipy import stats

import bayesmixer as bm
from bayesmixer.mash.grid import default_grid
from bayesmixer.mash.likelihood import relative
from bayesmixer.mash.mixture import Mixture
from bayesmixer.mash.rows import rows_of
from bayesmixer.mash.weights import optimal_weights
from tests.mash.cases import canonical_of

RNG = np.random.default_rng(5)
R = 4
FULL = np.cov(RNG.standard_normal((R, 9)))
U = np.array([*canonical_of(R), FULL / np.diag(FULL).max()])
GRID = np.array([0.1, 0.4, 1.6])
V = 0.4 ** np.abs(np.subtract.outer(np.arange(R), np.arange(R)))


def simulated(n: int = 60, rng: np.random.Generator = RNG) -> tuple[Any, Any]:
    s = rng.uniform(0.2, 0.6, (n, R))
    true = rng.standard_normal((n, 1)) * (rng.random((n, 1)) < 0.4)
    return true + s * rng.standard_normal((n, R)), s


def gappy(b: Any, s: Any, rng: np.random.Generator) -> tuple[Any, Any]:
    """A fifth of cells missing, none in the first condition."""
    gone = rng.random(b.shape) < 0.2
    gone[:, 0] = False
    return np.where(gone, np.nan, b), np.where(gone, np.nan, s)


KINDS = ["common", "by row", "correlated", "correlated by row", "v by effect"]


@pytest.mark.parametrize("missing", [False, True])
@pytest.mark.parametrize("alpha", [0.0, 0.7])
@pytest.mark.parametrize("kind", KINDS)
def test_every_way_of_errors_gives_the_densities_of_brute_force(
    kind: str, alpha: float, missing: bool
) -> None:
    rng = np.random.default_rng(len(kind))
    b, s = simulated(60, rng)
    if kind in ("common", "correlated"):
        s = np.broadcast_to(s[0], b.shape)
    if missing:
        b, s = gappy(b, s, rng)
    rho = rng.uniform(0, 0.6, len(b))[:, None, None]
    v = {"c": V, "v": rho + (1 - rho) * np.eye(R)}.get(kind[0]) if kind != "common" else None
    effects = bm.read_effects(b, s, v=v, alpha=alpha)
    matrix, top = relative(rows_of(effects), Mixture(U, GRID, True))
    with np.errstate(divide="ignore"):
        found = np.log(matrix) + top
    for j in range(0, len(b), 7):
        seen = ~np.isnan(b[j])
        unit = s[j, seen] ** alpha
        cov = (np.eye(R) if v is None else v if v.ndim == 2 else v[j])[np.ix_(seen, seen)]
        error = cov * np.outer(s[j, seen], s[j, seen])
        for p in (0, 1, 5, len(U), len(U) + 3, 3 * len(U)):
            scale, k = divmod(p - 1, len(U))
            prior = 0 if p == 0 else GRID[scale] ** 2 * U[k][np.ix_(seen, seen)]
            whole = error + prior * np.outer(unit, unit)
            expected = stats.multivariate_normal.logpdf(b[j, seen], cov=whole)
            assert found[p, j] == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("kind", KINDS)
def test_rows_together_and_rows_alone_have_the_same_posterior(kind: str) -> None:
    rng = np.random.default_rng(3)
    b, s = gappy(*simulated(60, rng), rng)
    if kind in ("common", "correlated"):
        s = np.where(np.isnan(b), np.nan, 0.3)
    v = None if kind in ("common", "by row") else V
    if kind == "v by effect":
        v = np.broadcast_to(V, (len(b), R, R))
    fit = bm.mash.given(U, GRID, np.full(1 + 3 * len(U), 1 / (1 + 3 * len(U))))
    every = bm.mash.posterior(fit, bm.read_effects(b, s, v=v), covariance=True)
    dense = bm.mash.posterior(fit, bm.read_effects(b, s, v=V if v is not None else np.eye(R)))
    for name in dense:
        np.testing.assert_allclose(every[name], dense[name], atol=1e-11)
    variance = np.einsum("jrr->jr", every["covariance"].values)
    np.testing.assert_allclose(np.sqrt(variance), every["sd"], atol=1e-8)


def test_the_posterior_of_a_missing_effect_is_what_the_others_say() -> None:
    b, s = np.array([[1.0, np.nan]]), np.array([[0.5, np.nan]])
    u, w = np.array([[1, 0.8], [0.8, 1]]), 0.9
    fit = bm.mash.given({"u": u}, [w], [0, 1])
    found = bm.mash.posterior(fit, bm.read_effects(b, s))
    total = w**2 + 0.25
    assert float(found["mean"][0, 1]) == pytest.approx(w**2 * 0.8 / total)
    assert float(found["sd"][0, 1]) ** 2 == pytest.approx(w**2 - (w**2 * 0.8) ** 2 / total)


def test_a_false_sign_rate_does_not_underflow_against_one() -> None:
    fit = bm.mash.given({"u": [[1.0]]}, [100.0], [0, 1])
    found = bm.mash.posterior(fit, bm.read_effects([[20.0], [-20.0]], 1))
    expected = stats.norm.sf(20 * np.sqrt(1e4 / (1e4 + 1)))
    np.testing.assert_allclose(found["lfsr"].values[:, 0], expected, rtol=1e-10)


def test_effects_that_are_all_null_are_found_null() -> None:
    rng = np.random.default_rng(1)
    effects = bm.read_effects(rng.standard_normal((1000, 5)), 1)
    fit = bm.mash.fit(effects, bm.mash.covariances(effects, ["canonical"]))
    # the optimum itself lies from 0.96 to 0.99 for seeds 0 to 3
    assert float(fit["estimate"]["pi0"]) > 0.95
    assert float(bm.mash.posterior(fit, effects)["lfsr"].min()) > 0.2


def test_one_row_and_one_condition_are_enough() -> None:
    one = bm.read_effects([[0.5, 0.4, 3.0]], 0.3)
    fit = bm.mash.fit(one, bm.mash.covariances(one, "canonical"))
    assert np.isfinite(bm.mash.posterior(fit, one)["mean"]).all()
    column = bm.read_effects([0.5, 0.4, 3.0], 0.3)
    narrow = bm.mash.fit(column, bm.mash.covariances(column, "canonical"))
    assert narrow["estimate"].sizes["covariance"] == 1
    assert np.isfinite(bm.mash.posterior(narrow, column)["lfsr"]).all()


def test_one_tiny_standard_error_does_not_blow_up_the_grid() -> None:
    b, s = simulated(rng=np.random.default_rng(0))  # the same in every order of tests
    plain = default_grid(rows_of(bm.read_effects(b, s)))
    s[3, 1] = 1e-9
    tiny = default_grid(rows_of(bm.read_effects(b, s)))
    assert len(tiny) < len(plain) + 12


def test_baseline_of_scaled_effects_is_a_contrast_of_effects() -> None:
    b, s = simulated()
    plain = bm.read_effects(b, s, baseline=0)
    scaled = bm.read_effects(b, s, baseline=0, alpha=1)
    np.testing.assert_allclose(scaled["bhat"], plain["bhat"])
    assert scaled.attrs["alpha"] == 1


def test_without_a_point_mass_nothing_is_favoured() -> None:
    effects = bm.read_effects(*simulated())
    fit = bm.mash.fit(effects, U, point_mass=False)
    assert (fit["estimate"]["prior"] == 1).all()
    assert "log10_bf" not in bm.mash.posterior(fit, effects)


def test_a_penalty_of_its_own_for_each_component_is_maximised() -> None:
    rng = np.random.default_rng(2)
    matrix = rng.random((6, 40)) ** 3
    penalty = np.array([3.0, 0, 0.5, 0, 2, 0])
    found = optimal_weights(matrix, penalty)
    assert found.gap < 1e-5
    x = np.full(6, 1 / 6)
    for _ in range(20000):  # EM, slow and sure
        x = (x * (matrix @ (1 / (x @ matrix))) + penalty) / (40 + penalty.sum())
    np.testing.assert_allclose(found.x, x, atol=1e-6)


def test_an_effect_that_nothing_at_the_start_explains_gets_its_component() -> None:
    b, s = simulated()
    b[7] = 5000.0
    effects = bm.read_effects(b, s)
    fit = bm.mash.fit(effects, U)
    assert np.isfinite(float(fit["estimate"]["log_likelihood"]))
    assert float(fit["estimate"]["duality_gap"]) < 1e-4


def test_equal_effects_differ_by_exactly_nothing() -> None:
    effects = bm.read_effects(*simulated())
    fit = bm.mash.given({"equal": np.ones((R, R))}, [1.0], [0.3, 0.7])
    found = bm.mash.posterior(fit, effects, contrasts=[[1, -1, 0, 0], [1, 1, -1, -1]])
    assert (found["mean"] == 0).all()
    np.testing.assert_allclose(found["lfdr"], 1)
    np.testing.assert_allclose(found["lfsr"], 1)


def test_a_fit_says_the_same_after_saving(tmp_path: Any) -> None:
    effects = bm.read_effects(*simulated())
    fit = bm.mash.fit(effects, U)
    bm.save(fit, tmp_path / "fit.nc")
    again = bm.mash.posterior(bm.load(tmp_path / "fit.nc"), effects)
    assert again.equals(bm.mash.posterior(fit, effects))


def test_further_covariances_and_named_strong_effects_join() -> None:
    b, s = simulated()
    effects = bm.read_effects(b, s)
    found = bm.mash.covariances(effects, "pca", strong=["3", "5", "9"], more={"mine": FULL})
    assert [str(n) for n in found["covariance"].values] == [
        "pca_1",
        "pca_2",
        "pca_3",
        "pca",
        "mine",
    ]
    mask = np.isin(np.arange(len(b)), [3, 5, 9])
    same = bm.mash.covariances(effects, "pca", strong=mask, more={"mine": FULL})
    assert same.equals(found)


def test_a_component_that_explains_no_effect_of_many_adds_nothing() -> None:
    effects = bm.read_effects(np.zeros((8, 2)), 1e-12)
    fit = bm.mash.given({"wide": np.eye(2)}, [1.0], [0.5, 0.5])
    assert (bm.mash.posterior(fit, effects)["mean"] == 0).all()


def test_lists_of_covariances_are_those_of_meta_analyses() -> None:
    effects = bm.read_effects(*simulated())
    assert (bm.mash.covariances(effects, "fixed")["U"] == 1).all()
    every = bm.mash.covariances(effects, "binary")["U"].values
    assert len(every) == 2**R - 1
    assert {tuple(np.diag(u)) for u in every} == {
        tuple(map(float, f"{i:04b}")) for i in range(1, 2**R)
    }
    assert all(np.linalg.matrix_rank(u) == 1 for u in every)
    lite = bm.mash.covariances(effects, "bmalite")
    assert [str(n) for n in lite["covariance"].values][-4:] == [
        "equal", "correlated_0.75", "correlated_0.5", "identity"
    ]  # fmt: skip
    both = bm.mash.covariances(effects, ["canonical", "bmalite"])
    assert both.sizes["covariance"] == R + 5
    few = bm.mash.covariances(effects, [], sets={"two": ["condition_1", "condition_3"]})
    np.testing.assert_array_equal(few["U"][0], np.outer([1, 0, 1, 0], [1, 0, 1, 0]))
    np.testing.assert_array_equal(few["U"][1], np.diag([1, 0, 1, 0]))


def test_some_conditions_of_effects_are_effects() -> None:
    b, s = simulated()
    for v in (V, np.broadcast_to(V, (len(b), R, R))):
        picked = bm.read_effects(b, s, v=v).isel(condition=[3, 1])
        few = bm.read_effects(b[:, [3, 1]], s[:, [3, 1]], v=v[..., [3, 1], :][..., [3, 1]])
        fit = bm.mash.given(V[:2, :2], [0.5], [0.5, 0.5])
        found = bm.mash.posterior(fit, picked), bm.mash.posterior(fit, few)
        np.testing.assert_allclose(found[0]["mean"], found[1]["mean"], atol=1e-13)


def refused() -> list[tuple[Any, str]]:
    effects = bm.read_effects(*simulated())
    other = bm.read_effects(*simulated(), alpha=1)
    fit = bm.mash.fit(effects, U)
    posterior = bm.mash.posterior(fit, effects)
    gone = bm.read_effects([[1, np.nan, 2, 3]], 1)
    null = bm.read_effects(np.full((5, R), 3.0), 1)
    eye = np.eye(R)
    named = bm.mash.covariances(effects, "canonical")
    renamed = named.assign_coords(condition=list("abcd"))
    return [
        (lambda: bm.mash.covariances(effects, ["x"]), "kinds: 'x', expected one of canonical"),
        (lambda: bm.mash.covariances(effects, deconvolution="x"), "deconvolution: 'x', expected"),
        (lambda: bm.mash.covariances(effects, "pca", strong=[]), "strong: no strong effects"),
        (lambda: bm.mash.covariances(effects, "pca", strong=[99]), "strong: expected positions"),
        (lambda: bm.mash.covariances(effects, "pca", strong=["x"]), "no effect is named 'x'"),
        (
            lambda: bm.mash.covariances(bm.read_effects(np.ones((3, 11)), 1), "binary"),
            "kinds: 2,047 sets of 11 conditions, expected at most 10",
        ),
        (lambda: bm.mash.covariances(effects, sets=[1]), "sets: expected a dict"),
        (lambda: bm.mash.covariances(effects, sets={"a": ["x"]}), "set 'a': no condition is"),
        (lambda: bm.mash.covariances(effects, sets={"a": []}), "set 'a': has no condition"),
        (lambda: bm.mash.covariances(effects, []), "kinds: none given"),
        (lambda: bm.mash.covariances(xr.Dataset()), "effects: not effects"),
        (lambda: bm.mash.fit(gone, U), "effects: condition condition_2 has no value"),
        (lambda: bm.mash.given(U, GRID, [1, 0], independent=[[1]]), "independent: of shape (1, 1)"),
        (lambda: bm.mash.fit(effects, U, prior="flat"), "prior: 'flat', expected one of"),
        (lambda: bm.mash.fit(effects, U, prior=[1, 2]), "prior: expected nullbiased or uniform"),
        (lambda: bm.mash.fit(effects, U, grid=[0, 1]), "grid: expected positive numbers"),
        (lambda: bm.mash.fit(effects, U, grid=[1, 1]), "grid: holds a scale twice"),
        (lambda: bm.mash.fit(effects, {"zero": 0 * eye}), "covariance 'zero': all zeros"),
        (lambda: bm.mash.fit(effects, {"a": -eye}), "covariance 'a': has the eigenvalue -1"),
        (lambda: bm.mash.fit(effects, {"a": np.triu(np.ones((R, R)))}), "'a': not symmetric"),
        (lambda: bm.mash.fit(effects, {"a": np.nan * eye}), "'a': holds entries that are not"),
        (lambda: bm.mash.fit(effects, np.eye(2)), "covariance 'U_1': of shape (2, 2)"),
        (lambda: bm.mash.fit(effects, renamed), "covariances: of the conditions a, b, c, d"),
        (lambda: bm.mash.given(U, GRID, [1, 0]), "weights: of shape (2,)"),
        (lambda: bm.mash.given({"a": eye}, [1], [0.5, 0.6]), "weights: expected probabilities"),
        (lambda: bm.mash.given({"a": eye}, [1], [-1, 2]), "weights: expected probabilities"),
        (lambda: bm.mash.posterior(fit, other), "fit: learned with alpha 0"),
        (lambda: bm.mash.posterior(xr.DataTree(), effects), "fit: not a fit of mash"),
        (lambda: bm.mash.posterior(fit, bm.read_effects([[1.0]], 1)), "fit: of the conditions"),
        (lambda: bm.mash.posterior(fit, effects, contrasts=[[1]]), "contrasts: of shape (1, 1)"),
        (lambda: bm.mash.sharing(posterior, 2), "factor: 2, expected a number from 0"),
        (lambda: bm.mash.sharing(xr.Dataset()), "posterior: no mean and lfsr"),
        (lambda: bm.mash.correlation(null), "effects: 0 of 5 have |z| < 2"),
        (lambda: bm.mash.correlation(effects, "ml"), "method: 'ml', expected one of simple"),
        (
            lambda: bm.mash.correlation(null, "pairwise"),
            "effects: 0 have |z| < 2",
        ),
        (lambda: bm.mash.run(effects, errors="x"), "errors: 'x', expected one of auto"),
        (lambda: bm.mash.run(effects, learn_from=0), "learn_from: 0, expected a whole number"),
        (lambda: bm.mash.run(xr.Dataset()), "effects: not effects"),
        (lambda: bm.mash.correlation(effects, "em", rise=0), "rise: 0, expected a number above 0"),
        (lambda: bm.mash.strong(effects, threshold=3), "threshold: 3, expected a number between"),
    ]


def test_what_cannot_be_used_is_refused_in_one_line() -> None:
    for call, said in refused():
        with pytest.raises(bm.InputError) as error:
            call()
        assert said in str(error.value)
        assert "\n" not in str(error.value)


def test_the_wing_needs_no_pymc() -> None:
    code = """
import sys, bayesmixer as bm
e = bm.read_effects([[0.5, 0.1], [-0.2, 0.4], [3, 3]], 0.1)
f = bm.mash.fit(e, bm.mash.covariances(e))
bm.mash.sharing(bm.mash.posterior(f, e))
print({"pymc", "numba", "pytensor"} & set(sys.modules))
"""
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "set()"


def test_layers_as_anndata_has_them_are_read() -> None:
    from types import SimpleNamespace

    from scipy.sparse import csr_matrix

    b, s = simulated()
    given = SimpleNamespace(
        layers={"bhat": csr_matrix(b), "shat": s},
        obs_names=[f"e{i}" for i in range(len(b))],
        var_names=list("abcd"),
    )
    effects = bm.read_effects(given)
    np.testing.assert_array_equal(effects["bhat"], b)
    np.testing.assert_array_equal(effects["shat"], s)
    assert effects["condition"].values.tolist() == list("abcd")
    assert effects["effect"].values[3] == "e3"
    given.layers = {"counts": b}
    with pytest.raises(bm.InputError, match="no array bhat or z"):
        bm.read_effects(given)


def test_one_condition_of_effects_is_a_column_with_their_names() -> None:
    effects = bm.read_effects(*simulated())
    one = bm.read_effects(effects["bhat"][:, 1], effects["shat"][:, 1])
    np.testing.assert_array_equal(one["bhat"].values[:, 0], effects["bhat"].values[:, 1])
    assert one["effect"].values.tolist() == effects["effect"].values.tolist()


def test_strong_effects_are_the_largest_or_the_largest_of_each_gene() -> None:
    b, s = simulated(60)
    b[3] = np.nan
    b[3, 0] = 9.0
    effects = bm.read_effects(b, np.where(np.isnan(b), np.nan, s))
    z = np.nanmax(np.abs(effects["bhat"] / effects["shat"]).values, axis=1)
    assert bm.mash.strong(effects, "top", n=5).tolist() == sorted(np.argsort(-z)[:5])
    gene = np.repeat([f"g{i}" for i in range(15)], 4)
    best = [4 * i + int(z[4 * i : 4 * i + 4].argmax()) for i in range(15)]
    assert bm.mash.strong(effects, "top_per_gene", gene=gene).tolist() == best
    named = effects.assign_coords(gene=("effect", gene))
    assert bm.mash.strong(named, rule="top_per_gene").tolist() == best
    for call, told in (
        (lambda: bm.mash.strong(effects, "top_per_gene"), "gene: neither given"),
        (lambda: bm.mash.strong(effects, "best"), "expected one of ash, top, top_per_gene"),
    ):
        with pytest.raises(bm.InputError, match=told):
            call()


def test_covariances_of_no_numbers_are_refused_in_one_line() -> None:
    effects = bm.read_effects(np.ones((3, 2)), 1.0)
    for wrong in ("canonical", None, 3, [["a"]], [np.eye(2), np.eye(3)], {"a": "b"}):
        for call in (
            lambda u: bm.mash.fit(effects, u),
            lambda u: bm.mash.given(u, [1.0], [0.5, 0.5]),
            lambda u: bm.mash.covariances(effects, "canonical", more=u or 3),
        ):
            with pytest.raises(bm.InputError, match="covariance") as error:
                call(wrong)
            assert "\n" not in str(error.value)
    with pytest.raises(bm.InputError, match="kinds: 3, expected"):
        bm.mash.covariances(effects, 3)  # type: ignore[arg-type]
    with pytest.raises(bm.InputError, match="effects: not effects"):
        bm.mash.random_rows(3, 2)  # type: ignore[arg-type]


def test_the_variable_of_covariances_is_as_good_as_their_dataset() -> None:
    b = pd.DataFrame(np.random.default_rng(1).standard_normal((9, 2)), columns=["x", "y"])
    effects = bm.read_effects(b, 1.0)
    u = bm.mash.covariances(effects, "canonical")
    whole, alone = bm.mash.fit(effects, u), bm.mash.fit(effects, u["U"])
    assert whole["estimate"].to_dataset().equals(alone["estimate"].to_dataset())
    other = bm.mash.given(whole["estimate"]["U"], [1.0], np.full(8, 1 / 8))
    assert other["estimate"]["covariance"].values.tolist() == [*u["covariance"].values]
    with pytest.raises(bm.InputError, match="fit: of the conditions x, y"):
        bm.mash.posterior(other, effects.isel(condition=[1, 0]))
