"""CPU seconds of the steps of mash, one thread.

    OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 python benchmarks/mash.py [effects] [conditions]

A tenth of effects is not null, from eight covariances of rank 3; the same with errors by row, on a
fifth of effects: independent ones, some of them missing, correlated ones, and both. `common`: how
many times the likelihood of as many effects with errors alike, by component, took.
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

KINDS = (
    "by row", "by row, a tenth missing", "by row, correlated",
    "by row, correlated, a tenth missing",
)  # fmt: skip


def simulated(n: int, r: int, kind: str) -> tuple[xr.Dataset, xr.Dataset]:
    """Effects, and covariances: canonical, and those of the truth with a part of identity."""
    rng = np.random.default_rng(1)
    roots = rng.standard_normal((8, r, 3)) / np.sqrt(3)
    u, scale = rng.integers(8, size=n), 0.3 * rng.random((n, 1)) * (rng.random((n, 1)) < 0.1)
    true = scale * np.einsum("jra,ja->jr", roots[u], rng.standard_normal((n, 3)))
    s = np.full((n, r), 0.1)
    if "by row" in kind:
        s *= np.exp(0.2 * rng.standard_normal((n, r)))
    z, v = rng.standard_normal((n, r)), None
    if "correlated" in kind:
        v = np.corrcoef(rng.standard_normal((r, 2 * r)))
        z = z @ np.linalg.cholesky(v).T
    b = true + s * z
    if "missing" in kind:
        b[rng.random((n, r)) < 0.1] = np.nan
    effects = bm.read_effects(b, np.where(np.isnan(b), np.nan, s), v=v)
    more = {f"U_{k}": f @ f.T + 0.03 * np.eye(r) for k, f in enumerate(roots)}
    return effects, bm.mash.covariances(effects, "canonical", more=more)


def measure(n: int, r: int, kind: str, common: float = np.nan) -> float:
    """Print the seconds of each step; those of the likelihood by effect and component."""
    effects, covariances = simulated(n, r, kind)
    rows = rows_of(effects)
    mixture = Mixture(covariances["U"].values, default_grid(rows), True)
    if kind != "alike":  # compiled once
        few = mixture.u[:1], mixture.grid[:1]
        relative(rows, Mixture(few[0].repeat(6_000 // n + 1, 0), few[1], True))
    clock = [time.process_time()]
    rows = rows_of(effects)
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
    each = likelihood / size[0] / n
    beside = "" if np.isnan(common) else f" ({each / common:.1f} times common)"
    print(
        f"{n:,} x {r}, {size[0]:,} components, errors {kind}: likelihood {likelihood:.2f}{beside},"
        f" weights {weights:.2f} (gap {found.gap:.1e}, {int((found.x > 0).sum())} above 0),"
        f" posterior {posterior:.2f}; peak {peak:.0f} MB",
        flush=True,
    )
    return float(each)


if __name__ == "__main__":
    n, r = (int(x) for x in (*sys.argv[1:], "20000", "44")[:2])
    common = measure(n, r, "alike")
    for kind in KINDS:
        measure(n // 5, r, kind, common)
