"""Do 90% intervals of h2 hold it in weak traits: on the natural scale, and on that of log h2? The
infinitesimal model, z-scores through real LD.

    python benchmarks/weak_intervals.py PANEL --reference REF.zarr --ld-blocks BLOCKS.bed
        [--replicates 150]

Traits of 2, 4 and 6 times --se, infinitesimal and of pi 0.01, N 100,000, sigma2_0 1.05, through the
LD of --chromosomes. The mode of log h2 and log sigma2_0 under the weak priors is climbed by
Newton's method, its covariance is the delete-block jackknife's with the t factor, as in
bayesmixer.calibrate, written out here in NumPy; the natural scale's interval is that of
bayesmixer.mixer.heritability.
"""

from __future__ import annotations

import argparse

import numpy as np
import pandas as pd
import xarray as xr
from scipy.stats import t

import bayesmixer as bm
from bayesmixer.mixer.heritability import heritability_test
from bayesmixer.simulation.effects import architecture
from bayesmixer.simulation.panel import panel_blocks, simulate_z


class Infinitesimal:
    """Mode and jackknife of the infinitesimal model for z^2 of one replicate."""

    def __init__(self, data: xr.Dataset) -> None:
        w = data["weight"].values
        self.used = w > 0
        self.w = w[self.used]
        self.x = (
            data["n"].values[self.used, 0]
            * data["ld_score_h"].values[0, self.used].astype(float)
            / data.attrs["h_total"][0]
        )
        self.block = np.unique(data["ld_block"].values[self.used], return_inverse=True)[1]

    def scores(self, theta: np.ndarray, z2: np.ndarray) -> np.ndarray:
        """(L, 2) gradients by LD block in log h2 and log sigma2_0."""
        h2, zero = np.exp(theta)
        v = zero + h2 * self.x
        slope = 0.5 * self.w * (z2 / v - 1) / v
        return np.stack(
            [np.bincount(self.block, slope * h2 * self.x), np.bincount(self.block, slope * zero)], 1
        )

    @staticmethod
    def prior(theta: np.ndarray) -> np.ndarray:
        """Gradient of the weak priors."""
        return np.array([1 - np.exp(2 * theta[0]) / 0.5**2, -theta[1] / 0.25**2])

    def interval(self, z2: np.ndarray, start: float) -> np.ndarray:
        """90% interval of h2, normal on the scale of log h2."""
        theta = np.array([np.log(start), np.log(1.05)])
        for _ in range(30):
            by_block = self._curvature(theta, z2)
            h = by_block.sum(0) + np.diag([2 * np.exp(2 * theta[0]) / 0.5**2, 1 / 0.25**2])
            value, vector = np.linalg.eigh((h + h.T) / 2)
            step = vector @ (
                (vector.T @ (self.scores(theta, z2).sum(0) + self.prior(theta)))
                / np.maximum(abs(value), 1.0)
            )
            theta = theta + np.clip(step, -0.7, 0.7)
            if abs(step).max() < 1e-5:
                break
        move = -np.linalg.solve(h - by_block, self.scores(theta, z2)[..., None])[..., 0]
        away, n, inverse = move - move.mean(0), len(move), np.linalg.inv(h)
        prior = inverse @ np.diag([2 * np.exp(2 * theta[0]) / 0.5**2, 1 / 0.25**2]) @ inverse
        variance = ((n - 1) / n) * away[:, 0] @ away[:, 0] + prior[0, 0]
        effective = (move[:, 0] ** 2).sum() ** 2 / (move[:, 0] ** 4).sum()
        half = np.sqrt(variance) * t.ppf(0.95, max(effective, 2.0))
        return np.exp(theta[0] + np.array([-half, half]))

    def _curvature(self, theta: np.ndarray, z2: np.ndarray) -> np.ndarray:
        columns = [
            (self.scores(theta - e, z2) - self.scores(theta + e, z2)) / 2e-3
            for e in 1e-3 * np.eye(2)
        ]
        return np.stack(columns, axis=-1)


def main() -> None:
    p = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    p.add_argument("panel")
    p.add_argument("--reference", required=True)
    p.add_argument("--ld-blocks", default="eur_hg19")
    p.add_argument("--chromosomes", nargs="+", default=["19", "20", "21", "22"])
    p.add_argument("--se", type=float, default=0.0012, help="standard error of the test of h2 = 0")
    p.add_argument("--replicates", type=int, default=150)
    a = p.parse_args()
    panel = panel_blocks(a.panel, a.ld_blocks, a.chromosomes)
    v = panel.variants
    columns = {
        name: ("variant", v[name].astype(str).to_numpy(object))
        for name in ("snp", "chrom", "a1", "a2")
    }
    noise = np.random.default_rng(0).standard_normal(len(v))
    columns |= {
        "pos": ("variant", v["pos"].to_numpy()),
        "z": ("variant", noise),
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
    row, model = pd.Index(v["snp"]).get_indexer(data["snp"].values), Infinitesimal(data)
    for times in (2, 4, 6):
        for pi in (1.0, 0.01):
            h2, rows = times * a.se, []
            effects = (
                architecture("univariate", h2, pi) if pi < 1 else architecture("infinitesimal", h2)
            )
            rng = np.random.default_rng(int(times * 10 + pi * 7))
            for z in simulate_z(
                panel, effects, [1e5], [1.05], rng=rng, replicates=a.replicates, show=False
            )["z"].values[:, row, 0]:
                test = heritability_test(data.assign(z=(("variant", "trait"), z[:, None])))
                assert test is not None
                natural = np.quantile(test.calibrated(np.arange(2000.0)), [0.05, 0.95])
                of_log = model.interval(z[model.used] ** 2, 0.003)
                rows.append((test.seen, *(ends[0] <= h2 <= ends[1] for ends in (natural, of_log))))
            seen = np.array(rows, float)
            held = seen[seen[:, 0] > 0].mean(0)
            print(
                f"h2 {times} se, pi {pi:g}: seen {seen[:, 0].mean():.0%}; of these, natural "
                f"scale {held[1]:.0%}, log h2 {held[2]:.0%}",
                flush=True,
            )


if __name__ == "__main__":
    main()
