"""Two-trait parameters and variants for the tests: points of the reference results, and synthetic
variants of several sample sizes.
"""

from __future__ import annotations

import json

import numpy as np

from bayesmixer.ld.spectrum import spectrum_from_pairs
from bayesmixer.ops.pair_layout import PairData
from tests.ops.likelihood_cases import N_REF, NODE_X, K, spectra


def parameters(pi1, pi2, pi12, v1, v2, rho_beta, e1, e2, rho_0):
    """pi (3,), sigma_beta (3, 3), sigma_0 (3,) of bivariate MiXeR; pi1, pi2 of the unique parts."""
    return (
        np.array([pi1, pi2, pi12]),
        np.array([[v1, 0, 0], [0, v2, 0], [v1, v2, rho_beta * np.sqrt(v1 * v2)]]),
        np.array([e1, e2, rho_0 * np.sqrt(e1 * e2)]),
    )


POINT = parameters(0.0025, 0.0015, 0.0015, 4.8e-4, 5.6e-4, 0.5, 1.05, 1.02, 0.1)


def reference(shared):
    """Variants of the reference results: z, n, weight, spectrum; log densities and parameters by
    point; their weighted costs.
    """
    folder = shared / "reference/mixer"
    d, exact = np.load(folder / "inputs.npz"), np.load(folder / "bivariate.npz")
    told = json.loads((folder / "points.json").read_text())["bivariate"]
    rows, edge = exact["sub"], d["indptr"].astype(int)
    x = d["H"][d["indices"]].astype(float) * d["r2"].astype(float)
    lists = [x[edge[j] : edge[j + 1]] for j in rows]
    s = spectrum_from_pairs(np.cumsum([0, *map(len, lists)]), np.concatenate(lists), K)
    z, n = (np.column_stack([d[f"{v}1"], d[f"{v}2"]])[rows].astype(float) for v in "zn")
    points = {}
    for name in ("B0", "B1", "B2", "B3", "B4"):
        p = told[name]["params"]
        (pi1, v1, e1), (pi2, v2, e2) = p["trait1"].values(), p["trait2"].values()
        theta = parameters(
            pi1 - p["pi12"],
            pi2 - p["pi12"],
            p["pi12"],
            v1,
            v2,
            p["rho_beta"],
            e1,
            e2,
            p["rho_zero"],
        )
        points[name] = exact[name][rows], theta, told[name]["exact_cost_sub"]
    return z, n, d["weights"][rows].astype(float), s, points


def variants(count=200, blocks=5, seed=0, spread=1.4, n_ratio=0.6):
    """z (J, 2), n (J, 2), weight, spectrum, block of synthetic variants, a tenth far out."""
    rng = np.random.default_rng(seed)
    s, _ = spectra(rng, count)
    z = rng.normal(0, spread, (count, 2))
    z[: count // 10] *= 2.5
    n = N_REF * np.array([1.0, 0.7]) * rng.uniform(n_ratio, 1, (count, 2))
    return z, n, rng.uniform(0.2, 1.5, count), s, np.sort(rng.integers(0, blocks, count))


def make(*args, **kwargs):
    z, n, w, s, block = variants(*args, **kwargs)
    return PairData(z, n, w, s, NODE_X, block)
