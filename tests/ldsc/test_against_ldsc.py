"""Every number that LDSC 1.0.1 recorded: estimates, errors, covariances, delete values, its tables
and its logs.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from bayesmixer.ldsc import printed
from bayesmixer.ldsc.cell_types import each
from bayesmixer.ldsc.many_traits import ManyTraits, many_traits
from bayesmixer.ldsc.one_trait import OneTrait, one_trait
from bayesmixer.ldsc.overlap import Partition, read_overlap
from bayesmixer.ldsc.panel import Panel
from bayesmixer.ldsc.traits import Trait

RELATIVE = 1e-7
# of the largest of an array: seven annotations have a condition number of about 1e3, whose square
# the normal equations see
OF_LARGEST = 1e-9

H2: dict[str, tuple[str, dict[str, Any]]] = {
    **{f"h2_T{i}": (f"T{i}", {}) for i in range(1, 7)},
    "h2_T1_blocks50": ("T1", {"n_blocks": 50}),
    "h2_T1_intercept1.05": ("T1", {"intercept": 1.05}),
    "h2_T1_liability": ("T1", {}),
    "h2_T1_nointercept": ("T1", {"intercept": 1}),
    "h2_T1_notwostep_chisqmax80": ("T1", {"chisq_max": 80, "two_step": 99999}),
    "h2_T4_chisqmax30": ("T4", {"chisq_max": 30}),
}
PARTITIONED: dict[str, dict[str, Any]] = {
    "part_pair1_intercept1": {"intercept": 1},
    "part_pair1_nointercept": {"intercept": 1},
    "part_pair1_overlap": {},
    "part_pair1_overlap_allM": {"m": "M"},
}
RG: dict[str, tuple[list[str], dict[str, Any]]] = {
    "rg_T1_T2": (["T1", "T2"], {}),
    "rg_T1_T2_liability": (["T1", "T2"], {}),
    "rg_T1_T2_intercepts": (["T1", "T2"], {"intercept": [1.05, 1.02], "intercept_gencov": 0.3}),
    "rg_T1_T2_nointercept": (["T1", "T2"], {"intercept": 1, "intercept_gencov": 0}),
    "rg_T1_T3_zero_h2": (["T1", "T3"], {}),
    "rg_T5_T6_T1_T4": (["T5", "T6", "T1", "T4"], {}),
    "rg_pair1": (["pair1.trait1", "pair1.trait2"], {"check_alleles": False}),
    "part_rg_pair1": (["pair1.trait1", "pair1.trait2"], {"check_alleles": False}),
}

Get = Callable[[str], Any]


def same(found: Any, expected: Any, where: str) -> None:
    """Every key and number that was recorded."""
    if isinstance(expected, dict):
        assert isinstance(found, dict), where
        for key in expected:
            if key in ("N", "p", "n_blocks", "pseudovalues") and where.endswith("jknife"):
                continue  # sizes, and what delete values say already
            same(found[key], expected[key], f"{where}.{key}")
    elif isinstance(expected, list) and expected and isinstance(expected[0], dict):
        assert len(found) == len(expected), where
        for i, (one, other) in enumerate(zip(found, expected, strict=True)):
            same(one, other, f"{where}[{i}]")
    elif expected is None or isinstance(expected, str):
        assert found == expected, where
    elif isinstance(expected, list) and len({np.shape(v) for v in expected}) > 1:
        for i, (one, other) in enumerate(zip(found, expected, strict=True)):
            same(one, other, f"{where}[{i}]")
    else:
        a, b = np.asarray(found, float), np.asarray(expected, float)
        assert a.size == b.size, where
        room = OF_LARGEST * np.abs(b).max() if b.size > 1 else 0.0
        if "prop" in where.rsplit(".", maxsplit=1)[-1] and b.size == 1:
            room = 1e-14  # the whole's share of itself: rounding
        near = np.abs(a.ravel() - b.ravel()) <= RELATIVE * np.abs(b.ravel()) + room
        assert near.all(), f"{where}: {a.ravel()[~near][:3]} for {b.ravel()[~near][:3]}"


def of_one(name: str, trait_of: Callable[[str], Trait], panel: Panel) -> OneTrait:
    trait, options = H2[name] if name in H2 else ("pair1.trait1", PARTITIONED[name])
    return one_trait(trait_of(trait), panel, like_ldsc=True, **options)


def of_many(name: str, trait_of: Callable[[str], Trait], panel: Panel) -> ManyTraits:
    traits, options = RG[name]
    pairs = [(0, j) for j in range(1, len(traits))]
    return many_traits([trait_of(t) for t in traits], panel, like_ldsc=True, pairs=pairs, **options)


@pytest.mark.parametrize("name", H2)
def test_heritability(name: str, recorded: Get, trait_of: Get, eur_panel: Panel) -> None:
    fit = of_one(name, trait_of, eur_panel).fit
    same(printed.attributes(fit), recorded(name), name)


@pytest.mark.parametrize("name", PARTITIONED)
@pytest.mark.filterwarnings("ignore:.*estimates are rough")
def test_annotations(name: str, recorded: Get, trait_of: Get, annotated_panel: Panel) -> None:
    fit = of_one(name, trait_of, annotated_panel).fit
    same(printed.attributes(fit), recorded(name), name)


@pytest.mark.parametrize("name", RG)
@pytest.mark.filterwarnings("ignore:.*estimates are rough")
def test_correlation(
    name: str, recorded: Get, trait_of: Get, eur_panel: Panel, annotated_panel: Panel
) -> None:
    many = of_many(name, trait_of, annotated_panel if name.startswith("part") else eur_panel)
    found = printed.attributes_of_pairs(many.pairs)
    same(found, recorded(name), name)


def numbers(text: str) -> list[float]:
    """Numbers of a log, in order, without those in names of files."""
    text = re.sub(r"\S*\.(sumstats|log|results|cov|delete|part_delete)\S*|\S*\[1-22\]", "", text)
    return [float(v) for v in re.findall(r"(?<![\w.])-?\d+\.?\d*(?:e-?\d+)?(?![\w])", text)]


def printed_alike(found: list[str], log: Path) -> None:
    expected = numbers(log.read_text())
    assert len(expected) > 10
    assert numbers("\n".join(found)) == expected


@pytest.mark.parametrize("name", H2)
def test_logs_of_heritability(name: str, shared: Path, trait_of: Get, eur_panel: Panel) -> None:
    from bayesmixer.ldsc.liability import factor

    one = of_one(name, trait_of, eur_panel)
    scale = factor(0.5, 0.01) if name.endswith("liability") else 1.0
    log = printed.log_of_one(one, "eur", scale, overlap=False)
    printed_alike(log, shared / f"reference/ldsc/log/{name}.log")


@pytest.mark.parametrize("name", RG)
@pytest.mark.filterwarnings("ignore:.*estimates are rough")
def test_logs_of_correlation(
    name: str, shared: Path, trait_of: Get, eur_panel: Panel, annotated_panel: Panel
) -> None:
    from bayesmixer.ldsc.liability import factors_of

    many = of_many(name, trait_of, annotated_panel if name.startswith("part") else eur_panel)
    shares = ([0.5, np.nan], [0.01, np.nan]) if name.endswith("liability") else (None, None)
    factors = factors_of(*shares, len(many.traits))
    log = printed.log_of_many(many, "eur", factors, check="pair1" not in name)
    printed_alike(log, shared / f"reference/ldsc/log/{name}.log")


@pytest.mark.parametrize("name", [n for n in PARTITIONED if "no" not in n])
@pytest.mark.filterwarnings("ignore:.*estimates are rough")
def test_tables_of_annotations(
    name: str,
    shared: Path,
    trait_of: Get,
    annotated: str,
    annotated_panel: Panel,
    frequencies: str,
) -> None:
    one = of_one(name, trait_of, annotated_panel)
    common = PARTITIONED[name].get("m") != "M"
    overlap = read_overlap(
        annotated, frequencies if common else None, one.scores.names, common=common
    )
    text = printed.results_table(
        printed.names_of(one), Partition(one.fit, overlap), "intercept" not in name
    )
    found = pl.read_csv(text.encode(), separator="\t", null_values="NA")
    file = shared / f"reference/ldsc/log/{name}.results"
    expected = pl.read_csv(file, separator="\t", null_values="NA")
    assert found.columns == expected.columns
    assert found["Category"].equals(expected["Category"])
    for column in found.columns[1:]:
        a, b = found[column].to_numpy(), expected[column].to_numpy()
        # all of it is one annotation's share, whose error is rounding here and there
        rounding = 1e-7 if "std_error" in column and "Coefficient" not in column else 0.0
        np.testing.assert_allclose(a, b, rtol=RELATIVE, atol=rounding)
    for ending, matrix in (
        (".cov", one.fit.coefficient.covariance),
        (".delete", one.fit.total.without),
        (".part_delete", one.fit.coefficient.without),
    ):
        beside = file.with_suffix(ending)
        if name == "part_pair1_overlap":
            other = np.loadtxt(printed.matrix_text(matrix).splitlines(), ndmin=2)
            there = np.loadtxt(beside, ndmin=2)
            np.testing.assert_allclose(
                other, there, rtol=RELATIVE, atol=OF_LARGEST * np.abs(there).max()
            )


@pytest.mark.filterwarnings("ignore:.*estimates are rough")
def test_cell_types(
    shared: Path, trait_of: Get, annotated_panel: Panel, eur: str, tmp_path: Path
) -> None:
    scores = annotated_panel.scores
    base = scores.of_annotations([0])
    expected = pl.read_csv(
        shared / "reference/ldsc/log/cts_pair1.cell_type_results.txt", separator="\t"
    )
    parts = {name: scores.of_annotations([i]) for i, name in ((1, "regions30"), (2, "random10"))}
    found, _ = each(trait_of("pair1.trait1"), base, eur, parts, like_ldsc=True, progress=False)
    for one in found:
        row = expected.row(by_predicate=pl.col("Name") == one.name)
        np.testing.assert_allclose([one.coefficient, one.error, one.p], row[1:], rtol=RELATIVE)


def test_two_steps_of_a_pair_are_each_regressions_own(
    recorded: Get, trait_of: Get, eur_panel: Panel
) -> None:
    """rg .503679 with two steps, as ports of LDSC print it; each trait's first step by itself."""
    traits = [trait_of("T1"), trait_of("T2")]
    pair = many_traits(traits, eur_panel, like_ldsc=True, two_step=30.0).pairs[0].fit
    assert pair.tested[0] == pytest.approx(0.503679, abs=5e-7)
    for fit, name in ((pair.first, "h2_T1"), (pair.second, "h2_T2")):
        same(fit.total.value, recorded(name)["tot"], name)
