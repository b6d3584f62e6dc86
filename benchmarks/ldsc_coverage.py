"""How often the intervals of LD score regression hold, on z drawn from its own model.

    python benchmarks/ldsc_coverage.py [--replicates 1000] [--out FILE]

32,000 variants, about as many as are independent in a genome, with LD scores as spread as those of
European HapMap3 variants. For each cell, of two traits: coverage of the 90% intervals of h2 and of
the intercept, claims of heritability (p < 0.05), of rg the normal interval where both z of h2 are
at least 4, and Fieller's set at any power; the jackknife's standard errors over the spread of the
estimates, and of the covariance those of LDSC's own regression (one step, which it takes with
--rg). Twenty minutes.
"""

from __future__ import annotations

import argparse
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.special import stdtrit

from bayesmixer.ldsc.covariance import Pair, covariance
from bayesmixer.ldsc.heritability import CUT, heritability
from bayesmixer.ldsc.intervals import correlated, heritable
from bayesmixer.ldsc.regression import equal_blocks
from bayesmixer.ldsc.words import POWERED

VARIANTS, M = 32_000, 1.17e6
LOG_LD = (2.87, 0.75)  # mean and standard deviation of the log of LD scores
INTERCEPT = 1.03
ROOM = 1.645


def replicate(
    rng: np.random.Generator,
    h2: tuple[float, float],
    n: float,
    rg: float,
    rho_0: float,
) -> dict[str, float]:
    """What one draw gives."""
    ld = rng.lognormal(*LOG_LD, VARIANTS)
    genetic = rng.normal(size=(2, VARIANTS))
    genetic[1] = rg * genetic[0] + np.sqrt(1 - rg**2) * genetic[1]
    noise = rng.normal(size=(2, VARIANTS))
    noise[1] = rho_0 * noise[0] + np.sqrt(1 - rho_0**2) * noise[1]
    spread = [np.sqrt(n * h * ld / M) for h in h2]
    z = [s * g + np.sqrt(INTERCEPT) * e for s, g, e in zip(spread, genetic, noise, strict=True)]
    size, m = np.full(VARIANTS, n), np.array([M])
    x = ld[:, None]
    edges = equal_blocks(VARIANTS, 200)
    fits = [heritability(one * one, x, ld, size, m, two_step=CUT, edges=edges) for one in z]
    near = (z[0] ** 2 < CUT) & (z[1] ** 2 < CUT)
    both = covariance(z[0], z[1], x, ld, size, size, m, *fits, near=near, edges=edges)
    pair = Pair(fits[0], fits[1], both)
    out: dict[str, float] = {}
    for k, fit in enumerate(fits, start=1):
        low, high, p = heritable(fit.total)
        freedom = max(float(fit.fit.intercept.influence.effective[0]) - 1, 1.0)
        half = float(stdtrit(freedom, 0.95)) * float(fit.fit.intercept.error[0])
        out |= {
            f"h2_{k}": float(fit.total.value[0]),
            f"h2_se_{k}": float(fit.total.error[0]),
            f"h2_held_{k}": low <= h2[k - 1] <= high,
            f"claimed_{k}": p < 0.05,
            f"intercept_{k}": fit.fit.at,
            f"intercept_se_{k}": float(fit.fit.intercept.error[0]),
            f"intercept_held_{k}": abs(fit.fit.at - INTERCEPT) <= half,
        }
    own = [heritability(one * one, x, ld, size, m, edges=edges) for one in z]
    like = covariance(z[0], z[1], x, ld, size, size, m, *own, edges=edges, by_first=True)
    value, error, _, _ = pair.tested
    low, high = correlated(pair.joint)
    powered = min(out[f"h2_{k}"] / out[f"h2_se_{k}"] for k in (1, 2)) >= POWERED
    return out | {
        "powered": powered,
        "rg": value if powered else np.nan,
        "rg_se": error if powered else np.nan,
        "rg_held": abs(value - rg) <= ROOM * error if powered else np.nan,
        "rg_beyond": bool(powered and abs(value) > 1),
        "set_held": low - 1e-9 <= rg <= high + 1e-9,
        "set_width": high - low,
        "gencov": float(both.total.value[0]),
        "gencov_se": float(both.total.error[0]),
        "gencov_ldsc": float(like.total.value[0]),
        "gencov_se_ldsc": float(like.total.error[0]),
        "h2_once": float(own[0].total.value[0]),
        "h2_se_once": float(own[0].total.error[0]),
    }


def summed(rows: pd.DataFrame) -> dict[str, float]:
    """A row of the table from the draws of a cell."""

    def ratio(name: str) -> float:
        error, spread = rows[name.replace("#", "_se", 1)], rows[name.replace("#", "", 1)]
        return float(np.sqrt((error**2).mean()) / spread.std())

    powered = rows[rows["powered"].astype(bool)]
    out = {}
    for k in (1, 2):
        out |= {
            f"h2_held_{k}": rows[f"h2_held_{k}"].mean(),
            f"claimed_{k}": rows[f"claimed_{k}"].mean(),
            f"intercept_held_{k}": rows[f"intercept_held_{k}"].mean(),
            f"h2_se_over_sd_{k}": ratio(f"h2#_{k}"),
            f"intercept_se_over_sd_{k}": ratio(f"intercept#_{k}"),
        }
    return out | {
        "powered": len(powered) / len(rows),
        "rg_held": powered["rg_held"].astype(float).mean() if len(powered) else np.nan,
        "set_held": rows["set_held"].mean(),
        "set_held_weak": rows.loc[~rows["powered"].astype(bool), "set_held"].mean(),
        "set_width": rows["set_width"].mean(),
        "gencov_se_over_sd": ratio("gencov#"),
        "gencov_se_over_sd_ldsc": ratio("gencov#_ldsc"),
        "h2_se_over_sd_once": ratio("h2#_once"),
    }


def main() -> None:
    """Draw, count, write and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--replicates", type=int, default=1000)
    parser.add_argument("--again", type=int, nargs="*", default=[], help="rows to draw anew")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/ldsc_coverage.tsv"))
    given = parser.parse_args()
    table: list[dict[str, float]] = []
    if given.out.is_file():  # goes on from the cells that are there
        table = pd.read_csv(given.out, sep="\t").to_dict("records")
    cells = [
        *product(((0.3, 0.15),), (20_000.0, 100_000.0), (0.0, 0.5, 0.95), (0.0, 0.3)),
        ((0.3, 0.0), 20_000.0, 0.0, 0.3),
        ((0.3, 0.0), 100_000.0, 0.0, 0.3),
        ((0.3, 0.02), 50_000.0, 0.5, 0.0),
    ]
    for at, (h2, n, rg, rho_0) in enumerate(cells):
        if at < len(table) and at not in given.again:
            continue
        rng = np.random.default_rng([7, at])
        rows = [replicate(rng, h2, n, rg, rho_0) for _ in range(given.replicates)]
        cell = {"h2_1": h2[0], "h2_2": h2[1], "n": n, "rg": rg, "rho_0": rho_0}
        counts = {"replicates": given.replicates}
        table[at : at + 1] = [cell | counts | summed(pd.DataFrame(rows))]
        given.out.parent.mkdir(parents=True, exist_ok=True)
        pd.DataFrame(table).to_csv(given.out, sep="\t", index=False, float_format="%.4g")
        print(pd.DataFrame(table[at : at + 1]).to_string(index=False), flush=True)


if __name__ == "__main__":
    main()
