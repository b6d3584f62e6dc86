"""Simulation-based calibration of bivariate MiXeR: are the ranks of its nine parameters among
posterior draws uniform, with independent variants?

    PYTHONPATH=. python benchmarks/sbc_pairs.py [--replicates 200] [--variants 8000]
        [--out sbc_pairs.parquet] [--minutes 60]

As benchmarks/sbc.py, for two traits. Each variant has itself as its only partner, so that z is a
mixture of four bivariate normals: the likelihood in closed form (`tests.pair.independent`; a test
compares it with the package's Op), under the package's chart, priors, search and draws. The priors
are the weak ones, of overlap, rg and errors; those of h2 and pi are narrower, since of most pairs
of the weak ones so few variants tell nothing. Parameters become z-scores in words written here, not
by the model. Posteriors are the continuous ones, before point masses at the ends, uncalibrated.
"""

from __future__ import annotations

import argparse
import time
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pymc as pm
import xarray as xr
from sbc import rank_of, table

import bayesmixer as bm
from bayesmixer.inference import laplace
from bayesmixer.inference.density import LogDensity
from bayesmixer.inference.find_map import covariance_of, find_modes
from bayesmixer.models.common import bound_of
from bayesmixer.progress import track
from tests.pair import independent
from tests.pair.independent import Rows, closed_form

NARROW = {"log_h2": (-0.9, 0.4), "logit_pi_mean": (-3.5, 0.6), "logit_pi_difference": (0.0, 0.7)}
WEAK = {"log_sigma2_0": (0.0, 0.25), "atanh_rho_0": (0.0, 0.5)}
MOST_RHO_0 = 0.995


def drawn(rng: np.random.Generator) -> dict[str, np.ndarray]:
    """h2, pi and sigma2_0 of both traits, rho_0, u = rg / rg_max and the excess over the least
    overlap, from the prior.
    """
    normal = {
        name: rng.normal(*law, 2 if name.startswith("log_") else None)
        for name, law in (NARROW | WEAK).items()
    }
    half = np.array([0.5, -0.5]) * normal["logit_pi_difference"]
    return {
        "h2": np.exp(normal["log_h2"]),
        "pi": 1 / (1 + np.exp(-normal["logit_pi_mean"] - half)),
        "sigma2_0": np.exp(normal["log_sigma2_0"]),
        "rho_0": MOST_RHO_0 * np.tanh(normal["atanh_rho_0"]),
        "u": rng.uniform(-1, 1),
        "e": rng.uniform(0, 1),
    }


def simulated(true: dict[str, np.ndarray], variants: int, rng: np.random.Generator) -> np.ndarray:
    """z (variants, 2)."""
    pi, u, m = true["pi"], true["u"], true["pi"].min()
    least = max(abs(u), (pi.sum() - 1) / m, 0.0)
    f = least + (1 - least) * true["e"]
    shared, rho = f * m, u / f
    of_genome = independent.H_TOTAL
    sd = np.sqrt(independent.N * independent.STRENGTH * true["h2"] / (pi * of_genome))
    kind = rng.choice(
        4, variants, p=[pi[0] - shared, pi[1] - shared, shared, 1 - pi.sum() + shared]
    )
    effect = rng.multivariate_normal([0, 0], [[1, rho], [rho, 1]], variants) * sd
    effect *= np.array([[1, 0], [0, 1], [1, 1], [0, 0]])[kind]
    r = true["rho_0"]
    error = rng.multivariate_normal([0, 0], [[1, r], [r, 1]], variants)
    return effect + error * np.sqrt(true["sigma2_0"])


class Compiled:
    """The model over the closed form, compiled once; its data are exchanged."""

    def __init__(self, variants: int) -> None:
        self.data = independent.simulate(0.3, 0.5, (0.04, 0.04), 8.0, variants, 0)
        kept: list[Rows] = []
        with closed_form(kept):
            self.model = bm.models.bivariate_mixer(
                self.data,
                prior={
                    name: pm.Normal.dist(*law, shape=2 if name == "log_h2" else ())
                    for name, law in NARROW.items()
                },
            )
            self.density = LogDensity(self.model)
        self.kept = kept

    def take(self, z: np.ndarray) -> xr.Dataset:
        """Exchange the data."""
        data = self.data.assign(z=(self.data["z"].dims, z))
        for rows in self.kept:
            rows.__dict__.update(Rows(data).__dict__)
        return data


def replicate(made: Compiled, draws: int, ranks: int, seed: list[int]) -> list[dict]:
    """Draw, simulate, fit, rank: one row a quantity."""
    began, rng = time.process_time(), np.random.default_rng(seed)
    true = drawn(rng)
    made.take(simulated(true, made.data.sizes["variant"], rng))
    density, bound = made.density, bound_of(made.model)
    modes = find_modes(density, [density.flatten(s) for s in bound.starts()], density.box)
    found = laplace.sample(
        density, modes.best.x, covariance_of(modes.best.hessian), density.box, draws, rng, False
    )
    reported = density.posterior(found.proposals[found.rows[:ranks]][None])
    quantities = {
        **{f"{name}_{t + 1}": (reported[name][0, :, t], true[name][t])
           for name in ("h2", "pi", "sigma2_0") for t in (0, 1)},
        "rho_0": (reported["rho_0"][0], true["rho_0"]),
        "u": (reported["rg"][0] / reported["rg_max"][0], true["u"]),
    }  # fmt: skip
    f = reported["pi_shared"][0] / reported["pi"][0].min("trait")
    least = np.maximum(reported["pi_shared_min"][0] / reported["pi"][0].min("trait"), 0)
    quantities["excess"] = ((f - least) / (1 - least), true["e"])
    common = {
        "model": "bivariate_mixer",
        "replicate": seed[-1],
        "pareto_k": found.pareto_k,
        "effective": found.effective,
        "cpu": time.process_time() - began,
        "ranks": ranks,
    }
    return [
        common
        | {"parameter": name, "truth": float(truth), "rank": rank_of(values.values, truth, rng)}
        for name, (values, truth) in quantities.items()
    ]


def main() -> None:
    """Run what is missing, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--replicates", type=int, default=200)
    parser.add_argument("--variants", type=int, default=8000)
    parser.add_argument("--draws", type=int, default=1500, help="proposals of the posterior")
    parser.add_argument("--ranks", type=int, default=99)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--minutes", type=float, default=np.inf, help="after which none is begun")
    parser.add_argument("--out", type=Path, default=Path("sbc_pairs.parquet"))
    a = parser.parse_args()
    rows = pd.read_parquet(a.out) if a.out.exists() else pd.DataFrame()
    done = set(rows["replicate"]) if len(rows) else set()
    wanted = [r for r in range(a.replicates) if r not in done]
    made = Compiled(a.variants) if wanted else None
    until = time.monotonic() + 60 * a.minutes
    for r in track(wanted, "replicates"):
        if time.monotonic() > until:
            break
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            one = replicate(made, a.draws, a.ranks, [a.seed, r])
        rows = pd.concat([rows, pd.DataFrame(one)], ignore_index=True)
        rows.to_parquet(a.out, index=False)
    if len(rows):
        print(table(rows).round(3).to_string(index=False))


if __name__ == "__main__":
    main()
