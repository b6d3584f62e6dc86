"""Simulation-based calibration: are the ranks of true parameters among posterior draws uniform, for
each univariate model with independent variants?

    python benchmarks/sbc.py [--models univariate_mixer ...] [--replicates 200] [--variants 1000]
        [--out sbc.parquet] [--minutes 3]

Parameters are drawn from the model's own weak prior (or --prior NAME=MEAN,SD), z-scores straight
from the model's words: each variant has its own few partners, shared with no other variant, so that
the composite likelihood with weights 1 is the likelihood. The rank of the truth among L posterior
draws is then uniform on 0 .. L (Talts et al. 2018, arXiv:1804.06788, theorem 1); besides the
parameters, the log-likelihood is ranked, which notices a posterior that ignores the data (Modrak et
al. 2025, Bayesian Analysis 20:461). Uniformity is tested by chi-squared, Bonferroni over a model's
quantities.

Posteriors are the Laplace ones with importance resampling that fit makes, calibration off.
Replicates with k-hat > 0.7, where fit would turn to NUTS, are counted and left out: the choice
depends on the data alone, so that the ranks of the others stay uniform. Finished replicates are
kept in --out; the same command goes on.
"""

from __future__ import annotations

import argparse
import time
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pymc as pm
import xarray as xr
from scipy.stats import chisquare

import bayesmixer as bm
from bayesmixer.errors import InputError
from bayesmixer.inference import laplace
from bayesmixer.inference.density import LogDensity
from bayesmixer.inference.find_map import covariance_of, find_modes
from bayesmixer.ld.spectrum import nodes, spectrum_from_pairs
from bayesmixer.mixer.cards import TWO_COMPONENT, UNIVARIATE
from bayesmixer.models.common import bound_of
from bayesmixer.models.half_normal import LogHalfNormal
from bayesmixer.ops.pytensor_doors import forget_ops
from bayesmixer.progress import track

CARDS = {one.name: one for card in (UNIVARIATE, TWO_COMPONENT) for one in card.free}

FREE = {
    "infinitesimal": ("log_h2", "log_sigma2_0"),
    "univariate_mixer": ("log_h2", "logit_pi", "log_sigma2_0"),
    "two_component_mixer": (
        "log_h2",
        "logit_share_large",
        "logit_pi",
        "log_pi_ratio",
        "log_sigma2_0",
    ),
}
K_HAT = 0.7
Prior = dict[
    str, tuple[float, float] | float
]  # mean and sd of a normal; scale of the half-normal of what the parameter is the log of
PRIOR: Prior = {
    name: numbers if len(numbers := one.weak.numbers) > 1 else numbers[0]
    for name, one in CARDS.items()
    if one.weak.family != "logistic"
}


@dataclass(frozen=True)
class Design:
    """Independent variants: the strengths x of all partners, whose they are (edges), and GwasData
    with z still 0.
    """

    x: np.ndarray
    edges: np.ndarray
    data: xr.Dataset


def design(variants: int, n: float, seed: int) -> Design:
    """Each variant with itself (r = 1) and Poisson(3) partners of its own."""
    rng = np.random.default_rng(seed)
    partners = 1 + rng.poisson(3, variants)
    edges = np.concatenate([[0], np.cumsum(partners)])
    h = rng.uniform(0.05, 0.5, edges[-1])
    r2 = rng.uniform(0, 1, edges[-1]) ** 2
    r2[edges[:-1]] = 1.0
    spectrum = spectrum_from_pairs(edges, h * r2)
    block = np.arange(variants) * 20 // variants
    data = bm.gwas_data_from_arrays(
        np.zeros(variants),
        n,
        spectrum,
        nodes(),
        h[edges[:-1]],
        reference_heterozygosity=h,
        ld_block=block,
        weight=np.ones(variants),
    )
    return Design(h * r2, edges, data)


def components(
    model: str, truth: dict[str, float], h_total: float
) -> tuple[np.ndarray, np.ndarray]:
    """(pi, sigma2_beta) of the causal components, written out here and not taken from the
    models.
    """
    h2 = np.exp(truth["log_h2"])
    if model == "infinitesimal":
        return np.ones(1), np.array([h2 / h_total])
    all_causal = 1 / (1 + np.exp(-truth["logit_pi"]))
    if model == "univariate_mixer":
        return np.array([all_causal]), np.array([h2 / (all_causal * h_total)])
    large = 1 / (1 + np.exp(-truth["logit_share_large"]))
    ratio = np.exp(truth["log_pi_ratio"])
    pi = all_causal * np.array([ratio, 1.0]) / (1 + ratio)
    return pi, h2 * np.array([1 - large, large]) / (pi * h_total)


