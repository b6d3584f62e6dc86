"""Reference results of LDSC 1.0.1 and the inputs that they were made of, and a small data set that
needs neither.
"""

from __future__ import annotations

import gzip
import json
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from bayesmixer.io.ld_score_files import LDScores, read_ld_scores
from bayesmixer.ldsc.panel import Panel, read_panel
from bayesmixer.ldsc.traits import Trait, read_trait
from tests.conftest import Once

Small = tuple[Path, dict[str, pl.DataFrame]]
N_SMALL = 1_500.0


@pytest.fixture(scope="session")
def eur(shared: Path, once: Once) -> str:
    """Prefix of the European LD scores of 1,290,028 variants."""

    def unpack(folder: Path) -> None:
        with tarfile.open(shared / "data/eur_w_ld_chr/eur_w_ld_chr.tar.xz") as tar:
            tar.extractall(folder, filter="data")

    return f"{once('eur_w_ld_chr', unpack)}/"


@pytest.fixture(scope="session")
def eur_panel(eur: str) -> Panel:
    """LD scores that are also the weights."""
    return read_panel(eur, eur)


@pytest.fixture(scope="session")
def recorded(shared: Path) -> Callable[[str], Any]:
    """`recorded(name)`: what LDSC found."""

    def get(name: str) -> Any:
        return json.loads((shared / f"reference/ldsc/json/{name}.json").read_text())["result"]

    return get


@pytest.fixture(scope="session")
def trait_of(shared: Path, eur_panel: Panel) -> Callable[[str], Trait]:
    """`trait_of("T1")`: a simulated trait of 773,476 variants; `trait_of("pair1.trait1")`: one of
    313,265.
    """
    folder = shared / "reference/ldsc"
    z = np.load(folder / "traits.npz")
    n = json.loads((folder / "truth.json").read_text())["N"]
    snp = eur_panel.scores.snp
    kept = snp.filter(pl.Series(np.unpackbits(z["in_traits"])[: len(snp)].astype(bool)))

    def get(name: str) -> Trait:
        if name.startswith("T"):
            table = pl.DataFrame({"SNP": kept, "Z": z[name] / 1000, "N": float(n[name])})
            return read_trait(table.with_columns(A1=pl.lit("A"), A2=pl.lit("G")), name)
        number = int(name[-1])
        pair = shared / "data/sumstats/mixer_pair_1"
        with gzip.open(pair / f"trait{number}.z.gz", "rt") as file:
            values = np.loadtxt(file)
        size = json.loads((pair / "truth.json").read_text())["n"][number - 1]
        files = [folder / f"ldscores/annotated/annot.{c}.annot.gz" for c in range(13, 23)]
        names = pl.concat(
            [pl.read_csv(file, separator="\t", columns=["SNP"])["SNP"] for file in files]
        )
        return read_trait(pl.DataFrame({"SNP": names, "Z": values, "N": float(size)}), name)

    return get


@pytest.fixture(scope="session")
def annotated(shared: Path) -> str:
    """Prefix of LD scores and annot files with seven overlapping annotations."""
    return str(shared / "reference/ldsc/ldscores/annotated/annot.")


@pytest.fixture(scope="session")
def annotated_panel(annotated: str, eur: str) -> Panel:
    """LD scores with seven annotations and the European weights."""
    return read_panel(annotated, eur)


@pytest.fixture(scope="session")
def frequencies(shared: Path, once: Once) -> str:
    """Prefix of .frq files of the annotated variants."""
    from bayesmixer.io.genotypes import open_panels
    from bayesmixer.ld.scores import genotype_counts

    def write(folder: Path) -> None:
        with tarfile.open(shared / "data/1000g_eur_hm3/panel.tar.xz") as tar:
            tar.extractall(folder, filter="data")
        for panel in open_panels(str(folder / "1000g_eur_hm3.chr@")):
            counts = genotype_counts(panel, lambda: None)
            called = counts[:, :3].sum(axis=1)
            frequency = (counts[:, 1] + 2 * counts[:, 2]) / np.maximum(2 * called, 1)
            pl.DataFrame({"SNP": panel.variants["snp"].to_numpy(), "MAF": frequency}).write_csv(
                folder / f"annot.{panel.chrom}.frq", separator="\t"
            )

    return str(once("annot_frq", write) / "annot.")


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory) -> Small:
    """Folder of LD scores (ld/), annotated ones with annot and frq files (annot/), and tables of
    three traits, the second correlated with the first, the third without heritability.
    """
    rng = np.random.default_rng(1)
    folder, per = tmp_path_factory.mktemp("ldsc"), 3000
    tables = []
    for c in (1, 2):
        l2 = np.round(rng.gamma(2, 20, per) + 1, 3)
        annot = np.column_stack([np.ones(per), rng.random(per) < 0.3, rng.normal(0.5, 0.2, per)])
        scores = np.round(l2[:, None] * [1, 0.3, 0.5] * rng.uniform(0.5, 1.5, (per, 3)), 3)
        scores[:, 0] = l2
        head = {"CHR": c, "SNP": [f"rs{c}{i:05d}" for i in range(per)], "BP": np.arange(per) * 1000}
        for name, values in (("ld", l2[:, None]), ("annot", scores)):
            (folder / name).mkdir(exist_ok=True)
            names = ["L2"] if name == "ld" else ["baseL2", "oneL2", "twoL2"]
            table = pl.DataFrame(head | dict(zip(names, values.T, strict=True)))
            stem = folder / name / f"{c}.l2"
            with gzip.open(f"{stem}.ldscore.gz", "wb") as file:
                file.write(table.write_csv(separator="\t").encode())
            m = "\t".join(str(v) for v in annot.sum(axis=0)[: len(names)])
            for ending in ("M", "M_5_50"):
                Path(f"{stem}.{ending}").write_text(f"{m}\n")
        made = pl.DataFrame(
            {"CHR": c, "BP": head["BP"], "SNP": head["SNP"], "CM": 0.0}
            | dict(zip(("base", "one", "two"), annot.T, strict=True))
        )
        with gzip.open(folder / f"annot/{c}.annot.gz", "wb") as file:
            file.write(made.write_csv(separator="\t").encode())
        pl.DataFrame({"SNP": head["SNP"], "MAF": rng.uniform(0.06, 0.5, per)}).write_csv(
            folder / f"annot/{c}.frq", separator=" "
        )
        tables.append(pl.DataFrame({"SNP": head["SNP"], "l": l2}))
    all_of = pl.concat(tables)
    size = np.sqrt(N_SMALL * 0.4 * all_of["l"].to_numpy() / (2 * per))
    effect = rng.normal(size=2 * per)
    other = 0.6 * effect + 0.8 * rng.normal(size=2 * per)
    noise = rng.normal(size=(3, 2 * per))
    traits = {
        name: pl.DataFrame({"SNP": all_of["SNP"], "A1": "A", "A2": "G", "Z": z, "N": N_SMALL})
        for name, z in (
            ("first", size * effect + noise[0]),
            ("second", size * other + noise[1]),
            ("none", noise[2]),
        )
    }
    for name, table in traits.items():
        table.write_csv(folder / f"{name}.sumstats", separator="\t")
    return folder, traits


@pytest.fixture(scope="session")
def small_scores(small: Small) -> LDScores:
    """LD scores of the small data set."""
    return read_ld_scores(small[0] / "ld")
