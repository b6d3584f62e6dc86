"""Which r^2 cut-off a small panel should have: log phi of a z-score from 343 sampled people against
the population's.

    python benchmarks/ld_weak_pairs.py PANEL [--samples 343] [--blocks 16]

The "population" has the LD of a real panel within LD blocks (PANEL: a bed prefix of one
chromosome); people are drawn as Gaussian vectors with that LD. For each rule and cut-off: bias and
root mean square error of log phi(s), relative to its mean, at pi = 0.003 and two values of N
sigma2_beta.
"""

from __future__ import annotations

import argparse

import numpy as np

from bayesmixer.io.genotypes import open_panels
from bayesmixer.ld.scores import Rule, chromosome_ld, genotype_counts, lookup, standardise
from bayesmixer.ld.spectrum import nodes, spectrum_of_block
from bayesmixer.ld.window import bounds, parse_window

S = np.array([0.5, 1.0, 2.0, 3.0])


class Sampled:
    """People drawn from a population of given LD, as a panel of standardised values."""

    def __init__(self, x: np.ndarray, samples: int, rng: np.random.Generator) -> None:
        y = x @ rng.standard_normal((x.shape[1], samples))
        y -= y.mean(1, keepdims=True)
        self.values = (y / np.sqrt((y**2).sum(1, keepdims=True))).astype(np.float32)
        self.n_samples = samples


def log_phi(spectrum: np.ndarray, pi: float, scale: float) -> np.ndarray:
    x, y = nodes(spectrum.shape[1])[:, None], -0.5 * S**2 * scale
    g = np.where(x > 1e-12, np.log1p(pi * np.expm1(x * y)) / np.maximum(x, 1e-300), pi * y)
    return spectrum @ g


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("panel")
    parser.add_argument("--samples", type=int, default=343)
    parser.add_argument("--blocks", type=int, default=16)
    args = parser.parse_args()
    import bayesmixer.ld.scores as scores

    panel = open_panels(args.panel)[0]
    counts = genotype_counts(panel, lambda: None)
    freq, variance, value = lookup(counts)
    use = np.flatnonzero(variance > 0)
    place = panel.variants["pos"].to_numpy()[use]
    _, _, label = bounds(parse_window("eur_hg19"), panel.chrom, place, np.zeros(len(use)))
    g = panel.read(0, len(freq))[use]
    x = np.empty(g.shape, np.float32)
    standardise(g, value[use], x)
    h, n, rng = 2 * freq[use] * (1 - freq[use]), args.samples, np.random.default_rng(1)
    rules = [("plain", 0.0), *(("unbiased", c / n) for c in (1.001, 2, 4, 8, 16, 40))]
    truth: list[np.ndarray] = []
    found: dict[tuple[str, float], list[np.ndarray]] = {rule: [] for rule in rules}
    # the kernels read genotypes 0, 1, 2; here the standardised values themselves take their place
    scores.standardise = lambda values, _, out: np.copyto(out, values)
    for block in np.unique(label)[: args.blocks]:
        j = np.flatnonzero(label == block)
        here, m = x[j].astype(float), len(j)
        truth.append(spectrum_of_block(here @ here.T, h[j]))
        people = Sampled(here, n, rng)
        people.read = lambda a, b, people=people: people.values[a:b]
        for rule in rules:
            all_of = np.zeros(m, np.int64), np.full(m, m)
            ld = chromosome_ld(
                people,
                np.arange(m),
                np.zeros((m, 4)),
                h[j],
                np.ones(m, bool),
                *all_of,
                Rule(24, (0.0,), *rule),
                lambda _: None,
            )
            found[rule].append(ld.spectrum[0])
    exact = np.concatenate(truth)
    print(
        f"{len(exact):,} variants, {n} people; mean ld_score_h of the population "
        f"{exact.sum(1).mean():.3f}\n"
    )
    print(
        "| rule | cut-off x n | mean ld_score_h | "
        + " | ".join(f"N s2 {v:g}, s = {s:g}" for v in (10, 60) for s in S)
        + " |"
    )
    print("|---" * 11 + "|")
    for (rule, cutoff), spectra in found.items():
        ours = np.concatenate(spectra).astype(float)
        cells = []
        for scale in (10.0, 60.0):
            a, b = log_phi(ours, 0.003, scale), log_phi(exact, 0.003, scale)
            cells += [
                f"{(a - b).mean(0)[i] / b.mean(0)[i]:+.3f} "
                f"({np.sqrt(((a - b) ** 2).mean(0)[i]) / -b.mean(0)[i]:.3f})"
                for i in range(len(S))
            ]
        print(
            f"| {rule} | {cutoff * n:.0f} | {ours.sum(1).mean():.3f} | " + " | ".join(cells) + " |"
        )


if __name__ == "__main__":
    main()
