"""False alarms and detection rates of `bm.check` through real LD.

    python benchmarks/check_faults.py PANEL --reference ZARR --blocks BED --work DIR
        [--chromosomes 21 22] [--h2 0.02] [--pi 0.003] [--n 100000] [--sigma2-0 1.05]
        [--replicates 20] [--faults clean n_half ...] [--draws 200] [--check-draws 4]

PANEL is the panel's prefix with {chrom} in place of the chromosome; ZARR its LD reference, built
with the same LD blocks as windows and plain r^2. Every replicate is simulated, fitted by MAP with
Gaussian draws around it, and checked; its row is kept in DIR/check_faults.csv, so that the same
call goes on where it was stopped; `cautions` are the beginnings of what the verdict says besides
notes. Faults (the data that the fit sees; all are of the same z-scores unless said):
  clean       nothing wrong
  clean_n     nothing wrong, N varies between half and all of --n over the variants (other z-scores)
  n_half      recorded N of a random half of the variants is half the true one
  n_all       recorded N of all variants is half the true one (h2 doubles; one trait cannot tell)
  inflation   noise of variance 1.3 (other z-scores: stratification that was not removed)
  corrected   z divided by the square root of 1.2 (genomic control)
  ld_third    reference of a random third of the panel's variants; only these are evaluated
  ld_tags     the spectrum holds a random third of the partners, all variants are evaluated
  ld_local    strengths r^2 H times a factor drawn for each run of 50 variants, uniform in [0.3, 1]
              (another ancestry's LD)
  ld_drift    reference of a population that went through a bottleneck of 40 people
  maf_s       effects with S = -0.75 (other z-scores)
  no_hits     variants beyond |z| 5.45 are missing from the file
  two_scales  a tenth of the causal variants has effects of ten times the variance (other z-scores)
"""

from __future__ import annotations

import argparse
import os
import time
import warnings
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

import bayesmixer as bm
from bayesmixer.checks.check import check
from bayesmixer.inference.density import LogDensity
from bayesmixer.ld.spectrum import moving
from bayesmixer.progress import track
from bayesmixer.reporting.verdict import with_check
from bayesmixer.simulation.effects import architecture
from bayesmixer.simulation.panel import panel_blocks, simulate_z

BATCH = 10  # replicates simulated together
WEAK_LD = {"r2_rule": "plain"}


