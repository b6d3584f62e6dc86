"""How fast the likelihood loses at both ends of polygenic overlap as two studies grow.

    python benchmarks/overlap_power.py

Expected loss of log-likelihood (Kullback-Leibler divergence times 37,000, about the effective
variants of ten chromosomes) at the least and at complete overlap, all else held, of a pair with h2
0.16 and 0.117, N 100,000 and 60,000, rg 43% of the possible and overlap 35% of the way, at three
polygenicities; 12 variants of random LD. Then the powers of N between the columns.
"""

from __future__ import annotations

import numpy as np

from bayesmixer.ld.spectrum import nodes, spectrum_from_pairs
from bayesmixer.ops.pair_predict import PairClusters, PairMixture, pair_density
from bayesmixer.pair.chart import overlap

H2, PI, N, H_TOTAL = np.array([0.16, 0.117]), np.array([0.003, 0.0025]), (1e5, 6e4), 1e5
U, T, EFFECTIVE = 0.43, 0.35, 37_000
SIZES = (0.25, 0.5, 1.0, 2.0)


def mixture(t: float, pi: np.ndarray) -> PairMixture:
    """The pair at a place between the ends of overlap."""
    at, v = overlap(U, t, *pi), H2 / (pi * H_TOTAL)
    covariance = at.rho_beta * np.sqrt(v.prod())
    return PairMixture(
        np.array([*(pi - at.pi_shared), at.pi_shared]),
        np.array([[v[0], 0, 0], [0, v[1], 0], [*v, covariance]]),
        np.array([1.05, 1.03, 0.12]),
    )


def main() -> None:
    rng = np.random.default_rng(4)
    x = rng.uniform(0.05, 0.5, (12, 40)) * rng.beta(0.4, 1.2, (12, 40))
    spectra = spectrum_from_pairs(np.arange(0, 12 * 40 + 1, 40), x.ravel(), 24)
    print("pi x   end        loss at N x " + ", ".join(f"{k:g}" for k in SIZES))
    for scale in (1, 3, 10):
        for end, name in ((0.0, "least"), (1.0, "complete")):
            loss = []
            for k in SIZES:
                total = 0.0
                for one in spectra:
                    group = PairClusters(k * np.array([N]), one[None], np.ones(1))
                    z, p = pair_density(14, 225, group, nodes(24), mixture(T, scale * PI))
                    _, q = pair_density(14, 225, group, nodes(24), mixture(end, scale * PI))
                    ratio = np.log(np.maximum(p, 1e-12) / np.maximum(q, 1e-12))
                    total += (p * ratio).sum() * (z[1] - z[0]) ** 2
                loss.append(EFFECTIVE * total / len(spectra))
            power = np.diff(np.log(loss)) / np.diff(np.log(SIZES))
            print(f"{scale:<6} {name:9}", np.round(loss, 2), "powers", np.round(power, 1))


if __name__ == "__main__":
    main()
