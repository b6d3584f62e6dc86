"""z-scores against a 60-digit oracle, and what must not change them."""

from __future__ import annotations

import json
from pathlib import Path

import mpmath
import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import bayesmixer as bm
from bayesmixer.io.zscores import abs_z, parse_p, significant_digits
from tests.io.gwas_table import gwas, plain, write

G = gwas()
P_TEXTS = [
    "1",
    "0.9999999",
    "0.5",
    "0.05",
    "5e-8",
    "1e-100",
    "1e-289",
    "3.2e-291",
    "1e-300",
    "2.5E-310",
    "4.94e-324",
    "1e-400",
    "7.31e-5000",
    "0.1e-399",
]
ROOMY = settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
TAIL = dict(info_min=None, maf_min=None, n_min=None)


def oracle(p: str) -> float:
    """|z| with P = erfc(|z| / sqrt 2), by Newton's method on log P with 60 digits."""
    with mpmath.workdps(60):
        log_p = mpmath.log(mpmath.mpf(p))
        if log_p == 0:
            return 0.0
        start = mpmath.sqrt(-2 * log_p) if log_p < -3 else mpmath.mpf("0.5")
        return float(
            mpmath.findroot(lambda z: mpmath.log(mpmath.erfc(z / mpmath.sqrt(2))) - log_p, start)
        )


@pytest.mark.parametrize("text", P_TEXTS)
def test_z_from_p_agrees_with_60_digits_down_to_p_below_any_double(text: str) -> None:
    _, log_p = parse_p(pl.Series([text]))
    # P = 0.9999999 leaves 9 of 16 digits in 1 - P
    np.testing.assert_allclose(
        abs_z(log_p), oracle(text), rtol=2e-9 if text.startswith("0.9999") else 1e-13, atol=0
    )


def test_p_of_zero_and_text_that_is_no_number_give_no_z() -> None:
    p, log_p = parse_p(pl.Series(["0", "0.0e-5", "NA", None, "x"]))
    assert np.isnan(abs_z(log_p)).all()
    assert p[:2].tolist() == [0.0, 0.0]
    assert np.isnan(p[2:]).all()


def test_minus_log10_p_of_ten_thousand_gives_a_finite_z_equal_to_the_oracle(tmp_path: Path) -> None:
    lp = ["0.3", "8", "310.5", "10000"]
    path = write(
        tmp_path / "a.txt",
        {
            "SNP": ["a1", "b", "c", "d"],
            "A1": "A",
            "A2": "C",
            "BETA": [1, -1, 1, -1],
            "LOG10P": lp,
            "N": 10,
        },
    )
    with mpmath.workdps(60):
        expected = [
            s * oracle(mpmath.nstr(mpmath.mpf(10) ** -mpmath.mpf(x), 50))
            for s, x in zip((1, -1, 1, -1), lp, strict=True)
        ]
    np.testing.assert_allclose(bm.read_sumstats(path)["z"], expected, rtol=1e-12)


def test_p_of_zero_uses_effect_and_standard_error_and_is_dropped_and_counted_without(
    tmp_path: Path,
) -> None:
    p = ["0" if i < 3 else repr(float(x)) for i, x in enumerate(G.p)]
    both = bm.read_sumstats(plain(tmp_path / "a.txt", P=p), z_from="p")
    np.testing.assert_allclose(both["z"][:3], (G.beta / G.se)[:3])
    assert json.loads(both.attrs["filters"])["p_zero"] == 0
    alone = bm.read_sumstats(plain(tmp_path / "b.txt", P=p, SE=None))
    assert json.loads(alone.attrs["filters"])["p_zero"] == 3
    assert alone.sizes["variant"] == len(G) - 3


def test_p_is_preferred_to_standard_errors_printed_with_one_digit(tmp_path: Path) -> None:
    coarse = [f"{x:.2f}" for x in G.se]  # .01 to .05: one digit
    ds = bm.read_sumstats(plain(tmp_path / "a.txt", SE=coarse))
    np.testing.assert_allclose(ds["z"], G.z, rtol=1e-9)
    assert ds.attrs["z_definition"] == "P, sign of BETA"
    asked = bm.read_sumstats(plain(tmp_path / "a.txt", SE=coarse), z_from="beta")
    np.testing.assert_allclose(asked["z"], G.beta / np.array(coarse, dtype=float), rtol=1e-12)


@pytest.mark.parametrize(
    ("text", "digits"),
    [("0.003", 1), ("0.0120", 3), ("1.5e-04", 2), ("12", 2), ("-0.04321", 4), ("0", 0)],
)
def test_significant_digits_are_counted_as_printed(text: str, digits: int) -> None:
    assert significant_digits(pl.Series([text] * 5)) == digits


