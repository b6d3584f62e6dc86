"""Studies of what a model reports: cells of two traits and their truth, intervals of draws, tables
of coverage and claims, and one replicate in closed form.
"""

from importlib import import_module

import numpy as np
import pandas as pd
import pytest

import bayesmixer as bm
from bayesmixer.card import cards
from bayesmixer.errors import InputError
from bayesmixer.inference.find_map import Modes, climb
from bayesmixer.laboratory import reported
from bayesmixer.laboratory.cells import complete, kind_of, numbers, read_cells
from bayesmixer.laboratory.claims import claims_table, held_table, markdown, wilson
from bayesmixer.laboratory.replicates import LEVELS, Settings
from bayesmixer.laboratory.table import coverage_table
from bayesmixer.mixer.cell import Cell
from bayesmixer.pair.cards import BIVARIATE, LOGIT_T
from bayesmixer.pair.cell import PairCell
from bayesmixer.simulation.panel import panel_blocks
from tests.pair.independent import (
    H_TOTAL,
    RHO_0,
    SIGMA2_0,
    STRENGTH,
    VARIANTS_OF_GENOME,
    N,
    closed_form,
    simulate,
)


def test_pairs_are_studied_in_cells_of_their_own():
    assert kind_of("bivariate_mixer") is PairCell
    (cell,) = read_cells(["u=-0.4,excess=0.5,pi_1=.003,pi_2=.001,rho_0=.2,n_2=5e4"], PairCell)
    assert cell == PairCell(-0.4, 0.5, 0.003, 0.001, rho_0=0.2, n_2=50_000)
    assert cell.at.rg == pytest.approx(-0.4 * np.sqrt(1 / 3))
    assert cell.at.pi_shared == pytest.approx(0.7 * 0.001)
    standard = read_cells(None, PairCell)
    assert {cell.excess for cell in standard} == {0.0, 0.5, 1.0}
    other = [cell.effects for cell in standard if any(
        getattr(cell, key) != value for key, value in PairCell.assumed.items()
    )]  # fmt: skip
    assert {one.law for one in other} == {"gaussian", "laplace", "t5"}
    assert {(one.maf_s, one.enrichment) for one in other} >= {(-0.5, 1), (0, 5)}


@pytest.mark.parametrize(
    ("cell", "word"),
    [
        ("excess=0.5", "no u"),
        ("u=1,excess=0.5", "-1 < u < 1"),
        ("u=0,excess=1.5", "0 <= excess <= 1"),
        ("u=0,excess=0,pi_1=0", "0 < pi_1"),
        ("u=0,excess=0,n_2=1", "n_2 >= 2"),
        ("u=0,excess=0,h2_1=2", "h2"),
        ("u=0,excess=0,kurtosis=1", "kurtosis 0 .Gaussian., 3 .Laplace. or 6"),
        ("u=0,excess=0,enrichment=20", "enrichment: found 20"),
    ],
)
def test_bad_cells_of_pairs_are_named_in_one_line(cell, word):
    with pytest.raises(InputError, match=word):
        read_cells([cell], PairCell)


@pytest.fixture(scope="module")
def panel(example_folder):
    data = bm.example_data(example_folder / "data")
    return panel_blocks(data.genotypes, data.ld_blocks, [1, 2])


