"""Signs called with plugged-in weights and with a posterior of them, side by side; mixing, CPU
seconds.

    OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 python benchmarks/mash_weights.py [effects] [--mixture]

10 conditions, a tenth of effects not null. structured: three covariances of rank 3 that the mixture
does not know; rank one: a covariance of rank one, of the mixture, of effects that are nearly so;
weak: effects of the size of their errors; null: none. Covariances: canonical, and those of the
truth for "rank one" alone. Rows: benchmarks/results/mash_weights.tsv. `--mixture`: covariances and
the correlation of errors (.3 between all conditions, to be found) plugged in and drawn as well;
"few" is "structured" with a fiftieth of effects not null.
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
from bayesmixer.mash.weight_chains import largest_r_hat

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


def drawn(scenario: str, n: int) -> None:
    """Signs called with a mixture plugged in, and averaged over draws of all of it."""
    rng = np.random.default_rng(12)
    b, more = truth("structured" if scenario == "few" else scenario, n, rng)
    if scenario == "few":
        b *= rng.random((n, 1)) < 0.2
    v = np.full((R, R), 0.3) + 0.7 * np.eye(R)
    effects = bm.read_effects(b + 0.1 * rng.multivariate_normal(np.zeros(R), v, n), 0.1)
    began = time.process_time()
    plugged = bm.mash.run(effects, more=more or None, independent=False)
    middle = time.process_time()
    names = "truth" if more else "ed*"
    draws = bm.mash.sample_mixture(plugged, effects, learned=names, draws=150, tune=100)
    ends = time.process_time()
    seconds = {"plugged in": middle - began, "drawn": ends - middle}
    for how, fit in (("plugged in", plugged), ("drawn", draws)):
        found = bm.mash.posterior(fit, effects)
        lfsr, mean = found["lfsr"].values, found["mean"].values
        called = lfsr < 0.05
        wrong = (np.sign(mean) != np.sign(b))[called].mean()
        error = np.sqrt(np.square(mean - b).mean() / np.square(effects["bhat"].values - b).mean())
        told = f"called {called.sum():,}, wrong {wrong:.4f}, promised {lfsr[called].mean():.4f}"
        print(f"{scenario}, {how}: {told}, error {error:.4f}, {seconds[how]:.1f} s", flush=True)
    held = draws["posterior"]
    off = held["error_correlation"].values[..., *np.triu_indices(R, 1)]
    print(f"  errors' correlation {off.mean():.3f}, sd of one {off.std((0, 1)).mean():.3f}")
    print(f"  R-hat {largest_r_hat(held.to_dataset().drop_vars('U')):.2f}")


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    sizes = [int(word) for word in sys.argv[1:] if word.isdigit()]
    size = sizes[0] if sizes else 10_000
    if "--mixture" in sys.argv:
        for name in ("few", "structured", "rank one"):
            drawn(name, size)
        sys.exit()
    made = [
        row for name in ("structured", "rank one", "weak", "null") for row in measure(name, size)
    ]
    pd.DataFrame(made).to_csv(OUT, sep="\t", index=False, float_format="%.4g")
