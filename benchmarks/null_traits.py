"""Size and power of the test of h2 = 0, beside LDSC's z, and what each model's fit says of h2 near
zero, through real LD.

    python benchmarks/null_traits.py PANEL --reference REF.zarr --ld-blocks BLOCKS.bed
        --out benchmarks/results/null_traits

PANEL is the prefix of the panel's PLINK files with {chrom} in it; REF.zarr the reference built of
it with the LD blocks as windows and plain r^2. z-scores are simulated through the LD of
--chromosomes: pure noise of variance sigma2_0, and traits whose h2 is --power times the standard
error that the test has at this N, infinitesimal and sparse. Every replicate is tested, by
bayesmixer's test and by LDSC (weighted regression, two-step, 200-block jackknife; one-sided at 5%),
on all variants (tests.parquet). The first --fits of pure noise at each N, and --fits-power of each
trait at N = 100,000, are also fitted by every model, by MAP, on every k-th variant, 3,000 in all
(fits.parquet): whether heritability is seen, and the interval that is then shown, [0, limit] or
that of log h2. Cells that are there already are kept, so that the same command goes on; the tables
are printed at the end.
"""

from __future__ import annotations

import argparse
import time
import warnings
import zlib
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr
from scipy.stats import norm

import bayesmixer as bm
from bayesmixer.mixer.heritability import heritability_test
from bayesmixer.mixer.starts import thin
from bayesmixer.simulation.effects import architecture
from bayesmixer.simulation.panel import panel_blocks, simulate_z

MODELS = ("infinitesimal", "univariate_mixer", "two_component_mixer")
BATCH = 100  # replicates simulated together
VARIANTS = 3_000  # that are fitted