@pytest.mark.parametrize(
    ("u", "excess", "pi_2", "y"),
    [
        (0.0, 0.0, 0.02, -np.inf),
        (-0.3, 0.0, 0.07, -np.inf),
        (0.3, 1.0, 0.02, np.inf),
        (0.3, 1.0, 0.07, np.inf),
        (0.3, 0.5, 0.02, None),
    ],
)
def test_truth_of_a_cell_is_exact_at_the_ends_and_that_of_the_draws(panel, u, excess, pi_2, y):
    cell = PairCell(u, excess, 0.02, pi_2, h2_1=0.02, h2_2=0.03)
    one = cell.simulate(panel, 1, np.random.default_rng(1)).isel(replicate=0)
    truths = cell.truths(panel, one)
    place = float(LOGIT_T.truth(truths[""], None))
    assert np.isfinite(place) if y is None else place == y

    def told(name, behind):
        return BIVARIATE.quantity(name).truth(truths[behind])

    at, shared = cell.at, int(one["n_causal"].sel(component="shared")) if cell.at.f else 0
    assert told("n_shared", "") == pytest.approx(at.pi_shared * len(panel.variants), rel=1e-3)
    assert told("n_shared", "_realised") == shared == cell.realised(one)["n_shared_realised"]
    assert told("rg", "") == pytest.approx(at.rg)
    np.testing.assert_allclose(told("pi", ""), [0.02, pi_2])
    np.testing.assert_allclose(told("h2", ""), [0.02, 0.03])
    np.testing.assert_allclose(told("h2", "_realised"), one["h2_realised"])
    assert told("rg_max", "") == pytest.approx(np.sqrt(min(0.02, pi_2) / max(0.02, pi_2)))
    if at.f == 0:
        assert np.isnan(told("rho_beta", ""))
    else:
        assert told("rho_beta", "") == pytest.approx(at.rho_beta)
        assert told("fraction_concordant", "") == pytest.approx(
            0.5 + np.arcsin(at.rho_beta) / np.pi
        )
    assert all(BIVARIATE.quantity(name).truth is not None for name in BIVARIATE.judged)


def test_central_and_shortest_intervals_of_draws():
    x = np.random.default_rng(0).standard_normal(40_000)
    found = reported.intervals(x)
    for prefix in ("", "hdi_"):
        assert found[f"{prefix}low90"] == pytest.approx(-1.645, abs=0.06)
        assert found[f"{prefix}high90"] == pytest.approx(1.645, abs=0.06)
    with_mass = np.where(np.random.default_rng(1).random(40_000) < 0.5, 0.0, np.abs(x))
    found = reported.intervals(with_mass)
    assert found["low90"] == 0.0
    assert found["hdi_low90"] == -np.inf  # open at the end
    assert reported.intervals(-with_mass)["hdi_high90"] == np.inf
    assert found["hdi_high90"] == pytest.approx(np.quantile(with_mass, 0.9), rel=0.02)


def test_few_draws_have_intervals_that_hold_a_new_one_as_often_as_stated():
    x = np.random.default_rng(2).standard_normal((1500, 20))
    found = [reported.intervals(row[1:]) for row in x]
    held = [one["low80"] <= new <= one["high80"] for one, new in zip(found, x[:, 0], strict=True)]
    assert np.mean(held) == pytest.approx(0.8, abs=3 * 0.4 / np.sqrt(1500))


def test_bounds_of_a_share_are_those_of_wilson():
    # roots of (share - p)^2 = z^2 p (1 - p) / n
    for count, of in ((9, 10), (0, 8), (50, 50), (123, 400)):
        for p in wilson(count, of):
            left, right = (count / of - p) ** 2, 1.959964**2 * p * (1 - p) / of
            assert left == pytest.approx(right, abs=1e-9)
    assert np.isnan(wilson(0, 0)).all()


def made_up():
    """Two cells, one at the low end and one between, of four replicates."""
    rows = []
    for cell, excess in ((PairCell(0.4, 0.0), 0.0), (PairCell(0.4, 0.5), 0.5)):
        for r in range(4):
            common = {
                "cell": cell.name, "replicate": r, **numbers(cell), "mean_chi2": 2.0,
                "converged": True, "concerns": "", "cpu_seconds": 1.0,
                "p_low": [0.99, 0.1, 0.2, 0.3][r] if excess == 0 else 0.99, "true_low": excess > 0,
                "score_p_low": 0.5, "log10_bf_low": float(r),
                "p_high": 0.97 if r < 2 else 0.5, "true_high": True,
                "score_p_high": 0.01, "log10_bf_high": 1.0,
            }  # fmt: skip
            for name in ("a", "b[x]", "b[y]"):
                row = {"parameter": name, "truth": 1.0, "estimate": 1.0 + r}
                for level in LEVELS:
                    row |= {f"low{level}": float(r), f"high{level}": 5.0}
                    row |= {f"hdi_low{level}": 1.0 + 1e-12, f"hdi_high{level}": 5.0}
                rows.append(common | row)
    return pd.DataFrame(rows)


