"""Error of log p where effects are strong, N sigma2_beta H (H = 1/2) far beyond 200, by number of
nodes of the LD spectrum.

    python benchmarks/strong_effects.py      about four minutes

60 variants of one to ten partners, |z| from 0 to 40, sigma2_zero 1.05. Truth is the mixture over
all 2^partners causal configurations; counted are points of p > 1e-9. "impossible": points with a
density above that of the error alone (log-likelihood minus infinity) or below exp(-600).
"""

from __future__ import annotations

import numpy as np
from scipy.special import logsumexp

from bayesmixer.ld.spectrum import nodes, spectrum_from_pairs
from bayesmixer.ops.likelihood import log_density

N, SIGMA2_ZERO = 1e5, 1.05
Z = np.array([0.0, 1, 2, 3, 4, 5, 6, 8, 10, 15, 20, 30, 40])
PI = (1e-4, 1e-3, 1e-2, 0.1, 0.9)


def enumerated(x: np.ndarray, pi: float, sigma2: float) -> np.ndarray:
    """Log density at Z of the mixture over all configurations of the partners."""
    causal = (np.arange(2**x.size)[:, None] >> np.arange(x.size)) & 1
    weight = causal.sum(1) * np.log(pi) + (x.size - causal.sum(1)) * np.log1p(-pi)
    variance = SIGMA2_ZERO + N * sigma2 * (causal @ x)
    return np.asarray(
        logsumexp(
            weight - 0.5 * np.log(2 * np.pi * variance) - 0.5 * Z[:, None] ** 2 / variance, axis=1
        )
    )


def main() -> None:
    print(
        "| K | N sigma2_beta H |" + "".join(f" pi {pi:g}: median | 95% | impossible |" for pi in PI)
    )
    print("| --: | --: |" + " --: |" * (3 * len(PI)))
    for k in (24, 48):
        for strength in (500, 1000, 2000, 4000, 10_000):
            row = []
            for pi in PI:
                rng, errors, impossible = np.random.default_rng(3), [], 0
                for _ in range(60):
                    count = int(rng.integers(1, 11))
                    h, r2 = rng.uniform(0.02, 0.5, count), rng.beta(0.4, 1.5, count)
                    r2[0] = 1.0
                    x, sigma2 = h * r2, strength / (0.5 * N)
                    s = np.tile(spectrum_from_pairs([0, count], x, k)[0], (Z.size, 1))
                    truth = enumerated(x, pi, sigma2)
                    found = log_density(
                        Z, np.full(Z.size, N), s, nodes(k), [pi], [sigma2], SIGMA2_ZERO
                    )
                    possible = np.isfinite(found) & (found > -600)
                    impossible += int((~possible).sum())
                    errors.append(np.abs(found - truth)[possible & (truth > -21)])
                error = np.concatenate(errors)
                row.append(
                    f"{np.median(error):.0e} | {np.quantile(error, 0.95):.0e} | "
                    f"{impossible / (60 * Z.size):.0%}"
                )
            print(f"| {k} | {strength:,} | {' | '.join(row)} |", flush=True)


if __name__ == "__main__":
    main()