def weighted(
    x: np.ndarray, y: np.ndarray, weight: np.ndarray, edges: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Weighted least squares of y (J,) on x (J, P), and its delete values (B, P) without each block
    of variants.
    """
    v = (weight / weight.sum())[:, None] * x
    xx = np.add.reduceat(v[:, :, None] * x[:, None, :], edges[:-1])
    xy = np.add.reduceat(v * y[:, None], edges[:-1])
    return np.linalg.solve(xx.sum(0), xy.sum(0)), np.linalg.solve(
        xx.sum(0) - xx, (xy.sum(0) - xy)[..., None]
    )[..., 0]


def reweighted(
    x: np.ndarray, y: np.ndarray, start: np.ndarray, weight, edges: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Two updates of the weights by `weight(coefficients)`, then `weighted`."""
    w = start
    for _ in range(2):
        w = weight(weighted(x, y, w, edges)[0])
    return weighted(x, y, w, edges)


def ldsc_z(
    z: np.ndarray, n: np.ndarray, score: np.ndarray, m: float, blocks: int = 200, cut: float = 30.0
) -> tuple[float, float]:
    """(h2, z) of LD score regression with a free intercept: two-step at chi2 30, jackknife over 200
    blocks of variants.
    """
    y, n_bar, counted = z**2, n.mean(), np.maximum(score, 1)
    slope = (score * n / n_bar)[:, None]

    def weights(h2: float, b: float) -> np.ndarray:
        return 1 / (counted * 2 * (b + min(max(h2, 0.0), 1.0) * n * counted / m) ** 2)

    start = weights(m * (y.mean() - 1) / (score * n).mean(), 1.0)
    low = np.flatnonzero(y < cut)
    edges = np.floor(np.linspace(0, low.size, blocks + 1)).astype(int)
    x = np.concatenate([slope, np.ones_like(slope)], axis=1)
    step1, delete1 = reweighted(
        x[low], y[low], start[low], lambda c: weights(m * c[0] / n_bar, c[1])[low], edges
    )
    if low.size == y.size:
        est, delete = step1[0], delete1[:, 0]
    else:
        b = step1[1]
        whole = np.concatenate([[0], low[edges[1:-1]], [y.size]])
        step2, delete2 = reweighted(
            slope, y - b, start, lambda c: weights(m * c[0] / n_bar, b), whole
        )
        c = (start * slope[:, 0]).sum() / (start * slope[:, 0] ** 2).sum()
        est, delete = step2[0], delete2[:, 0] - c * (delete1[:, 1] - b)
    pseudo = blocks * est - (blocks - 1) * delete
    return m * est / n_bar, est / np.sqrt(pseudo.var(ddof=1) / blocks)


def tested(data: xr.Dataset) -> dict[str, float]:
    """The test of h2 = 0."""
    t = heritability_test(data)
    assert t is not None
    return {
        "p": t.p,
        "p_score": t.p_score,
        "p_hits": t.p_hits,
        "estimate": t.h2,
        "se": t.h2_se,
        "upper": t.h2_upper,
    }


def fitted(data: xr.Dataset, name: str, truth: float) -> dict[str, object]:
    """What the fit of a model says of h2."""
    began = time.process_time()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        results = bm.fit(getattr(bm.models, name)(data), "map", progress=False)
    estimate, test = results["estimate"].to_dataset(), results["h2_test"].to_dataset()
    low, high = 0.0, float(test["h2_upper"])
    if test.attrs["seen"]:
        mode = float(np.log(estimate["h2"]))
        sd = float(
            np.sqrt(
                estimate["covariance_calibrated"].sel(parameter="log_h2", parameter_bis="log_h2")
            )
        )
        low, high = (float(np.exp(mode + q * sd)) for q in norm.ppf([0.05, 0.95]))
    return {
        "model": name,
        "p": float(test["p"]),
        "seen": bool(test.attrs["seen"]),
        "map": float(estimate["h2"]),
        "low": low,
        "high": high,
        "holds": low <= truth <= high,
        "cpu": round(time.process_time() - began, 2),
    }


def main() -> None:
    p = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    p.add_argument("panel")
    p.add_argument("--reference", required=True)
    p.add_argument("--ld-blocks", default="eur_hg19")
    p.add_argument("--chromosomes", nargs="+", default=["19", "20", "21", "22"])
    p.add_argument("--n", nargs="+", type=float, default=[1e4, 1e5, 1e6])
    p.add_argument(
        "--power",
        nargs="+",
        type=float,
        default=[1, 2, 4],
        help="h2 in standard errors of the test at this N",
    )
    p.add_argument("--pi", nargs="+", type=float, default=[1.0, 0.01, 3e-4])
    p.add_argument(
        "--replicates",
        type=int,
        default=200,
        help="tests of a cell; five times as many without heritability",
    )
    p.add_argument("--fits", type=int, default=100, help="fits of pure noise at each N")
    p.add_argument("--fits-power", type=int, default=0, help="fits of a trait at N = 100,000")
    p.add_argument("--out", type=Path, required=True)
    a = p.parse_args()
    a.out.mkdir(parents=True, exist_ok=True)
    panel = panel_blocks(a.panel, a.ld_blocks, a.chromosomes)
    v = panel.variants
    columns = {
        name: ("variant", v[name].astype(str).to_numpy(object))
        for name in ("snp", "chrom", "a1", "a2")
    }
    columns |= {
        "pos": ("variant", v["pos"].to_numpy()),
        "z": ("variant", np.random.default_rng(0).standard_normal(len(v))),
        "n": ("variant", np.full(len(v), 1e5)),
    }
    attrs = {
        "kind": "sumstats",
        "source": "simulated",
        "trait": "simulated",
        "build": "",
        "sha256": "",
        "filters": "{}",
    }
    data = bm.align(
        xr.Dataset(columns, attrs=attrs),
        a.reference,
        blocks=a.ld_blocks,
        by="id",
        ambiguous="keep",
        exclude_regions=(),
        progress=False,
    )
    row = pd.Index(v["snp"]).get_indexer(data["snp"].values)
    score, m = data["ld_score"].values.astype(float), float(data.attrs["n_reference"])
    kept = {
        kind: pd.read_parquet(a.out / f"{kind}.parquet")
        if (a.out / f"{kind}.parquet").exists()
        else pd.DataFrame()
        for kind in ("tests", "fits")
    }

    def run(
        kind: str, zero: float, n: float, pi: float, times: float, se: float, replicates: int
    ) -> pd.DataFrame:
        """One cell, taken from the file where it is there."""
        cell = {"sigma2_0": zero, "n": n, "pi": pi, "times_se": times}
        if (
            len(kept[kind])
            and (
                here := np.logical_and.reduce([kept[kind][k] == value for k, value in cell.items()])
            ).any()
        ):
            return kept[kind][here]
        h2, rows = times * se, []
        effects = (
            architecture("univariate", h2, pi)
            if pi < 1
            else architecture("infinitesimal", max(h2, 1e-15))
        )
        for first in range(0, replicates, BATCH):
            rng = np.random.default_rng([zlib.crc32(repr(cell).encode()), first])
            made = simulate_z(
                panel,
                effects,
                [n],
                [zero],
                rng=rng,
                replicates=min(BATCH, replicates - first),
                show=False,
            )["z"].values[:, row]
            for r, z in enumerate(made):
                one = data.assign(
                    z=(("variant", "trait"), z), n=(("variant", "trait"), np.full(z.shape, n))
                )
                about = cell | {"replicate": first + r, "h2": h2}
                if kind == "tests":
                    rows.append(
                        about
                        | tested(one)
                        | dict(
                            zip(
                                ("ldsc_h2", "ldsc_z"),
                                ldsc_z(z[:, 0], np.full(len(z), n), score, m),
                                strict=True,
                            )
                        )
                    )
                else:
                    rows += [about | fitted(thin(one, VARIANTS), name, h2) for name in MODELS]
        kept[kind] = pd.concat([kept[kind], pd.DataFrame(rows)], ignore_index=True)
        kept[kind].to_parquet(a.out / f"{kind}.parquet", index=False)
        print(kind, cell, f"{time.process_time():.0f} CPU s", flush=True)
        return pd.DataFrame(rows)

    se = {}
    for n in a.n:
        run("tests", 1.0, n, 1.0, 0.0, 0.0, 5 * a.replicates)
        se[n] = float(
            f"{run('tests', 1.05, n, 1.0, 0.0, 0.0, 5 * a.replicates)['se'].median():.2g}"
        )
        for pi in a.pi:
            for times in a.power:
                run("tests", 1.05, n, pi, times, se[n], a.replicates)
    for n in a.n:
        if a.fits:
            run("fits", 1.05, n, 1.0, 0.0, 0.0, a.fits)
    for pi in a.pi if a.fits_power else ():
        for times in a.power:
            run("fits", 1.05, 1e5, pi, times, se[1e5], a.fits_power)
    cells = ["sigma2_0", "n", "pi", "times_se"]
    t = kept["tests"].assign(
        seen=lambda x: x["p"] < 0.05,
        score=lambda x: x["p_score"] < 0.05,
        ldsc=lambda x: x["ldsc_z"] > norm.ppf(0.95),
    )
    t["holds"] = t["upper"] >= t["h2"]
    out = t.groupby(cells, sort=False).agg(
        replicates=("seen", "size"),
        h2=("h2", "first"),
        seen=("seen", "mean"),
        score=("score", "mean"),
        ldsc=("ldsc", "mean"),
        limit_holds=("holds", "mean"),
    )
    print(out.round(4).to_string())
    f = kept["fits"]
    if len(f):
        print(
            f.groupby([*cells, "model"], sort=False)
            .agg(
                fits=("seen", "size"),
                seen=("seen", "mean"),
                holds=("holds", "mean"),
                median_high=("high", "median"),
                cpu=("cpu", "mean"),
            )
            .round(4)
            .to_string()
        )


if __name__ == "__main__":
    main()