def test_tables_count_what_is_held_and_claimed_by_cell_and_pooled():
    rows = made_up()
    held = held_table(rows, PairCell).set_index(["cell", "quantity"])
    least, between = PairCell(0.4, 0.0).name, PairCell(0.4, 0.5).name
    assert held.loc[(least, "a"), ["of", "held", "hdi_held"]].tolist() == [4, 2, 4]
    assert held.loc[(least, "b"), ["replicates", "of", "held"]].tolist() == [4, 8, 4]
    assert held.loc[(least, "a"), ["at_most", "at_least"]].tolist() == [1.0, 0.5]
    pooled = held.loc["between the ends"]
    assert pooled["of"].tolist() == [4, 8]
    assert pooled["low"].iloc[0] == pytest.approx(wilson(2, 4)[0])
    claims = claims_table(rows, PairCell).set_index(["statement", "cell", "true"])
    assert claims.loc[("low", least, False), ["replicates", "claimed"]].tolist() == [4, 1]
    assert claims.loc[("low", "all", True), ["replicates", "claimed"]].tolist() == [4, 4]
    assert claims.loc[("high", "all", True), ["replicates", "claimed"]].tolist() == [8, 4]
    assert claims.loc[("high", between, True), "rejected"] == 1
    text = markdown(held.reset_index(), claims.reset_index(), PairCell)
    assert "| between the ends |" in text
    assert "| 25 (5–70) |" in text
    assert "| 100, 50 |" in text
    table = coverage_table(rows, PairCell)
    assert set(table["hdi_cover90"]) == {1.0}
    assert "raw_cover90" not in table


def test_cells_whose_effects_the_model_does_not_assume_are_shown_warned_of_and_not_pooled():
    rows = made_up()
    end = rows["excess"] == 0
    heavy = PairCell(0.4, 0.0, kurtosis=6)
    more = rows[end].assign(cell=heavy.name, kurtosis=6.0, p_low=0.99)
    both = pd.concat([rows, more], ignore_index=True)
    held, claims = held_table(both, PairCell), claims_table(both, PairCell)
    assert (held["cell"] == heavy.name).any()
    pooled = (held["cell"] == "between the ends", claims["cell"] == "all")
    for table, of, old in zip((held, claims), pooled, (held_table, claims_table), strict=True):
        before = old(rows, PairCell)
        before = before[before["cell"].isin(["between the ends", "all"])]
        pd.testing.assert_frame_equal(
            table[of].reset_index(drop=True), before.reset_index(drop=True)
        )
    text = markdown(held, claims, PairCell)
    assert (
        f"Claimed too often where it is false: low in 100 (51–100)% of 4 replicates of {heavy.name}"
        in text
    )


def test_rows_from_before_cells_had_a_key_are_those_of_its_default():
    rows = made_up()
    old = rows.drop(columns=["kurtosis", "enrichment"])
    new = rows[:3].assign(kurtosis=3.0)
    whole = complete(pd.concat([old, new], ignore_index=True), PairCell)
    assert whole["kurtosis"].tolist() == [0.0] * len(old) + [3.0] * 3
    assert (whole["enrichment"] == 1).all()
    pd.testing.assert_frame_equal(complete(old, PairCell)[rows.columns], rows)


def test_a_study_of_reported_quantities_leaves_its_tables_and_page(tmp_path):
    settings = Settings("", "", "", None, "bivariate_mixer", "map", "weak", 50, 0, 1)
    coverage = import_module("bayesmixer.laboratory.coverage")
    coverage._write(tmp_path, made_up(), settings, PairCell)
    assert {path.name for path in tmp_path.iterdir()} <= set(coverage.OWN_NAMES)
    assert pd.read_csv(tmp_path / "claims.csv")["claimed"].sum() > 0
    assert "Shortest 90% intervals" in (tmp_path / "table.md").read_text()
    page = (tmp_path / "index.html").read_text()
    assert page.count("data:image/png") == 3
    assert "shortest 90%" in page


