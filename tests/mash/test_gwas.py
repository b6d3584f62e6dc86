"""Summary statistics of many traits as effects: one list of variants, one allele, one scale, errors
correlated as samples are shared; the strongest of each locus.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
import xarray as xr

import bayesmixer as bm
from bayesmixer.cli.main import main
from bayesmixer.errors import DataWarning, InputError
from tests.ldsc.conftest import Small

pytestmark = pytest.mark.filterwarnings("ignore:.*estimates are rough")


def trait(z: Any, n: float, **columns: Any) -> xr.Dataset:
    """Sumstats of variants rs0, rs1, ..., alleles A and C."""
    m = len(z)
    made = {
        "snp": [f"rs{i}" for i in range(m)], "chrom": ["1"] * m, "pos": np.arange(1, m + 1) * 1000,
        "a1": ["A"] * m, "a2": ["C"] * m, "z": np.asarray(z, float), "n": np.full(m, n),
    } | columns  # fmt: skip
    variables = {k: ("variant", np.asarray(v)) for k, v in made.items()}
    return xr.Dataset(variables, attrs={"kind": "sumstats", "trait": "", "source": "made"})


def test_alleles_are_those_of_the_first_trait_and_the_scale_is_one() -> None:
    z = np.array([1.0, -2.0, 3.0, 4.0])
    swapped = trait(z, 400, a1=["A", "C", "T", "A"], a2=["C", "A", "G", "T"])
    with pytest.warns(DataWarning, match="1 z-scores left out"):
        effects = bm.mash.read_gwas({"one": trait(z, 100), "two": swapped}, v="none")
    assert effects["effect"].values.tolist() == ["rs0", "rs1", "rs2"]
    np.testing.assert_allclose(effects["bhat"][:, 0], z[:3] / 10)
    np.testing.assert_allclose(effects["bhat"][:, 1], np.array([1, 2, 3]) / 20)
    np.testing.assert_allclose(effects["shat"], [[0.1, 0.05]] * 3)
    assert effects["n"].values.tolist() == [100, 400]
    assert effects.attrs["alpha"] == 1
    assert effects["pos"].values.tolist() == [1000, 2000, 3000]
    posterior = bm.mash.posterior(
        bm.mash.fit(effects, bm.mash.covariances(effects, "canonical")), effects
    )
    assert posterior["chrom"].values.tolist() == ["1"] * 3


def test_correlations_of_errors_are_those_of_the_traits_by_name() -> None:
    one = {name: trait([1.0, 2.0, 3.0], 100) for name in "abc"}
    v = pd.DataFrame([[1, 0.3, 0.1], [0.3, 1, 0.2], [0.1, 0.2, 1]], [*"abc"], [*"abc"])
    turned = v.loc[["c", "a", "b"], ["c", "a", "b"]]
    assert bm.mash.read_gwas(one, v=turned)["v"].values.tolist() == v.values.tolist()


def test_variants_of_any_trait_are_kept_when_asked() -> None:
    one, two = trait([1.0, 2.0, 3.0], 100), trait([1.0, 2.0], 100, snp=["rs2", "rs9"])
    inner = bm.mash.read_gwas([one, two.assign_attrs(trait="b")], v="none")
    assert inner["effect"].values.tolist() == ["rs2"]
    outer = bm.mash.read_gwas([one, two.assign_attrs(trait="b")], v="none", join="outer")
    assert outer["effect"].values.tolist() == ["rs0", "rs1", "rs2", "rs9"]
    assert np.isnan(outer["bhat"].values).sum() == 3
    with pytest.raises(InputError, match="in common"):
        bm.mash.read_gwas([one, trait([1.0], 9, snp=["x"])], v="none")
    with pytest.raises(InputError, match="no n"):
        bm.mash.read_gwas([one, two.drop_vars("n")])
    with pytest.raises(InputError, match="two or more"):
        bm.mash.read_gwas([one])


def test_errors_are_correlated_by_the_intercepts_where_samples_are_shared(
    small: Small,
    tmp_path: Path,
) -> None:
    rng = np.random.default_rng(4)
    folder, traits = small
    m = len(traits["none"])
    shared = rng.normal(size=m)
    first = traits["first"]["Z"].to_numpy()
    paths = {}
    for name, z in (
        ("one", first + 0.0 * shared),
        ("two", np.sqrt(0.5) * shared + np.sqrt(0.5) * rng.normal(size=m)),
        ("three", np.sqrt(0.5) * shared + np.sqrt(0.5) * rng.normal(size=m)),
    ):
        paths[name] = tmp_path / f"{name}.sumstats"
        traits["none"].with_columns(Z=pl.Series(z)).write_csv(paths[name], separator="\t")
    effects = bm.mash.read_gwas(paths, ref_ld=f"{folder}/ld/")
    v = effects["v"].values
    np.testing.assert_allclose(np.diag(v), 1)
    assert v[1, 2] == pytest.approx(0.5, abs=0.07)
    assert abs(v[0, 1]) < 0.1
    simple = bm.mash.read_gwas(paths, v="simple")["v"].values
    assert simple[1, 2] < 0.45  # pulled to 0
    # places are those of the LD scores
    assert effects["chrom"].values[0] == "1"
    assert effects["pos"].values[1] == 1000
    assert "pos" not in bm.mash.read_gwas(paths, v="none").coords


def posterior_at(lfsr: Any, chrom: Any, pos: Any) -> xr.Dataset:
    lfsr = np.asarray(lfsr, float)[:, None] * np.ones((1, 2))
    both = ("effect", "condition")
    return xr.Dataset(
        {"lfsr": (both, lfsr), "mean": (both, 1 - lfsr), "sd": (both, np.ones(lfsr.shape))},
        coords={
            "effect": [f"rs{i}" for i in range(len(lfsr))], "condition": ["a", "b"],
            "chrom": ("effect", chrom), "pos": ("effect", pos),
        },
    )  # fmt: skip


def test_loci_are_the_strongest_of_their_neighbourhoods_without_known_ones(tmp_path: Path) -> None:
    posterior = posterior_at(
        [0.01, 0.001, 0.04, 0.5, 0.02, 0.03], ["1", "1", "1", "1", "2", "2"],
        [1_000_000, 1_300_000, 1_700_000, 1_300_001, 1_300_000, 9_000_000],
    )  # fmt: skip
    found = bm.mash.loci(posterior)
    assert found["effect"].tolist() == ["rs1", "rs4", "rs5"]
    assert found["n_near"].tolist() == [2, 0, 0]
    assert found["conditions"][0] == "a, b"
    near = bm.mash.loci(posterior, distance=350_000)
    assert near["effect"].tolist() == ["rs1", "rs4", "rs5", "rs2"]
    bed = tmp_path / "known.bed"
    bed.write_text("1\t900000\t900010\n2\t8999999\t9000000\n")
    unknown = bm.mash.loci(posterior, known=[bed], known_distance=100_000)
    assert unknown["effect"].tolist() == ["rs1", "rs4"]
    with pytest.raises(InputError, match="neither coordinates"):
        bm.mash.loci(posterior.drop_vars(["chrom", "pos"]))


def test_thinned_effects_are_apart(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    pos, chrom = rng.integers(1, 10_000_000, 500), rng.integers(1, 4, 500).astype(str)
    data = posterior_at(rng.random(500), chrom, pos)
    rows = bm.mash.thinned(data, distance=100_000)
    kept = pd.DataFrame({"chrom": chrom[rows], "pos": pos[rows]}).sort_values(["chrom", "pos"])
    gaps = kept.groupby("chrom")["pos"].diff().dropna()
    assert gaps.min() > 100_000
    for i in np.setdiff1d(np.arange(500), rows):
        near = (chrom[rows] == chrom[i]) & (np.abs(pos[rows] - pos[i]) <= 100_000)
        assert near.any()


def test_by_a_reference_no_two_are_in_ld(reference_of_ld: xr.DataTree) -> None:
    data = posterior_at([0.01, 0.001, 0.02], ["1"] * 3, [1, 2, 3])
    found = bm.mash.loci(data, reference=reference_of_ld, r2=0.3)
    assert found["effect"].tolist() == ["rs1", "rs2"]
    assert found["n_near"].tolist() == [1, 0]
    both = bm.mash.loci(data, reference=reference_of_ld, r2=0.3, distance=10)
    assert both["effect"].tolist() == ["rs1"]


@pytest.fixture
def reference_of_ld(monkeypatch: pytest.MonkeyPatch) -> Any:
    """rs0 and rs1 at r^2 0.5, rs1 and rs2 at 0.2."""
    import bayesmixer.ld.align_inputs as inputs

    ds = xr.Dataset(
        {
            "snp": ("variant", ["rs0", "rs1", "rs2"]),
            "neighbour_indptr": ("edge", [0, 1, 3, 4]),
            "neighbour_index": ("pair", [1, 0, 2, 1]),
            "neighbour_r2": ("pair", [0.5, 0.5, 0.2, 0.2]),
        }
    )
    monkeypatch.setattr(inputs, "chromosomes_of", lambda given: (given, {"1": ds}))
    return object()


def test_one_command_from_files_to_posteriors_and_loci(
    small: Small,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder = small[0]
    files = [str(folder / f"{name}.sumstats") for name in ("first", "second", "none")]
    words = [
        "mash", "--gwas", *files, "--ref-ld-chr", f"{folder}/ld/", "--thin", "5000",
        "--out", str(tmp_path / "r.nc"), "--loci", str(tmp_path / "loci.tsv"),
        "--locus-distance", "100000",
    ]  # fmt: skip
    with pytest.raises(SystemExit) as done:
        main(words)
    assert not done.value.code
    assert "apart" in capsys.readouterr().out
    found = bm.load(tmp_path / "r.nc")
    effects = found["effects"].to_dataset()
    assert effects["condition"].values.tolist() == ["first", "second", "none"]
    table = pd.read_csv(tmp_path / "loci.tsv", sep="\t")
    known = bm.mash.loci(effects, distance=100_000)
    assert table["effect"].tolist() == known["effect"].tolist()
