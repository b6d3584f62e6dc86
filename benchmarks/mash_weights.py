"""Signs called with plugged-in weights and with a posterior of them, side by side; mixing, CPU
seconds.

    OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 python benchmarks/mash_weights.py [effects]

10 conditions, a tenth of effects not null. structured: three covariances of rank 3 that the mixture
does not know; rank one: a covariance of rank one, of the mixture, of effects that are nearly so;
weak: effects of the size of their errors; null: none. Covariances: canonical, and those of the
truth for "rank one" alone. Rows: benchmarks/results/mash_weights.tsv.
"""

from __future__ import annotations

import sys
import time
import warnings
from pathlib import Path
from typing import Any

import arviz as az
import numpy as np
import pandas as pd

import bayesmixer as bm

R = 10
OUT = Path(__file__).parent / "results/mash_weights.tsv"


def truth(scenario: str, n: int, rng: np.random.Generator) -> tuple[np.ndarray, dict[str, Any]]:
    """Effects, and covariances to give beside the canonical ones."""
    seen = rng.random((n, 1)) < (0 if scenario == "null" else 0.1)
    if scenario == "weak":
        return 0.1 * rng.standard_normal((n, R)) * seen, {}
    if scenario == "rank one":
        v = rng.choice([-1, 1], R) * rng.uniform(0.3, 1, R)
        near = 0.15 * rng.standard_normal((n, R))
        more = {"truth": np.outer(v, v)}
        return 0.3 * seen * (rng.standard_normal((n, 1)) * v + near), more
    roots = rng.standard_normal((3, R, 3)) / np.sqrt(3)
    size = 0.3 * np.abs(rng.standard_normal((n, 1)))
    kind = rng.integers(3, size=n)
    return seen * size * np.einsum("jra,ja->jr", roots[kind], rng.standard_normal((n, 3))), {}


def measure(scenario: str, n: int) -> list[dict[str, Any]]:
    """A row a method."""
    rng = np.random.default_rng(11)
    b, more = truth(scenario, n, rng)
    effects = bm.read_effects(b + 0.1 * rng.standard_normal(b.shape), 0.1)
    covariances = bm.mash.covariances(effects, ["canonical"], more=more or None)
    model = bm.models.mash(effects, covariances)
    rows = []
    for method in ("map", "gibbs", "bootstrap"):
        began = time.process_time()
        fit = bm.fit(model, method, draws=500 if method == "gibbs" else 100, tune=100, chains=2)
        seconds = time.process_time() - began
        found = bm.mash.posterior(fit, effects)
        lfsr = found["lfsr"].values
        called = lfsr < 0.05
        wrong = (np.sign(found["mean"].values) != np.sign(b))[called]
        row: dict[str, Any] = {
            "scenario": scenario,
            "effects": n,
            "components": fit["estimate"].sizes["component"],
            "method": method,
            "seconds": round(seconds, 1),
            "called": int(called.sum()),
            "wrong": float(wrong.mean()) if len(wrong) else np.nan,
            "promised": float(lfsr[called].mean()) if called.any() else np.nan,
            "pi0": float(fit["estimate"]["pi0"]),
        }
        if method != "map":
            held = fit["posterior"].to_dataset()
            row["pi0"], row["pi0_sd"] = float(held["pi0"].mean()), float(held["pi0"].std())
            row["near_null"] = float(held["near_null"].mean())
            row["near_null_sd"] = float(held["near_null"].std())
        if method == "gibbs":
            row["r_hat"] = float(az.rhat(held["near_null"]))
            row["effective"] = float(az.ess(held["near_null"]))
        rows.append(row)
        print(pd.DataFrame([row]).to_string(index=False), flush=True)
    return rows


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    size = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    made = [
        row for name in ("structured", "rank one", "weak", "null") for row in measure(name, size)
    ]
    pd.DataFrame(made).to_csv(OUT, sep="\t", index=False, float_format="%.4g")