def test_an_effect_printed_as_zero_has_no_sign_unless_standard_error_gives_z(
    tmp_path: Path,
) -> None:
    beta = ["0" if i == 0 else repr(float(b)) for i, b in enumerate(G.beta)]
    ds = bm.read_sumstats(plain(tmp_path / "a.txt", BETA=beta, SE=None))
    assert json.loads(ds.attrs["filters"])["sign_unknown"] == 1
    ds = bm.read_sumstats(plain(tmp_path / "b.txt", BETA=beta))
    assert ds["z"][0] == 0.0


@ROOMY
@given(
    seed=st.integers(0, 2**32 - 1), how=st.sampled_from(["beta", "odds_ratio", "z", "p", "log10p"])
)
def test_swapping_the_alleles_flips_z(tmp_path: Path, seed: int, how: str) -> None:
    g = gwas(30, seed)
    base = {"SNP": g.rsid, "N": g.n}
    effect = {
        "beta": lambda s: {"BETA": s * g.beta, "SE": g.se},
        "odds_ratio": lambda s: {"OR": np.exp(s * g.beta), "SE": g.se},
        "z": lambda s: {"Z": s * g.z, "P": g.p},
        "p": lambda s: {"P": g.p, "BETA": s * g.beta},
        "log10p": lambda s: {"LP": -np.log10(g.p), "BETA": s * g.beta},
    }[how]
    one = bm.read_sumstats(
        write(tmp_path / "one.txt", {**base, "A1": g.ea, "A2": g.oa, **effect(1)})
    )
    two = bm.read_sumstats(
        write(tmp_path / "two.txt", {**base, "A1": g.oa, "A2": g.ea, **effect(-1)})
    )
    np.testing.assert_allclose(one["z"], -two["z"], rtol=1e-12, atol=1e-12)
    assert (one["a1"].to_numpy() == two["a2"].to_numpy()).all()


@ROOMY
@given(seed=st.integers(0, 2**32 - 1), data=st.data())
def test_order_of_columns_and_rows_does_not_matter(
    tmp_path: Path, seed: int, data: st.DataObject
) -> None:
    g = gwas(25, seed)
    columns = {
        "SNP": g.rsid,
        "CHR": g.chrom,
        "BP": g.pos,
        "A1": g.ea,
        "A2": g.oa,
        "BETA": g.beta,
        "SE": g.se,
        "P": g.p,
        "N": g.n,
        "EAF": g.freq,
    }
    plain_order = bm.read_sumstats(write(tmp_path / "one.txt", columns))
    names = data.draw(st.permutations(list(columns)))
    rows = np.array(data.draw(st.permutations(range(25))))
    shuffled = bm.read_sumstats(
        write(
            tmp_path / "two.txt",
            {name: columns[name].iloc[rows].reset_index(drop=True) for name in names},
        )
    )
    back = shuffled.isel(variant=np.argsort(shuffled["pos"].to_numpy()))
    assert back.drop_attrs().identical(plain_order.drop_attrs())


@ROOMY
@given(
    z=st.lists(st.floats(-200, 200).filter(lambda x: abs(x) > 1e-3), min_size=1, max_size=20),
    se=st.floats(1e-6, 1e3),
)
def test_beta_over_se_and_p_and_odds_ratio_give_the_same_z(
    tmp_path: Path, z: list[float], se: float
) -> None:
    beta = [x * se for x in z]
    with mpmath.workdps(40):
        p = [mpmath.nstr(mpmath.erfc(abs(mpmath.mpf(x)) / mpmath.sqrt(2)), 20) for x in z]
    base = {"SNP": [f"rs{i}" for i in range(len(z))], "A1": "A", "A2": "G", "N": 1000}
    by_beta = bm.read_sumstats(
        write(tmp_path / "a.txt", {**base, "BETA": [repr(b) for b in beta], "SE": repr(se)}), **TAIL
    )
    by_p = bm.read_sumstats(
        write(tmp_path / "b.txt", {**base, "BETA": [repr(b) for b in beta], "P": p}), **TAIL
    )
    np.testing.assert_allclose(by_beta["z"], z, rtol=1e-12)
    np.testing.assert_allclose(by_p["z"], z, rtol=1e-11, atol=1e-14)


@ROOMY
@given(log_odds=st.lists(st.floats(-5, 5).filter(lambda x: abs(x) > 1e-6), min_size=2, max_size=15))
def test_odds_ratios_and_log_odds_ratios_give_the_same_z(
    tmp_path: Path, log_odds: list[float]
) -> None:
    base = {
        "SNP": [f"rs{i}" for i in range(len(log_odds))],
        "A1": "A",
        "A2": "G",
        "N": 1000,
        "SE": 0.05,
    }
    one = bm.read_sumstats(
        write(tmp_path / "a.txt", {**base, "OR": [repr(float(np.exp(b))) for b in log_odds]}),
        **TAIL,
    )
    two = bm.read_sumstats(
        write(tmp_path / "b.txt", {**base, "log_odds": [repr(b) for b in log_odds]}), **TAIL
    )
    np.testing.assert_allclose(one["z"], two["z"], rtol=1e-9, atol=1e-13)
