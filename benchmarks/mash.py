"""CPU seconds of the steps of mash, one thread.

    OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 python benchmarks/mash.py [effects] [conditions]

A tenth of effects is not null, from eight covariances of rank 3; the same with errors by row, on a
fifth of effects.
"""

from __future__ import annotations

import resource
import sys
import time

import numpy as np
import xarray as xr

import bayesmixer as bm
from bayesmixer.mash.grid import default_grid
from bayesmixer.mash.learning import dirichlet
from bayesmixer.mash.likelihood import relative
from bayesmixer.mash.mixture import Mixture
from bayesmixer.mash.moments import moments
from bayesmixer.mash.rows import rows_of
from bayesmixer.mash.weights import optimal_weights


def simulated(n: int, r: int, by_row: bool) -> tuple[xr.Dataset, xr.Dataset]:
    """Effects, and covariances: canonical, and those of the truth with a part of identity."""
    rng = np.random.default_rng(1)
    roots = rng.standard_normal((8, r, 3)) / np.sqrt(3)
    kind, scale = rng.integers(8, size=n), 0.3 * rng.random((n, 1)) * (rng.random((n, 1)) < 0.1)
    true = scale * np.einsum("jra,ja->jr", roots[kind], rng.standard_normal((n, 3)))
    s = 0.1 * np.exp(0.2 * rng.standard_normal((n, r))) if by_row else np.full((n, r), 0.1)
    effects = bm.read_effects(true + s * rng.standard_normal((n, r)), s)
    more = {f"U_{k}": f @ f.T + 0.03 * np.eye(r) for k, f in enumerate(roots)}
    return effects, bm.mash.covariances(effects, "canonical", more=more)


def measure(n: int, r: int, by_row: bool) -> None:
    """Print the seconds of each step."""
    effects, covariances = simulated(n, r, by_row)
    clock = [time.process_time()]
    rows = rows_of(effects)
    mixture = Mixture(covariances["U"].values, default_grid(rows), True)
    matrix, _ = relative(rows, mixture)
    clock.append(time.process_time())
    found = optimal_weights(matrix, dirichlet("nullbiased", mixture) - 1)
    clock.append(time.process_time())
    size = matrix.shape
    del matrix
    moments(rows, Mixture(mixture.u, mixture.grid, True, found.x))
    clock.append(time.process_time())
    likelihood, weights, posterior = np.diff(clock)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f"{n:,} x {r}, {size[0]:,} components, errors {'by row' if by_row else 'alike'}:"
        f" likelihood {likelihood:.2f}, weights {weights:.2f} (gap {found.gap:.1e},"
        f" {int((found.x > 0).sum())} above 0), posterior {posterior:.2f}; peak {peak:.0f} MB"
    )


if __name__ == "__main__":
    n, r = (int(x) for x in (*sys.argv[1:], "20000", "44")[:2])
    measure(n, r, by_row=False)
    measure(n // 5, r, by_row=True)