class Study:
    """Panel, reference and the GwasData that replicates put their z-scores into."""

    def __init__(self, a: argparse.Namespace) -> None:
        self.a = a
        self.panel = panel_blocks(a.panel, a.blocks, a.chromosomes)
        self.made: dict[str, tuple[np.ndarray, np.ndarray]] = {}

    def sumstats(self, rows: np.ndarray | None = None) -> xr.Dataset:
        """Summary statistics of the panel's variants without z-scores yet."""
        v = self.panel.variants if rows is None else self.panel.variants.iloc[rows]
        data = {k: ("variant", v[k].to_numpy(object)) for k in ("snp", "chrom", "a1", "a2")}
        data |= {
            "pos": ("variant", v["pos"].to_numpy()),
            "z": ("variant", np.random.default_rng(0).standard_normal(len(v))),
            "n": ("variant", np.full(len(v), float(self.a.n))),
        }
        data["eaf"] = ("variant", v["freq"].to_numpy())
        attrs = {
            "kind": "sumstats",
            "source": "simulated",
            "trait": "simulated",
            "build": "GRCh37",
            "sha256": "",
            "filters": "{}",
        }
        return xr.Dataset(data, attrs=attrs)

    def aligned(self, reference: object) -> tuple[xr.Dataset, np.ndarray]:
        """GwasData, and the panel's row of each of its variants."""
        data = bm.align(
            self.sumstats(),
            reference,
            blocks=self.a.blocks,
            ambiguous="keep",
            exclude_regions=(),
            progress=False,
        )
        row = pd.Series(
            np.arange(len(self.panel.variants)), index=self.panel.variants["snp"].astype(str)
        )
        return data, row.loc[data["snp"].values.astype(str)].to_numpy()

    @cached_property
    def whole(self) -> tuple[xr.Dataset, np.ndarray]:
        return self.aligned(self.a.reference)

    def spectra_of(self, name: str, rows: np.ndarray, samples: np.ndarray) -> Path:
        """Reference of some of the panel's variants and samples, built once from a copy of the
        genotypes.
        """
        folder = self.a.work / f"{name}_{'_'.join(map(str, self.a.chromosomes or ['all']))}"
        if not (folder / "done").exists():
            folder.mkdir(parents=True, exist_ok=True)
            write_bed(
                folder / "panel",
                self.panel.variants.iloc[rows],
                self.panel.dosage[rows][:, samples],
            )
            bm.build_reference(
                folder / "panel",
                folder / "ld.zarr",
                window=self.a.blocks,
                progress=False,
                **WEAK_LD,
            )
            (folder / "done").touch()
        return folder / "ld.zarr"

    @cached_property
    def third(self) -> tuple[xr.Dataset, np.ndarray]:
        rows = np.flatnonzero(np.random.default_rng(11).random(len(self.panel.variants)) < 1 / 3)
        return self.aligned(self.spectra_of("third", rows, np.arange(self.panel.samples)))

    @cached_property
    def drift(self) -> tuple[xr.Dataset, np.ndarray]:
        rng = np.random.default_rng(12)
        founders = rng.choice(self.panel.samples, 40, replace=False)
        samples = rng.choice(founders, self.panel.samples)
        return self.aligned(self.spectra_of("drift", np.arange(len(self.panel.variants)), samples))

    @cached_property
    def tags(self) -> xr.Dataset:
        """Spectra of all variants over a third of the partners (and themselves), by brute force in
        each LD block.
        """
        from bayesmixer.ld.spectrum import spectrum_from_pairs

        data, row = self.whole
        kept = np.random.default_rng(13).random(len(self.panel.variants)) < 1 / 3
        spectrum = np.empty(data["spectrum"].shape[1:], np.float32)
        where = np.full(len(self.panel.variants), -1)
        where[row] = np.arange(len(row))
        h = self.panel.heterozygosity
        for b in track(range(len(self.panel.edges) - 1), "spectra of a third"):
            at = np.arange(self.panel.edges[b], self.panel.edges[b + 1])
            x = self.panel.standardised(b)
            partners = at[kept[at]]
            r2 = np.square(x @ x[kept[at]].T / self.panel.samples)
            strength = r2 * h[partners]
            made = spectrum_from_pairs(
                np.arange(len(at) + 1) * len(partners), strength.ravel(), data.sizes["node"]
            )
            use = where[at] >= 0
            spectrum[where[at][use]] = made[use]
        share = float(h[kept].sum() / h.sum())
        total = data["h_total"] * share
        attrs = {**data.attrs, "h_total": total.values.tolist(), "n_reference": int(kept.sum())}
        return data.assign(
            spectrum=(data["spectrum"].dims, spectrum[None]),
            ld_score_h=(data["ld_score_h"].dims, spectrum.sum(1, dtype=float)[None]),
            h_total=total,
        ).assign_attrs(attrs)

    @cached_property
    def local(self) -> xr.Dataset:
        data, _ = self.whole
        factor = np.repeat(
            np.random.default_rng(14).uniform(0.3, 1, data.sizes["variant"] // 50 + 1), 50
        )[: data.sizes["variant"]]
        x, spectrum = data["node_x"].values, data["spectrum"].values[0].astype(float)
        for lo in range(0, len(spectrum), 500):
            rows = slice(lo, lo + 500)
            spectrum[rows] = (spectrum[rows, None] @ moving(factor[rows], x, x.size, x[0]))[:, 0]
        return data.assign(
            spectrum=(data["spectrum"].dims, spectrum.astype(np.float32)[None]),
            ld_score_h=(data["ld_score_h"].dims, spectrum.sum(1)[None]),
        )

    def z(self, kind: str, batch: int) -> tuple[np.ndarray, np.ndarray]:
        """z-scores (replicate, variant) of a batch, and N (variant,); kept until another batch of
        the kind is asked for.
        """
        key = f"{kind}-{batch}"
        if key not in self.made:
            for old in [k for k in self.made if k.startswith(f"{kind}-")]:
                del self.made[old]
            a = self.a
            true = (
                architecture("univariate", a.h2, a.pi)
                if a.pi < 1
                else architecture("infinitesimal", a.h2)
            )
            if kind == "maf_s":
                true = (
                    architecture("univariate", a.h2, a.pi, maf_s=-0.75)
                    if a.pi < 1
                    else architecture("infinitesimal", a.h2, maf_s=-0.75)
                )
            elif kind == "two_scales":
                true = architecture(
                    "two_component", a.h2, [0.9 * a.pi, 0.1 * a.pi], share_large=1 / 1.9
                )
            zero = 1.3 if kind == "inflation" else a.sigma2_0
            rng = np.random.default_rng([a.seed, batch, *map(ord, kind)])
            spread = 0.5 if kind == "clean_n" else 0.0
            made = simulate_z(
                self.panel,
                true,
                [a.n],
                [zero, 1.0],
                rng=rng,
                n_spread=spread,
                replicates=BATCH,
                show=False,
            )
            self.made[key] = made["z"].values[:, :, 0], made["n"].values[:, 0]
        return self.made[key]

    def data_of(self, fault: str, replicate: int) -> xr.Dataset:
        """GwasData of one replicate as the fit sees it."""
        kind = fault if fault in ("clean_n", "inflation", "maf_s", "two_scales") else "clean"
        scores, size = self.z(kind, replicate // BATCH)
        z = scores[replicate % BATCH]
        data, row = {"ld_third": lambda: self.third, "ld_drift": lambda: self.drift}.get(
            fault, lambda: self.whole
        )()
        if fault in ("ld_tags", "ld_local"):
            data = {"ld_tags": lambda: self.tags, "ld_local": lambda: self.local}[fault]()
        n = size[row]
        if fault == "n_half":
            n[np.random.default_rng([15, replicate]).random(len(n)) < 0.5] /= 2
        if fault == "n_all":
            n /= 2
        scale = 1 / np.sqrt(1.2) if fault == "corrected" else 1.0
        seen = data.assign(
            z=(("variant", "trait"), (z[row] * scale)[:, None]),
            n=(("variant", "trait"), n[:, None]),
        )
        return seen.isel(variant=np.abs(z[row]) < 5.45) if fault == "no_hits" else seen


FAULTS = (
    "clean",
    "clean_n",
    "n_half",
    "n_all",
    "inflation",
    "corrected",
    "ld_third",
    "ld_tags",
    "ld_local",
    "ld_drift",
    "maf_s",
    "no_hits",
    "two_scales",
)


def write_bed(prefix: Path, variants: pd.DataFrame, dosage: np.ndarray) -> None:
    """PLINK bed/bim/fam of dosages of a1 (variant, sample), negative where missing."""
    from bed_reader import to_bed

    count = dosage.astype(np.float32).T
    count[count < 0] = np.nan
    properties = {
        "fid": [f"f{i}" for i in range(dosage.shape[1])],
        "iid": [f"i{i}" for i in range(dosage.shape[1])],
        "sid": variants["snp"].to_list(),
        "chromosome": variants["chrom"].astype(str).to_list(),
        "cm_position": np.zeros(len(variants)),
        "bp_position": variants["pos"].to_numpy(),
        "allele_1": variants["a1"].to_list(),
        "allele_2": variants["a2"].to_list(),
    }
    to_bed(prefix.with_suffix(".bed"), count, properties=properties)


def gaussian_fit(data: xr.Dataset, draws: int, seed: int) -> xr.DataTree:
    """The mode, with draws of the Gaussian around it as its posterior: what `laplace` gives in
    seconds, before it weighs its draws.
    """
    model = bm.models.univariate_mixer(data)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        results = bm.fit(model, "map", progress=False)
    estimate = results["estimate"]
    normal = np.random.default_rng(seed).standard_normal((draws, estimate.sizes["parameter"]))
    x = estimate["mode"].values + normal @ np.linalg.cholesky(estimate["covariance"].values).T
    density = LogDensity(model)
    results["posterior"] = xr.DataTree(density.posterior(x[None]))
    results["unconstrained_posterior"] = xr.DataTree(density.unconstrained(x[None]))
    return results


def one(study: Study, fault: str, replicate: int) -> dict[str, object]:
    data = study.data_of(fault, replicate)
    began = time.perf_counter()
    results = gaussian_fit(data, study.a.draws, replicate)
    fitted = time.perf_counter()
    c = check(results, data, draws=study.a.check_draws, progress=False)
    verdict = with_check(results, data, c)
    row: dict[str, object] = {
        **settings(study.a),
        "fault": fault,
        "replicate": replicate,
        "flagged": not c.ok,
        "cautions": " | ".join(
            f.sentence.split(":")[0][:60] for f in verdict.findings if f.severity != "note"
        ),
        "fit_s": round(fitted - began, 2),
        "check_s": round(time.perf_counter() - fitted, 2),
    }
    row |= {name: float(results["estimate"][name]) for name in ("h2", "pi", "sigma2_0")}
    for name, line in c.table.drop(index="prior").iterrows():
        row |= {f"p {name}": line["p"], f"flag {name}": bool(line["flagged"])}
    return row


def settings(a: argparse.Namespace) -> dict[str, object]:
    """What makes a study: rows of other settings are kept in the table, and not counted."""
    return {
        "true_h2": a.h2,
        "true_pi": a.pi,
        "n": a.n,
        "true_sigma2_0": a.sigma2_0,
        "chromosomes": " ".join(map(str, a.chromosomes or ["all"])),
        "seed": a.seed,
    }


def read(path: Path, a: argparse.Namespace) -> tuple[pd.DataFrame, pd.DataFrame]:
    """All rows kept so far, and those of these settings."""
    if not path.exists():
        return pd.DataFrame(), pd.DataFrame(columns=["fault", "replicate"])
    kept = pd.read_csv(path, dtype={"chromosomes": str})
    here = np.logical_and.reduce([kept[k] == v for k, v in settings(a).items()])
    return kept, kept[here]


def table(rows: pd.DataFrame) -> str:
    """Markdown: share flagged of each fault, and by which check."""
    flags = [c for c in rows.columns if c.startswith("flag ")]
    names = [c.removeprefix("flag ") for c in flags]
    lines = [
        "| fault | replicates | flagged | " + " | ".join(names) + " | median sigma2_0 |",
        "|---" * (len(names) + 4) + "|",
    ]
    for fault in [f for f in FAULTS if f in set(rows["fault"])]:
        part = rows[rows["fault"] == fault]
        shares = [
            f"{part[c].astype(float).mean():.0%}" if part[c].notna().any() else "" for c in flags
        ]
        lines.append(
            f"| {fault} | {len(part)} | {part['flagged'].mean():.0%} | {' | '.join(shares)} | "
            f"{part['sigma2_0'].median():.3f} |"
        )
    return "\n".join(lines)


def main() -> None:
    p = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    p.add_argument("panel")
    p.add_argument("--reference", required=True)
    p.add_argument("--blocks", default="eur_hg19")
    p.add_argument("--work", type=Path, required=True)
    p.add_argument("--chromosomes", nargs="+", default=None)
    p.add_argument("--h2", type=float, default=0.02)
    p.add_argument("--pi", type=float, default=0.003)
    p.add_argument("--n", type=float, default=100_000)
    p.add_argument("--sigma2-0", type=float, default=1.05, dest="sigma2_0")
    p.add_argument("--replicates", type=int, default=20)
    p.add_argument("--faults", nargs="+", default=list(FAULTS), choices=FAULTS)
    p.add_argument("--draws", type=int, default=200)
    p.add_argument(
        "--check-draws",
        type=int,
        default=4,
        help="posterior draws that predictions are averaged over",
    )
    p.add_argument("--seed", type=int, default=0)
    a = p.parse_args()
    a.work.mkdir(parents=True, exist_ok=True)
    path = a.work / "check_faults.csv"
    kept, here = read(path, a)
    done = set(zip(here["fault"], here["replicate"], strict=True))
    todo = [(f, r) for f in a.faults for r in range(a.replicates) if (f, r) not in done]
    if todo:
        study = Study(a)
        for fault, replicate in track(todo, "replicates"):
            row = pd.DataFrame([one(study, fault, replicate)])
            kept = pd.concat([kept, row], ignore_index=True)
            aside = path.with_suffix(f".{os.getpid()}.tmp")
            kept.to_csv(aside, index=False)
            os.replace(aside, path)
    print(table(read(path, a)[1]))


if __name__ == "__main__":
    main()
