"""Error of log p where effects are strong, N sigma2_beta H far beyond 200, by number of nodes of the LD spectrum.

    python benchmarks/strong_effects.py      about five minutes

200 variants of one to ten partners, pi log-uniform in [1e-5, 0.9], sigma2_zero in [0.7, 1.5], |z| from 0 to 40, effects of N sigma2_beta H between
half of the strength and all of it at H = 1/2. Truth is the mixture over all 2^partners causal configurations.
"""

from __future__ import annotations

import numpy as np
from scipy.special import logsumexp

from bayesmixer.ld.spectrum import nodes, spectrum_from_pairs
from bayesmixer.ops.likelihood import log_density

N = 1e5
Z = np.array([0.0, 1, 2, 3, 4, 5, 6, 8, 10, 15, 20, 30, 40])
REGIONS = {"p > 1e-3": (-7, np.inf), "1e-6 < p < 1e-3": (-14, -7), "1e-9 < p < 1e-6": (-21, -14)}


def enumerated(z: np.ndarray, x: np.ndarray, pi: float, sigma2: float, sigma2_zero: float) -> np.ndarray:
    """Log density of the mixture over all configurations of the partners."""
    causal = (np.arange(2**x.size)[:, None] >> np.arange(x.size)) & 1
    weight = causal.sum(1) * np.log(pi) + (x.size - causal.sum(1)) * np.log1p(-pi)
    variance = sigma2_zero + N * sigma2 * (causal @ x)
    return np.asarray(logsumexp(weight - 0.5 * np.log(2 * np.pi * variance) - 0.5 * z[:, None] ** 2 / variance, axis=1))


def main() -> None:
    print("| N sigma2_beta H | K |" + "".join(f" {name}: median | 99% |" for name in REGIONS) + " not computed |")
    print("| --: | --: |" + " --: |" * (2 * len(REGIONS) + 1))
    for strength in (200, 1000, 5000, 20_000, 100_000):
        for k in (24, 32, 48):
            rng, node_x, errors, levels = np.random.default_rng(7), nodes(k), [], []
            for _ in range(200):
                count = int(rng.integers(1, 11))
                h, r2 = rng.uniform(0.02, 0.5, count), rng.beta(0.4, 1.5, count)
                r2[0] = 1.0
                x = h * r2
                pi, sigma2 = 10 ** rng.uniform(-5, -0.05), strength / (0.5 * N) * rng.uniform(0.5, 1)
                sigma2_zero = rng.uniform(0.7, 1.5)
                s = np.tile(spectrum_from_pairs([0, count], x, k)[0], (Z.size, 1))
                levels.append(enumerated(Z, x, pi, sigma2, sigma2_zero))
                errors.append(np.abs(log_density(Z, np.full(Z.size, N), s, node_x, [pi], [sigma2], sigma2_zero) - levels[-1]))
            error, level = np.concatenate(errors), np.concatenate(levels)
            row = []
            for low, high in REGIONS.values():
                e = error[(level > low) & (level <= high)]
                row += [f"{np.quantile(e[np.isfinite(e)], q):.0e}" for q in (0.5, 0.99)]
            print(f"| {strength:,} | {k} | {' | '.join(row)} | {np.isinf(error).mean():.1%} |", flush=True)


if __name__ == "__main__":
    main()