def simulate(
    plan: Design, model: str, truth: dict[str, float], rng: np.random.Generator
) -> np.ndarray:
    """z_j = sqrt(N) sum_i sqrt(x_ij) beta_i + e_j."""
    pi, sigma2 = components(model, truth, plan.data.attrs["h_total"][0])
    kind = np.searchsorted(np.cumsum(pi), rng.random(plan.x.size), side="right")
    sd = np.sqrt(np.append(sigma2, 0.0))[np.minimum(kind, pi.size)]
    signal = np.add.reduceat(
        np.sqrt(plan.x) * sd * rng.standard_normal(plan.x.size), plan.edges[:-1]
    )
    noise = np.sqrt(np.exp(truth["log_sigma2_0"])) * rng.standard_normal(signal.size)
    return np.sqrt(plan.data["n"].values[:, 0]) * signal + noise


def draw_prior(model: str, prior: Prior, rng: np.random.Generator) -> dict[str, float]:
    """Parameters from the prior, inside the search box (the posterior has no mass outside)."""
    out = {}
    for name in FREE[model]:
        value = np.inf
        while not CARDS[name].box[0] < value < CARDS[name].box[1]:
            own = prior[name]
            value = rng.normal(*own) if isinstance(own, tuple) else np.log(abs(rng.normal(0, own)))
        out[name] = float(value)
    return out


def build(model: str, data: xr.Dataset, prior: Prior) -> pm.Model:
    """The package's model with its weak prior, or with another one in its place."""
    if all(prior[name] == PRIOR[name] for name in FREE[model]):
        return getattr(bm.models, model)(data, prior="weak")
    made = getattr(bm.models, model)(data, prior="flat")
    with made:
        for name in FREE[model]:
            own = prior[name]
            law = pm.Normal.dist(*own) if isinstance(own, tuple) else LogHalfNormal.dist(own)
            pm.Potential(f"prior_{name}", pm.logp(law, made[name]))
    return made


def replicate(
    plan: Design, model: str, prior: Prior, draws: int, ranks: int, seed: list[int]
) -> list[dict]:
    """Draw, simulate, fit, rank: one row a quantity."""
    began = time.process_time()
    rng = np.random.default_rng(seed)
    truth = draw_prior(model, prior, rng)
    data = plan.data.assign(z=(("variant", "trait"), simulate(plan, model, truth, rng)[:, None]))
    made = build(model, data, prior)
    density, record = LogDensity(made), bound_of(made)
    bounds = density.box
    # the best start alone: a worse mode would only cost importance weights
    start = max(
        (density.flatten(point) for point in record.starts()),
        key=lambda x: density.value_and_gradient(x)[0],
    )
    modes = find_modes(density, [start], bounds)
    found = laplace.sample(
        density, modes.best.x, covariance_of(modes.best.hessian), bounds, draws, rng, False
    )
    chosen = found.rows[:ranks]  # resampled rows come in random order
    at = density.flatten(truth)
    loglik = {
        "log_likelihood": (
            found.blocks["z"][chosen].sum(1),
            density.value_and_blocks(at)[1]["z"].sum(),
        )
    }
    quantities = {
        name: (found.proposals[chosen, i], at[i]) for i, name in enumerate(density.names)
    } | loglik
    forget_ops()
    common = {
        "model": model,
        "replicate": seed[-1],
        "pareto_k": found.pareto_k,
        "effective": found.effective,
        "cpu": time.process_time() - began,
    }
    return [
        common
        | {
            "parameter": name,
            "truth": float(true),
            "ranks": ranks,
            "rank": rank_of(values, float(true), rng),
        }
        for name, (values, true) in quantities.items()
    ]


def rank_of(draws: np.ndarray, truth: float, rng: np.random.Generator) -> int:
    """Number of draws below the truth, ties broken at random."""
    return int((draws < truth).sum() + rng.integers(0, (draws == truth).sum() + 1))