def test_the_table_of_the_study_of_one_trait_is_that_of_its_rows(root):
    folder = root / "benchmarks/results/coverage"
    table = coverage_table(pd.read_parquet(folder / "replicates.parquet"), Cell)
    assert table.to_csv(index=False, float_format="%.5g") == (folder / "table.csv").read_text()


def test_a_replicate_has_the_intervals_and_claims_of_its_posterior():
    u, e, pi, variance = 0.4, 0.5, (0.04, 0.04), 8.0
    h2 = [p * variance * H_TOTAL / (N * STRENGTH) for p in pi]
    cell = PairCell(u, e, *pi, rho_0=RHO_0, n_1=N, n_2=N)
    parts = [{"name": c.name, "pi": c.pi, "rho": c.rho} for c in cell.effects.components]
    aim = {
        "h2": h2, "polygenicity": cell.effects.polygenicity, "components": parts, "rg": cell.at.rg,
        "rho_0": RHO_0, "sigma2_0": SIGMA2_0, "variants": VARIANTS_OF_GENOME,
        "n_causal": {part["name"]: part["pi"] * VARIANTS_OF_GENOME for part in parts},
    }  # fmt: skip
    settings = Settings("", "", "", None, "bivariate_mixer", "map", "weak", 500, 0, 1)
    data, common = simulate(u, e, pi, variance, 2000, 3), {}
    with closed_form([]):
        judged = cards()["bivariate_mixer"].judged
        rows, draws = reported.rows(settings, data, {"": aim}, common, judged)
    one = pd.DataFrame(rows).set_index("parameter")
    assert {name: v.shape[0] for name, v in draws.items()} == dict.fromkeys(judged, 500)
    assert {"n_shared", "dice", "h2[a]", "pi[b]", "rho_beta"} <= {*one.index}
    assert one.loc["n_shared", "truth"] == pytest.approx(0.7 * 0.04 * VARIANTS_OF_GENOME)
    for level in LEVELS:
        shortest = one[f"hdi_high{level}"] - one[f"hdi_low{level}"]
        wide = one[f"high{level}"] - one[f"low{level}"]
        assert (np.isinf(shortest) | (shortest <= wide + 1e-9)).all()
    assert (abs(one["estimate"] - one["truth"]) < 5 * one["sd"]).all()
    assert common["true_beyond_rg"]
    assert common["true_less_than_complete"]
    assert 0 < common["p_beyond_rg"] < 1
    assert common["restarted"] in (True, False)
    shares = [common[f"p_is_{name}"] for name in ("least", "between", "complete")]
    assert sum(shares) == pytest.approx(1)
    assert {"cpu_mode", "cpu_calibration", "cpu_ends", "cpu_draws"} <= set(common)


def test_a_search_that_missed_the_higher_hill_starts_anew(monkeypatch):
    cell, pi = PairCell(0.4, 0.5, 0.04, 0.04), (0.04, 0.04)
    parts = [{"name": c.name, "pi": c.pi, "rho": c.rho} for c in cell.effects.components]
    aim = {"h2": [0.9, 0.9], "polygenicity": pi, "components": parts, "rg": cell.at.rg,
           "rho_0": RHO_0, "sigma2_0": SIGMA2_0}  # fmt: skip
    settings = Settings("", "", "", None, "bivariate_mixer", "map", "weak", 50, 0, 1)
    found, asked = [(None, None), (None, object())], []
    monkeypatch.setattr(reported, "_beside", lambda *_: found.pop())
    monkeypatch.setattr(reported, "_higher", lambda *_: np.inf)

    def searched(density, bound, calibrate):
        assert calibrate
        asked.append(bound.name)
        return Modes(climb(density, reported._start(density, bound, aim), density.box))

    monkeypatch.setattr(import_module("bayesmixer.inference.fit"), "searched", searched)
    common = {}
    with closed_form([]):
        reported.rows(settings, simulate(0.4, 0.5, pi, 8.0, 1000, 3), {"": aim}, common, ("rg",))
    assert common["restarted"]
    assert asked == ["bivariate_mixer"]
    assert not common["calibrated"]
