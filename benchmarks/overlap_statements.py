"""How often the two statements about overlap are claimed where they are false, and where they are
true, with independent variants.

    PYTHONPATH=. python benchmarks/overlap_statements.py [--cells least complete ...]
        [--replicates 60] [--variants 8000] [--out overlap.csv] [--minutes 10]

Each variant has itself as its only partner, so that z is a mixture of four bivariate normals, the
likelihood of bivariate MiXeR in closed form (`tests.pair.independent`; a test compares it with the
package's Op): what is counted is the statements' own error, of Laplace, scaling and prior. The
model is the package's, compiled once; its data are exchanged under it. Finished replicates are kept
in --out; the same command goes on.
"""

from __future__ import annotations

import argparse
import time
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

import bayesmixer as bm
from bayesmixer.inference import mode_covariance, points
from bayesmixer.inference.density import LogDensity
from bayesmixer.inference.find_map import covariance_of, find_modes
from bayesmixer.models.common import bound_of
from tests.pair.independent import Rows, closed_form, simulate, truth

CELLS = {  # u = rg / rg_max, excess, polygenicities, variance of a causal effect on z
    "least": (0.4, 0.0, (0.04, 0.04), 8.0),
    "nothing shared": (0.0, 0.0, (0.04, 0.04), 8.0),
    "between": (0.4, 0.5, (0.04, 0.04), 8.0),
    "between, rg 0": (0.0, 0.5, (0.04, 0.04), 8.0),
    "complete": (0.4, 1.0, (0.04, 0.04), 8.0),
    "complete, 10:1": (0.4, 1.0, (0.1, 0.01), 8.0),
    "low power, least": (0.4, 0.0, (0.08, 0.08), 2.0),
    "low power, between": (0.4, 0.5, (0.08, 0.08), 2.0),
    "low power, complete": (0.4, 1.0, (0.08, 0.08), 2.0),
}


def simulated(cell: str, variants: int, seed: int) -> xr.Dataset:
    """GwasData of a cell."""
    return simulate(*CELLS[cell], variants, [seed, *map(ord, cell)])


class Compiled:
    """The package's model over the closed form, compiled once; its data are exchanged."""

    def __init__(self, variants: int) -> None:
        self.kept: list[Rows] = []
        with closed_form(self.kept):
            self.model = bm.models.bivariate_mixer(simulated("between", variants, 0))
        self.bound, self.density = bound_of(self.model), LogDensity(self.model)

    def take(self, data: xr.Dataset) -> None:
        """Exchange the data."""
        for rows in self.kept:
            rows.__dict__.update(Rows(data).__dict__)


def replicate(made: Compiled, cell: str, seed: int, variants: int) -> dict[str, object]:
    """One row."""
    made.take(simulated(cell, variants, seed))
    density, bound = made.density, made.bound
    began, before = time.process_time(), density.evaluations
    u, _, pi, variance = CELLS[cell]
    starts = [density.flatten(truth(u, e, pi, variance)) for e in (0.25, 0.75)]
    best = find_modes(density, starts, density.box).best
    raw = covariance_of(best.hessian)
    info = mode_covariance.information(density, best.x, np.sqrt(np.diag(raw)))
    found = mode_covariance.from_information(info, raw, density.names, best.at_bound, bound=bound)
    kept = None if isinstance(found, str) else found
    kept, three = points.of_mode(
        density, bound, best.x, raw, kept, best.at_bound, "jackknife", True, False
    )
    group = three.dataset(density, seed)
    quantiles = np.quantile(three.excesses(1000), [0.05, 0.5, 0.95])
    names = [n for n in group.data_vars if not group[n].dims]
    keep = [n for n in names if str(n).startswith(("p_", "log10", "score_", "scaling"))]
    return {
        "cell": cell,
        "seed": seed,
        **{n: float(group[n]) for n in keep},
        **dict(zip(("p_is_least", "p_is_between", "p_is_complete"), three.shares, strict=True)),
        **dict(zip(("e05", "e50", "e95"), quantiles, strict=True)),
        "sd_e": float(np.std(three.excesses(1000))),
        "boot_sd": float(group["excess_bootstrap"].std()),
        "seconds": time.process_time() - began,
        "evaluations": density.evaluations - before,
    }


def summary(rows: pd.DataFrame) -> pd.DataFrame:
    """Claims by cell, in per cent."""
    claimed = rows.assign(
        beyond=rows.p_beyond_rg >= 0.95,
        less=rows.p_less_than_complete >= 0.95,
        score_beyond=rows.score_p_beyond_rg < 0.05,
        score_less=rows.score_p_less_than_complete < 0.05,
    )
    by = claimed.groupby("cell", sort=False)
    out = 100 * by[["beyond", "less", "score_beyond", "score_less"]].mean()
    return out.assign(
        replicates=by.size(),
        sd_e=by.sd_e.median(),
        scaling=by.scaling.median(),
        seconds=by.seconds.median(),
    )


def main() -> None:
    """Simulate what is missing, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--cells", nargs="+", default=list(CELLS), choices=list(CELLS))
    parser.add_argument("--replicates", type=int, default=60)
    parser.add_argument("--variants", type=int, default=8000)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--out", type=Path, default=Path("overlap.csv"))
    given = parser.parse_args()
    rows = pd.read_csv(given.out).to_dict("records") if given.out.exists() else []
    done = {(row["cell"], row["seed"]) for row in rows}
    until = time.monotonic() + 60 * given.minutes
    wanted = [(c, s) for s in range(given.replicates) for c in given.cells if (c, s) not in done]
    made = Compiled(given.variants) if wanted else None
    for cell, seed in wanted:
        if time.monotonic() > until:
            break
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            rows.append(replicate(made, cell, seed, given.variants))
        pd.DataFrame(rows).to_csv(given.out, index=False, float_format="%.5g")
    if rows:
        print(summary(pd.DataFrame(rows)).round(3).to_string())


if __name__ == "__main__":
    main()