def uniformity(rank: np.ndarray, ranks: int) -> tuple[float, float]:
    """(chi-squared p-value, largest distance of the ranks' distribution from uniform) of ranks on 0
    .. `ranks`.
    """
    bins = max(4, min(20, len(rank) // 10))  # ten expected in each
    edge = np.linspace(0, ranks + 1, bins + 1).round()
    count, _ = np.histogram(rank, edge - 0.5)
    expected = len(rank) * np.diff(edge) / (ranks + 1)
    sorted_rank = np.sort((rank + 0.5) / (ranks + 1))
    distance = np.abs(sorted_rank - (np.arange(len(rank)) + 0.5) / len(rank)).max()
    return float(chisquare(count, expected).pvalue), float(distance)


def table(rows: pd.DataFrame) -> pd.DataFrame:
    """One row a quantity: replicates used and left out, chi-squared p and its Bonferroni
    correction, mean rank (0.5), distance from uniform.
    """
    out = []
    for (model, parameter), part in rows.groupby(["model", "parameter"], sort=False):
        used = part[part["pareto_k"] <= K_HAT]
        p, distance = uniformity(used["rank"].to_numpy(), int(part["ranks"].iloc[0]))
        quantities = rows.loc[rows["model"] == model, "parameter"].nunique()
        out.append(
            {
                "model": model,
                "parameter": parameter,
                "replicates": len(used),
                "left_out": len(part) - len(used),
                "p": p,
                "p_corrected": min(1.0, p * quantities),
                "mean": ((used["rank"] + 0.5) / (used["ranks"] + 1)).mean(),
                "distance": distance,
            }
        )
    return pd.DataFrame(out)


def read_prior(texts: list[str], narrow: float) -> Prior:
    """The weak prior, its standard deviations and scales times `narrow`, with NAME=MEAN,SD in place
    of some.
    """
    prior: Prior = {
        name: (own[0], own[1] * narrow) if isinstance(own, tuple) else own * narrow
        for name, own in PRIOR.items()
    }
    for text in texts:
        try:
            name, numbers = text.split("=")
            mean, sd = (float(v) for v in numbers.split(","))
            prior[name] = (mean, sd)
        except ValueError:
            raise InputError(
                "--prior", f"{text!r}, expected NAME=MEAN,SD such as logit_pi=-4,1"
            ) from None
        if name not in PRIOR or sd <= 0:
            raise InputError(
                "--prior", f"{text!r}, expected one of {', '.join(PRIOR)} and a positive SD"
            )
    return prior


def main() -> None:
    p = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    p.add_argument("--models", nargs="+", default=list(FREE), choices=list(FREE))
    p.add_argument("--replicates", type=int, default=200)
    p.add_argument("--variants", type=int, default=500)
    p.add_argument("--n", type=float, default=20_000.0, help="sample size")
    p.add_argument(
        "--prior",
        nargs="*",
        default=[],
        metavar="NAME=MEAN,SD",
        help="normal priors in place of the weak ones, in simulation and fit alike",
    )
    p.add_argument(
        "--narrow",
        type=float,
        default=1.0,
        help="factor on the standard deviations of the weak priors",
    )
    p.add_argument("--draws", type=int, default=400, help="proposals of the Laplace posterior")
    p.add_argument(
        "--ranks", type=int, default=99, help="posterior draws L among which the truth is ranked"
    )
    p.add_argument("--seed", type=int, default=1)
    p.add_argument(
        "--minutes",
        type=float,
        default=np.inf,
        help="CPU minutes a model, after which no replicate is begun",
    )
    p.add_argument("--out", type=Path, default=Path("sbc.parquet"))
    a = p.parse_args()
    prior = read_prior(a.prior, a.narrow)
    settings = repr((a.variants, a.n, sorted(prior.items()), a.draws, a.ranks, a.seed))
    rows = pd.read_parquet(a.out) if a.out.exists() else pd.DataFrame()
    if len(rows) and set(rows["settings"]) != {settings}:
        raise InputError(a.out, "holds replicates of other settings", "Give another --out.")
    plan = design(a.variants, a.n, a.seed)
    for number, model in enumerate(FREE):
        if model not in a.models:
            continue
        done = set(rows.loc[rows["model"] == model, "replicate"]) if len(rows) else set()
        began = time.process_time()
        for r in track(range(a.replicates), model):
            if r in done:
                continue
            if time.process_time() - began > 60 * a.minutes:
                break
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                fresh = pd.DataFrame(
                    replicate(plan, model, prior, a.draws, a.ranks, [a.seed, number, r])
                ).assign(settings=settings)
            rows = pd.concat([rows, fresh], ignore_index=True)
            aside = a.out.with_suffix(".tmp")
            rows.to_parquet(aside, index=False)
            aside.replace(a.out)
    if len(rows):
        pd.set_option("display.width", 160)
        print(table(rows).to_string(index=False, float_format=lambda v: f"{v:.3f}"))
        print(
            rows.drop_duplicates(["model", "replicate"])
            .groupby("model", sort=False)["cpu"]
            .agg(["count", "mean", "max"])
            .round(2)
            .to_string()
        )


if __name__ == "__main__":
    main()
