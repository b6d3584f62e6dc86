"""The same z and N as LDSC's munge_sumstats.py where its rules are ours: |z| from P, and its
filters.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import bayesmixer as bm

# LDSC takes |z| from P, adds cases and controls, drops P = 0, and gives an effect of exactly 0 a
# positive sign
RUNS: dict[str, tuple[str, dict[str, Any]]] = {
    "m1": ("m1_giant.txt.gz", {}),
    "m2": ("m2_daner.txt.gz", {"sample_size": 50_000}),
    "m5": ("m5_dups_bad.txt.gz", {}),
    "m6": ("m6_a1inc.txt.gz", {"a1_increasing": True}),
    "m7": ("m7_signed_N.txt.gz", {"sample_size": 55_000}),
    "m8": ("m8_nstudy_lowN.txt.gz", {}),
    "m10": (
        "m2_daner.txt.gz",
        {"sample_size": 50_000, "info_min": 0.8, "maf_min": None},
    ),  # without --daner it sees no frequency
}


@pytest.fixture
def folder(shared: Path) -> Path:
    path = shared / "reference/ldsc/munge"
    if not path.is_dir():
        pytest.skip(f"no {path}: it is not beside this checkout")
    return path


@pytest.mark.parametrize("run", RUNS)
def test_z_n_and_variants_are_those_of_ldsc(run: str, folder: Path) -> None:
    name, options = RUNS[run]
    ds = bm.read_sumstats(
        folder / name, z_from="auto" if "a1_increasing" in options else "p", **options
    )
    ours = ds.to_dataframe().set_index("snp")
    raw = pd.read_csv(folder / name, sep="\t")
    raw = raw.drop_duplicates("MarkerName" if "MarkerName" in raw else "SNP")
    theirs = pd.read_csv(folder / f"out_{run}.sumstats.gz", sep="\t").dropna().set_index("SNP")
    odd = set(ours.index) ^ set(theirs.index)
    if run in {"m2", "m10"}:
        # its parser reads INFO of "0.9" (or "0.8") as a hair above
        raw = raw.set_index("SNP")
        assert set(raw.index[np.isclose(raw.INFO, options.get("info_min", 0.9))]) >= odd
    elif run == "m8":
        # its sign of OR = 1 is +, ours unknown; NSTUDY filter is on top of N
        assert odd == set(raw.SNP[(raw.OR == 1) & (raw.P < 1)]) & set(theirs.index)
    elif run == "m5":
        assert odd == set(raw.SNP[(raw.P <= 0) | (raw.P > 1)])  # z is there, so we keep them
    elif run == "m7":
        assert odd == set(raw.SNP[(raw.log_odds == 0) & (raw.P < 1)])
    else:
        assert odd == set()
    both = theirs.index.intersection(ours.index)
    assert len(both) > 900
    ours, theirs = ours.loc[both], theirs.loc[both]
    np.testing.assert_allclose(ours.z, theirs.Z, atol=5.1e-4)  # it prints three decimals
    np.testing.assert_allclose(ours.n, theirs.N, atol=5.1e-4)
    assert (ours.a1 == theirs.A1).all()
    assert (ours.a2 == theirs.A2).all()


def test_ldsc_output_with_blanks_for_unmatched_variants_is_read(folder: Path) -> None:
    ds = bm.read_sumstats(folder / "out_m9.sumstats.gz")
    theirs = pd.read_csv(folder / "out_m9.sumstats.gz", sep="\t").dropna()
    assert ds["snp"].to_numpy().tolist() == theirs.SNP.tolist()
    np.testing.assert_allclose(ds["z"], theirs.Z)
    assert json.loads(ds.attrs["filters"])["missing"] == 2000 - len(theirs)


def test_files_on_which_ldsc_stops_are_read_once_the_columns_are_named(folder: Path) -> None:
    with pytest.raises(bm.InputError, match="do not say which allele"):
        bm.read_sumstats(folder / "m3_cascon.txt.gz")
    m3 = bm.read_sumstats(folder / "m3_cascon.txt.gz", a1="ref", keep_ambiguous=True)
    raw = pd.read_csv(folder / "m3_cascon.txt.gz", sep="\t")
    np.testing.assert_allclose(m3["z"], raw.Z)
    np.testing.assert_allclose(m3["n"], 48_000)
    assert (m3["a2"].to_numpy() == raw.alt.to_numpy()).all()
    m4 = bm.read_sumstats(
        folder / "m4_infolist_maf.txt.gz", info="QUALS", info_min=0.85, maf_min=0.05
    )
    raw = pd.read_csv(folder / "m4_infolist_maf.txt.gz", sep="\t", dtype={"QUALS": str})
    info = raw.QUALS.map(lambda text: np.mean([float(x) for x in text.split(",") if x != "NA"]))
    counts = json.loads(m4.attrs["filters"])
    assert counts["info"] == ((info <= 0.85) & (raw.BETA != 0)).sum()
    assert counts["maf"] == ((info > 0.85) & (raw.MAF <= 0.05) & (raw.BETA != 0)).sum()
