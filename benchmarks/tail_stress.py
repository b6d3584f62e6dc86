"""Corners of the parameter space: error of log p, monotony and slopes over random spectra and
parameters, out to |z| = 40.

    python benchmarks/tail_stress.py [variants] [seed] [nodes]

By default 2,000, 1 and 24; about two minutes.

One to sixty partners a variant, pi log-uniform in [1e-5, 1], N sigma2_beta H uniform in (0, 200],
sigma2_zero in [0.5, 3]. Truth is the density of the list of partners, by quadrature. Most of these
points no data would ever visit: they show where the spectrum's nodes, the line and the saddle point
give out.
"""

from __future__ import annotations

import sys

import numpy as np

from bayesmixer.ld.spectrum import nodes, spectrum_from_pairs
from bayesmixer.ops import kernel, oracle
from bayesmixer.ops.layout import LikelihoodData

N = 1e5
Z, Z_EXACT = np.arange(0.0, 40.01, 0.25), np.arange(3.0, 40.0, 2.0)
REGIONS = {
    "p > 1e-6": (-14, np.inf),
    "1e-9 < p < 1e-6": (-21, -14),
    "1e-15 < p < 1e-9": (-34.5, -21),
    "p < 1e-15": (-np.inf, -34.5),
}


def partners(rng: np.random.Generator) -> np.ndarray:
    """Strengths H r^2 of the partners of one variant, itself first."""
    count = int(rng.integers(1, 60))
    h, r2 = rng.uniform(0.02, 0.5, count), rng.beta(0.4, 1.5, count)
    r2[0] = 1.0
    return h * r2


def evaluate(
    z: np.ndarray, spectrum: np.ndarray, node_x: np.ndarray, theta: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    data = LikelihoodData(
        z,
        np.full(z.size, N),
        np.ones(z.size),
        np.tile(spectrum, (z.size, 1)),
        node_x,
        np.arange(z.size),
        None,
    )
    value, jacobian = kernel.evaluate(
        data.packed, data.tails, theta[:1], theta[1:2], theta[2], True, 1
    )
    return value, jacobian


def main() -> None:
    variants, seed, k = (int(a) for a in [*sys.argv[1:], *["2000", "1", "24"][len(sys.argv) - 1 :]])
    rng, node_x = np.random.default_rng(seed), nodes(k)
    errors: list[np.ndarray] = []
    levels: list[np.ndarray] = []
    slopes: list[np.ndarray] = []
    rises: list[tuple[float, float]] = []
    for _ in range(variants):
        x = partners(rng)
        s = spectrum_from_pairs([0, len(x)], x, k)[0]
        theta = np.array(
            [10 ** rng.uniform(-5, 0), rng.uniform(0, 200) / (0.5 * N), rng.uniform(0.5, 3)]
        )
        value, _ = evaluate(Z, s, node_x, theta)
        if not np.isfinite(value).all():
            raise SystemExit(f"not finite at {theta}")
        far = 3 * np.sqrt(theta[2] + theta[0] * theta[1] * N * x.sum()) < Z
        rise = np.diff(value[far])
        rises += [
            (float(a), float(b))
            for a, b in zip(rise[rise >= 0], value[far][:-1][rise >= 0], strict=True)
        ]
        value, jacobian = evaluate(Z_EXACT, s, node_x, theta)
        levels.append(value)
        errors.append(
            np.abs(value - oracle.log_density(Z_EXACT, N, np.tile(x, (Z_EXACT.size, 1)), x, *theta))
        )
        theta[0] = min(theta[0], 0.9)  # room for the differences
        value, jacobian = evaluate(Z_EXACT, s, node_x, theta)
        off = np.zeros(Z_EXACT.size)
        for i in range(3):
            h = 2e-3 * theta[i] * np.eye(3)[i]
            at = [evaluate(Z_EXACT, s, node_x, theta + m * h)[0] for m in (-2, -1, 1, 2)]
            expected = (8 * (at[2] - at[1]) - (at[3] - at[0])) / 24e-3
            off = np.maximum(
                off, np.abs(jacobian[:, i] * theta[i] - expected) / (1 + np.abs(expected))
            )
        slopes.append(off)
    error, level, off = np.concatenate(errors), np.concatenate(levels), np.concatenate(slopes)
    print(
        "| region | points | error of log p: median | 90% | 99% | max | above 0.02 | slope off "
        "by > 0.02 |"
    )
    print("| :-- |" + " --: |" * 7)
    for name, (lo, hi) in REGIONS.items():
        e, o = error[(level > lo) & (level <= hi)], off[(level > lo) & (level <= hi)]
        quantiles = " | ".join(f"{q:.0e}" for q in np.quantile(e, [0.5, 0.9, 0.99, 1]))
        print(
            f"| {name} | {e.size} | {quantiles} | {(e > 0.02).mean():.2%} | "
            f"{(o > 0.02).mean():.2%} |"
        )
    print(
        f"log p rises with |z| beyond three standard deviations at {len(rises)} of "
        f"{variants * Z.size} points",
        end="",
    )
    print(
        f", by {max(r for r, _ in rises):.1f} at most, all with log p < "
        f"{max(l for _, l in rises):.1f}"
        if rises
        else ""
    )


if __name__ == "__main__":
    main()
