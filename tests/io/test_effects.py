"""Effects come in from whatever holds them, and bad ones are refused in one line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
import xarray as xr
from scipy import stats

import bayesmixer as bm
from bayesmixer.io.t_errors import normal_errors

B = np.array([[0.5, -0.1, 0.2], [0.3, 0.4, -0.6]])
S = np.array([[0.1, 0.2, 0.1], [0.3, 0.1, 0.2]])
NAMES = ["liver", "brain", "skin"]
NAN, INF = np.nan, np.inf


def test_arrays_frames_and_files_give_the_same_effects(tmp_path: Path) -> None:
    pandas = [pd.DataFrame(x, index=["rs1", "rs2"], columns=NAMES) for x in (B, S)]
    polars = [pl.from_pandas(x.reset_index(names="snp")) for x in pandas]
    shuffled = pandas[1].loc[["rs2", "rs1"], NAMES[::-1]]
    for stem, frame in zip(("b", "s"), polars, strict=True):
        frame.write_csv(tmp_path / f"{stem}.tsv", separator="\t")
        frame.write_parquet(tmp_path / f"{stem}.parquet")
    np.savez(tmp_path / "both.npz", bhat=B, shat=S, effect=["rs1", "rs2"], condition=NAMES)
    labelled = bm.read_effects(*pandas)
    for found in (
        bm.read_effects(*polars),
        bm.read_effects(pandas[0], shuffled),
        bm.read_effects(tmp_path / "b.tsv", tmp_path / "s.tsv"),
        bm.read_effects(str(tmp_path / "b.parquet"), str(tmp_path / "s.parquet")),
        bm.read_effects(tmp_path / "both.npz"),
        bm.read_effects(labelled["bhat"], labelled["shat"]),
        bm.read_effects(labelled["bhat"].T, labelled["shat"].T),
        bm.read_effects(labelled),
        bm.read_effects(labelled.drop_attrs()),
    ):
        assert found.equals(labelled)
    np.save(tmp_path / "b.npy", B)
    assert bm.read_effects(tmp_path / "b.npy", S).equals(bm.read_effects(B, S))
    plain = bm.read_effects(B, S)
    assert (plain["bhat"].values == labelled["bhat"].values).all()
    assert [*labelled["condition"].values] == NAMES
    assert [*labelled["effect"].values] == ["rs1", "rs2"]


def test_z_and_p_give_the_standard_errors_that_effects_have() -> None:
    by_shat = bm.read_effects(B, S)
    np.testing.assert_allclose(bm.read_effects(B, z=B / S)["shat"], S, rtol=1e-14)
    p = 2 * stats.norm.sf(np.abs(B / S))
    np.testing.assert_allclose(bm.read_effects(B, p=p)["shat"], S, rtol=1e-10)
    alone = bm.read_effects(z=B / S)
    assert (alone["shat"] == 1).all()
    assert (alone["bhat"] == by_shat["bhat"] / by_shat["shat"]).all()
    assert (bm.read_effects(B, 0.2)["shat"] == 0.2).all()


def test_an_empty_cell_is_missing() -> None:
    b, s = B.copy(), S.copy()
    b[0, 1] = s[0, 1] = NAN
    found = bm.read_effects(b, s)
    assert int(np.isnan(found["bhat"]).sum()) == int(np.isnan(found["shat"]).sum()) == 1


def test_t_statistics_keep_their_tail_probability_however_large_and_at_zero() -> None:
    t = np.array([0.5, 2.0, 5.0, 30.0])
    df = np.array([3.0, 10.0, 50.0, 7.0])
    z = t / normal_errors(t, np.ones(4), df)
    np.testing.assert_allclose(stats.norm.logsf(z), np.log(stats.t.sf(t, df)), rtol=1e-10)
    # 60 at 1,000 degrees: below the smallest number; between its neighbours in degrees of freedom
    deep = normal_errors(np.full(3, 60.0), np.ones(3), np.array([990.0, 1000.0, 1010.0]))
    assert np.isfinite(deep).all() and (np.diff(deep) < 0).all() and (deep > 1).all()
    # at 0 the limit, which what lies near 0 comes to
    near = normal_errors(np.array([0.0, 1e-5, 1e-4]), np.ones(3), np.full(3, 5.0))
    np.testing.assert_allclose(near, near[0], rtol=1e-8)


def test_a_series_takes_over_from_the_tail_of_t_without_a_step() -> None:
    from bayesmixer.io.t_errors import _log_tail

    t, df = np.array([5.0, 20.0, 30.0]), np.array([30.0, 200.0, 1000.0])
    np.testing.assert_allclose(_log_tail(t, df), np.log(stats.t.sf(t, df)), rtol=1e-10)


def test_contrasts_have_the_covariance_of_their_errors() -> None:
    v = np.array([[1, 0.3, 0.1], [0.3, 1, 0.2], [0.1, 0.2, 1]])
    found = bm.read_effects(B, S, v=v, baseline=1)
    matrix = np.array([[1, -1, 0], [0, -1, 1.0]])
    for j in range(2):
        expected = matrix @ (v * np.outer(S[j], S[j])) @ matrix.T
        se = found["shat"].values[j]
        np.testing.assert_allclose(found["v"].values[j] * np.outer(se, se), expected, rtol=1e-13)
    np.testing.assert_allclose(found["bhat"], B @ matrix.T)
    by_hand = bm.read_effects(B, S, v=v, contrasts=matrix)
    np.testing.assert_allclose(by_hand["bhat"], found["bhat"])
    assert "reported" not in found


def test_contrasts_that_depend_on_others_are_reported_not_worked_on() -> None:
    every = np.array([[1, -1, 0], [1, 0, -1], [0, 1, -1.0]])
    found = bm.read_effects(B, S, contrasts=every)
    assert found.sizes["condition"] == 2
    np.testing.assert_allclose(found["reported"] @ found["bhat"].T, every @ B.T, atol=1e-14)
    mean = bm.read_effects(B, S, baseline="mean")
    left = mean["reported"].values @ mean["bhat"].values.T
    np.testing.assert_allclose(left.T, B - B.mean(1, keepdims=True), atol=1e-14)


def test_a_contrast_with_a_missing_part_is_missing() -> None:
    b, s = B.copy(), S.copy()
    b[0, 2] = s[0, 2] = NAN
    found = bm.read_effects(b, s, baseline=1)
    assert np.isnan(found["bhat"].values).tolist() == [[False, True], [False, False]]


def test_tables_of_conditions_are_taken_by_name(tmp_path: Path) -> None:
    b, s = (pd.DataFrame(x, columns=NAMES) for x in (B, S))
    v = pd.DataFrame([[1, 0.3, 0.1], [0.3, 1, 0.2], [0.1, 0.2, 1]], NAMES, NAMES)
    contrasts = pd.DataFrame([[1, -1, 0], [0, 1, -0.5]], ["x", "y"], NAMES)
    known = bm.read_effects(b, s, v=v, contrasts=contrasts)
    np.testing.assert_allclose(known["bhat"], B @ contrasts.values.T)
    turned, other = v.loc[NAMES[::-1], NAMES[::-1]], contrasts[NAMES[::-1]]
    for name, one in (("v", turned), ("l", other)):
        one.to_csv(tmp_path / f"{name}.tsv", sep="\t")
    for of_errors in (turned, tmp_path / "v.tsv", xr.DataArray(turned)):
        for of_effects in (other, tmp_path / "l.tsv", xr.DataArray(other)):
            found = bm.read_effects(b, s, v=of_errors, contrasts=of_effects)
            xr.testing.assert_allclose(found, known, rtol=1e-14)
    fit = bm.mash.given(np.eye(3), [1.0], [0.5, 0.5])
    effects = bm.read_effects(b, s)
    by_file = bm.mash.posterior(fit, effects, contrasts=tmp_path / "l.tsv")
    assert by_file.equals(bm.mash.posterior(fit, effects, contrasts=contrasts))


def test_a_baseline_is_a_name_before_it_is_a_position() -> None:
    b = np.arange(9.0).reshape(3, 3)
    frame = pd.DataFrame(b, columns=["2", "1", "0"])
    found = bm.read_effects(frame, 1, baseline="0")
    assert found["condition"].values.tolist() == ["2-0", "1-0"]
    assert bm.read_effects(frame, 1, baseline=0)["condition"].values.tolist() == ["1-2", "0-2"]
    named = bm.read_effects(b, 1, baseline="1")["condition"].values
    assert named.tolist() == ["condition_1-condition_2", "condition_3-condition_2"]


def test_effects_without_their_baseline_are_called_that() -> None:
    with pytest.raises(bm.InputError, match="baseline: 1 effects lack a part of every one"):
        bm.read_effects([[1.0, 2.0], [np.nan, 1.0]], 1, baseline=0)


def test_two_conditions_with_a_baseline_are_one_contrast() -> None:
    found = bm.read_effects(B[:, :2], S[:, :2], baseline=0)
    assert found["bhat"].shape == (2, 1)


def with_(x: np.ndarray, value: float) -> np.ndarray:
    x = x.copy()
    x[1, 2] = value
    return x


SINGULAR = np.ones((3, 3))
INDEFINITE = np.array([[1, 0.9, -0.9], [0.9, 1, 0.9], [-0.9, 0.9, 1]])
BAD: list[tuple[dict[str, Any], str]] = [
    ({"bhat": B, "shat": S[:, :2]}, "shat: of shape (2, 2), expected that of bhat"),
    ({"bhat": with_(B, INF), "shat": S}, "bhat: 1 cells are infinite (first: 1, condition_3)"),
    ({"bhat": B, "shat": with_(S, INF)}, "shat: 1 cells are infinite"),
    ({"bhat": B, "shat": with_(S, -0.1)}, "shat: 1 cells are negative"),
    ({"bhat": B, "shat": with_(S, 0)}, "shat: 1 cells are zero"),
    ({"bhat": B, "shat": with_(S, NAN)}, "shat: 1 cells have an effect but no standard error"),
    ({"bhat": np.where([[1], [0]], NAN, B), "shat": S}, "bhat: 1 effects have no value in any"),
    ({"bhat": B, "shat": S, "z": B / S}, "z: given beside shat"),
    ({"shat": S}, "bhat: no effects"),
    ({"p": S}, "p has no signs"),
    ({"bhat": B, "p": with_(S, 0)}, "p: holds values outside"),
    ({"bhat": B, "p": with_(S, 1)}, "p: 1 cells where the effect or its z is 0"),
    ({"bhat": B, "z": -B}, "z: has other signs than bhat"),
    ({"bhat": B, "z": with_(B, NAN)}, "z: missing in other cells than bhat"),
    ({"bhat": B, "shat": S, "v": SINGULAR}, "v: singular: others determine"),
    ({"bhat": B, "shat": S, "v": INDEFINITE}, "v: smallest eigenvalue"),
    ({"bhat": B, "shat": S, "v": np.triu(SINGULAR)}, "v: not symmetric"),
    ({"bhat": B, "shat": S, "v": np.eye(2)}, "v: of shape (2, 2)"),
    ({"bhat": B, "shat": S, "v": np.full((3, 3), NAN)}, "v: holds entries that are not finite"),
    ({"bhat": B, "shat": S, "v": [["a"] * 3] * 3}, "v: holds what is no number"),
    ({"bhat": B, "shat": S, "v": [[1, 0], [0]]}, "v: holds what is no number"),
    (
        {
            "bhat": pd.DataFrame(B, columns=NAMES),
            "shat": S,
            "v": pd.DataFrame(np.eye(3), columns=["liver", "brain", "eye"]),
        },
        "v: names 'eye', which is no condition",
    ),
    ({"bhat": 1e80 * B, "shat": S}, "bhat: effects or standard errors beyond 1e-30 to 1e+30"),
    ({"bhat": B, "shat": 1e-80 * S}, "bhat: effects or standard errors beyond 1e-30 to 1e+30"),
    ({"bhat": B, "shat": S * [1, 1e-9, 1]}, "shat: 1.5e-10 in condition_2, 0.2 in condition_1"),
    ({"bhat": B + 1j, "shat": S}, "bhat: holds what is no number"),
    ({"bhat": B, "shat": S, "alpha": 2}, "alpha: 2, expected a number from 0 to 1"),
    ({"bhat": B, "shat": S, "df": -1}, "df: holds what is no positive number"),
    ({"bhat": B, "shat": S, "df": [4, 5]}, "df: of shape (2,)"),
    ({"bhat": B, "shat": S, "baseline": "eye"}, "baseline: 'eye', expected a condition's name"),
    ({"bhat": B[:, :1], "shat": S[:, :1], "baseline": 0}, "baseline: one condition has no"),
    ({"bhat": B, "shat": S, "contrasts": [[1, -1]]}, "contrasts: of shape (1, 2)"),
    ({"bhat": B, "shat": S, "contrasts": [[0, 0, 0]]}, "contrasts: row 0 is all zeros"),
    ({"bhat": B, "shat": S, "contrasts": [["a", "b", "c"]]}, "contrasts: holds what is no"),
    ({"bhat": B, "shat": S, "contrasts": np.zeros((0, 3))}, "contrasts: of shape (0, 3)"),
    ({"bhat": B, "shat": S, "contrasts": "absent.tsv"}, "absent.tsv: No such file"),
    ({"bhat": B, "shat": S, "baseline": True}, "baseline: True, expected"),
    ({"bhat": bm.read_effects(B, S, alpha=1)}, "alpha: 0, the effects were read with 1"),
    ({"bhat": B, "shat": S, "contrasts": B, "baseline": 0}, "contrasts: given beside baseline"),
    ({"bhat": [["a", "b"]], "shat": 1}, "bhat: holds what is no number"),
    ({"bhat": np.zeros((0, 3)), "shat": 1}, "bhat: of shape (0, 3): no effects"),
    ({"bhat": np.zeros((2, 2, 2)), "shat": 1}, "bhat: 3 dimensions"),
    ({"bhat": "absent.tsv"}, "absent.tsv: No such file"),
    ({"bhat": "absent.parquet"}, "absent.parquet: No such file"),
    ({"bhat": "absent.npz"}, "absent.npz: No such file"),
    ({"bhat": "absent.xlsx"}, "absent.xlsx: expected a file named"),
    (
        {"bhat": pd.DataFrame(B, index=["rs1", "rs1"]), "shat": 1},
        "effect: 'rs1' names 2 effects",
    ),
    ({"bhat": pd.DataFrame(B, columns=["a", "b", "a"]), "shat": 1}, "condition: 'a' names 2"),
    (
        {"bhat": pd.DataFrame(B, columns=NAMES), "shat": pd.DataFrame(S, columns=list("abc"))},
        "shat: has not the conditions of bhat (such as 'liver')",
    ),
    ({"bhat": pd.DataFrame({"a": [1.0], "b": ["x"]}), "shat": 1}, "column 'b' holds what is no"),
]


@pytest.mark.parametrize(("arguments", "said"), BAD)
def test_bad_effects_are_refused_in_one_line(
    arguments: dict[str, Any], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(bm.InputError) as error:
        bm.read_effects(**arguments)
    assert said in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", ["b.tsv", "b.csv.gz"])
def test_two_columns_of_one_name_in_a_file_are_refused(name: str, tmp_path: Path) -> None:
    frame = pd.DataFrame(B, columns=["a", "b", "a"])
    frame.to_csv(tmp_path / name, sep="," if "csv" in name else "\t")
    with pytest.raises(bm.InputError, match="'a' names 2 columns"):
        bm.read_effects(tmp_path / name, 1)


def test_what_pandas_and_r_write_of_a_table_is_that_table(tmp_path: Path) -> None:
    """With an index or row names, which have no name; with blanks between."""
    b = np.array([[0.5, -0.1], [0.2, np.nan], [1.5, 0.25]])
    frame = pd.DataFrame(b, columns=["liver", "skin"])
    frame.to_csv(tmp_path / "pandas.tsv", sep="\t")
    frame.to_csv(tmp_path / "pandas.csv.gz")
    frame.to_parquet(tmp_path / "pandas.parquet")
    (tmp_path / "r.csv").write_text('"","liver","skin"\n"1",0.5,-0.1\n"2",0.2,NA\n"3",1.5,0.25\n')
    (tmp_path / "r.txt").write_text('"liver" "skin"\n"1" 0.5 -0.1\n"2" 0.2 NA\n"3" 1.5 0.25\n')
    (tmp_path / "r.tsv").write_text("liver\tskin\nx\t0.5\t-0.1\ny\t0.2\t\nz\t1.5\t0.25\n")
    for name in ("pandas.tsv", "pandas.csv.gz", "pandas.parquet", "r.csv", "r.txt", "r.tsv"):
        effects = bm.read_effects(tmp_path / name, 0.1)
        np.testing.assert_array_equal(effects["bhat"], b)
        assert effects["condition"].values.tolist() == ["liver", "skin"]
    assert effects["effect"].values.tolist() == ["x", "y", "z"]
    again = bm.read_effects(pd.read_csv(tmp_path / "pandas.tsv", sep="\t"), 0.1)
    assert again["condition"].values.tolist() == ["liver", "skin"]


def test_frames_in_another_order_are_put_into_one(tmp_path: Path) -> None:
    b, s = np.arange(1.0, 7).reshape(3, 2), pd.DataFrame(np.arange(1.0, 7).reshape(3, 2))
    for turned in (s.iloc[::-1], s.iloc[[2, 0, 1]]):
        np.testing.assert_array_equal(bm.read_effects(pd.DataFrame(b), turned)["shat"], s)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("0.5\t1\n0.2\t2\n", "its first line holds numbers"),
        ("a\tb\n1\t2\n3\n", "line 3 has 1 of 2 fields"),
        ("a\tb\nx\t1\t2\ny\t3\n", "line 3 has 2 of 3 fields"),
        ("a\tb\n", "holds no rows"),
    ],
)
def test_tables_that_would_lose_numbers_are_refused(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "b.tsv").write_text(text)
    with pytest.raises(bm.InputError, match=said):
        bm.read_effects(tmp_path / "b.tsv", 1.0)


def test_infinite_degrees_of_freedom_are_a_normal() -> None:
    b, s = np.array([[0.5, 3.0]]), np.array([[0.2, 0.4]])
    np.testing.assert_array_equal(bm.read_effects(b, s, df=np.inf)["shat"], s)
    mixed = bm.read_effects(b, s, df=[5, np.inf])["shat"].values
    assert mixed[0, 0] == bm.read_effects(b, s, df=5)["shat"].values[0, 0] != 0.2
    assert mixed[0, 1] == 0.4
