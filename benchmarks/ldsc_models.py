"""How often posteriors of LD score regression as models hold the truth, from z of those models.

`python benchmarks/ldsc_models.py` draws 1,000 times a cell z of 32,000 variants, as many as are
independent in a genome, each of weight 1, and asks of every draw what a user of `bm.fit` reads:
the 90% interval of each quantity by the posterior that `fit` returns (`ldsc.evidence`, which takes
nothing from the search; `--check` compares with `bm.fit` itself), whether heritability is claimed,
whether rg is to be read, and Fieller's set of it. `--traits` draws five traits 100 times, samples
their joint posterior by NUTS, and thirty traits twice; `--differences` counts how often
`bm.ldsc.differences` calls what is not there; `--ratio` how often the sets of the attenuation ratio
hold; `--loci` what a few strong loci do to h2; `--cut` where the cut of two steps bends a
polygenic trait, and whether that is said. A table's finished rows are kept.
"""

from __future__ import annotations

import argparse
import time
import warnings
from collections.abc import Callable
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import xarray as xr
from scipy.optimize import minimize
from scipy.special import log_ndtr

import bayesmixer as bm
from bayesmixer.interval import interval
from bayesmixer.io.ld_score_files import LDScores
from bayesmixer.ldsc.evidence import OfPair, evidence
from bayesmixer.ldsc.exposure import exposed
from bayesmixer.ldsc.heritability import CUT, heritability
from bayesmixer.ldsc.model_offers import spread_out
from bayesmixer.ldsc.regression import equal_blocks
from bayesmixer.ldsc.words import POWERED
from bayesmixer.models.common import bound_of

VARIANTS, BLOCKS, M = 32_000, 200, 1.17e6
LOG_LD = (2.87, 0.75)  # mean and standard deviation of the log of LD scores
INTERCEPT = 1.03
DRAWS = 1000
NAMES = {
    1: ["log_h2", "log_intercept"],
    2: [
        *("log_h2[0]", "log_h2[1]", "log_intercept[0]", "log_intercept[1]"),
        *("atanh_rg", "atanh_rho_0"),
    ],
}
Row = dict[str, Any]


def drawn(
    rng: np.random.Generator,
    h2: tuple[float, ...],
    n: float,
    rg: Any = 1.0,
    rho_0: float = 0.0,
    intercept: float = INTERCEPT,
) -> tuple[np.ndarray, np.ndarray]:
    """LD scores (J,) and z (J, k) of traits with genetic correlations `rg`, one or (k, k)."""
    k = len(h2)
    ld = rng.lognormal(*LOG_LD, VARIANTS)
    genetic = np.full((k, k), rg) if np.ndim(rg) == 0 else np.asarray(rg, float)
    noise = np.full((k, k), rho_0)
    np.fill_diagonal(genetic, 1.0)
    np.fill_diagonal(noise, 1.0)
    of = [rng.standard_normal((VARIANTS, k)) @ np.linalg.cholesky(v).T for v in (genetic, noise)]
    return ld, np.sqrt(n * np.array(h2) * ld[:, None] / M) * of[0] + np.sqrt(intercept) * of[1]


def gwas(ld: np.ndarray, z: np.ndarray, n: float) -> xr.Dataset:
    """GwasData of draws."""
    columns = {
        "z": (("variant", "trait"), z),
        "n": (("variant", "trait"), np.full(z.shape, n)),
        "weight": ("variant", np.ones(VARIANTS)),
        "ld_score": ("variant", ld),
        "ld_block": ("variant", np.repeat(np.arange(BLOCKS), VARIANTS // BLOCKS)),
        "snp": ("variant", np.array([f"rs{i}" for i in range(VARIANTS)], object)),
        "chrom": ("variant", np.full(VARIANTS, "1", object)),
        "pos": ("variant", np.arange(VARIANTS)),
        "a1": ("variant", np.full(VARIANTS, "A", object)),
        "a2": ("variant", np.full(VARIANTS, "G", object)),
    }
    traits = [f"trait{i + 1}" for i in range(z.shape[1])]
    return xr.Dataset(columns, {"trait": traits}, {"kind": "gwas_data", "m_5_50": M})


class Posterior:
    """Of one model, its data replaced from draw to draw."""

    def __init__(self, traits: int) -> None:
        rng = np.random.default_rng(0)
        data = gwas(*drawn(rng, (0.3,) * traits, 1e5, 0.5), 1e5)
        make = bm.models.ldsc_h2 if traits == 1 else bm.models.ldsc_rg
        self.traits = traits
        self.bound: Any = bound_of(make(data))
        self.reported = {one.name: one for one in self.bound.card.reported}

    def with_draws(self, ld: np.ndarray, z: np.ndarray, n: float) -> xr.Dataset:
        """The model's data with other draws in them."""
        return self.bound.data.assign(
            z=(("variant", "trait"), z),
            n=(("variant", "trait"), np.full(z.shape, n)),
            ld_score=("variant", ld),
            ld_score_h=(("maf_s", "variant"), ld[None]),
        )

    def of(self, data: xr.Dataset) -> tuple[Any, dict[str, np.ndarray]]:
        """What the data show, and draws of what is reported."""
        found: Any = evidence(replace(self.bound, data=data))
        shape = (1, DRAWS, len(NAMES[self.traits]))
        moved = found.moved(np.zeros(shape), NAMES[self.traits])[0].T
        values = dict(zip(NAMES[self.traits], moved, strict=True))
        if self.traits == 1:
            return found, {f"{v}_1": np.exp(values[f"log_{v}"]) for v in ("h2", "intercept")}
        out = {
            f"{v}_{i + 1}": np.exp(values[f"log_{v}[{i}]"])
            for v, i in product(("h2", "intercept"), (0, 1))
        }
        return found, out | {"rg": np.tanh(values["atanh_rg"])}

    def held(self, draws: dict[str, np.ndarray], truth: dict[str, float]) -> Row:
        """Whether the interval that tables show holds each truth."""
        out: Row = {}
        for name, value in truth.items():
            low, high = interval(draws[name], 0.9, self.reported[name.split("_")[0]].ends)
            out[f"{name}_held"] = low <= value <= high
        return out


def of_one(model: Posterior, rng: np.random.Generator, h2: float, n: float) -> Row:
    """A draw of one trait."""
    ld, z = drawn(rng, (h2,), n)
    found, draws = model.of(model.with_draws(ld, z, n))
    if not found.seen:  # as `ldsc.model_offers.withheld` tells it
        of = found.dataset()
        numbers = (float(of[f"intercept{end}"]) for end in ("", "_se", "_blocks"))
        draws |= {"intercept_1": spread_out(*numbers, DRAWS)}
    out = model.held(draws, {"h2_1": h2, "intercept_1": INTERCEPT})
    if not found.seen:  # an upper limit is shown in place of an interval
        out["h2_1_held"] = h2 <= np.quantile(draws["h2_1"], 0.9)
    return out | {"claimed": found.seen}


def of_two(
    model: Posterior,
    rng: np.random.Generator,
    h2: tuple[float, float],
    n: float,
    rg: float,
    rho_0: float,
) -> Row:
    """A draw of two traits."""
    ld, z = drawn(rng, h2, n, rg, rho_0)
    found, draws = model.of(model.with_draws(ld, z, n))
    assert isinstance(found, OfPair)
    of = found.dataset()  # a weak trait is told of as `ldsc.model_offers.withheld` says
    unseen = np.flatnonzero(of["h2_p"].values > 0.05)
    for k in np.flatnonzero(found.z < POWERED):
        numbers = (float(of[f"intercept{end}"][k]) for end in ("", "_se", "_blocks"))
        draws[f"intercept_{k + 1}"] = spread_out(*numbers, DRAWS)
    truth = {f"h2_{i + 1}": v for i, v in enumerate(h2)} | {"rg": rg}
    out = model.held(draws, truth | {"intercept_1": INTERCEPT, "intercept_2": INTERCEPT})
    for k in unseen:
        out[f"h2_{k + 1}_held"] = h2[k] <= np.quantile(draws[f"h2_{k + 1}"], 0.9)
    low, high = found.rg_set
    finite = all(np.isfinite(v).all() for v in draws.values())
    return out | {
        "powered": found.seen,
        "set_held": low - 1e-9 <= rg <= high + 1e-9,
        "within": finite and bool((np.abs(draws["rg"]) <= 1).all()),
    }


def counted(rows: pd.DataFrame) -> Row:
    """A row of the table."""
    rows = rows.astype(float)
    out: Row = {name: rows[name].mean() for name in rows}
    if "powered" in rows:
        seen = rows["powered"] > 0
        out["rg_held_powered"] = rows.loc[seen, "rg_held"].mean()
        out["set_held_weak"] = rows.loc[~seen, "set_held"].mean()
    return out


def study(out: Path, replicates: int, again: list[int]) -> None:
    """Cells of one trait, and of two; of rows that are there those `again` that are told."""
    cells: list[tuple[Callable[..., Row], int, dict[str, Any]]] = [
        (of_one, 1, {"h2": h2, "n": n}) for h2, n in product((0.0, 0.05, 0.3), (2e4, 1e5))
    ]
    strong = [*product(((0.3, 0.15),), (2e4, 1e5), (0.0, 0.5, 0.95), (0.0, 0.3))]
    weak = [*product(((0.05, 0.05), (0.3, 0.05)), (2e4,), (0.95, 0.5, 0.0), (0.3,))]
    pairs = [*strong[:8], *weak, *strong[8:], ((0.3, 0.0), 1e5, 0.0, 0.3)]
    cells += [(of_two, 2, {"h2": h2, "n": n, "rg": rg, "rho_0": rho}) for h2, n, rg, rho in pairs]
    table: list[Row] = []
    if out.is_file():
        table = pd.read_csv(out, sep="\t").to_dict("records")
    models = {k: Posterior(k) for k in (1, 2)}
    for at, (draw, traits, cell) in enumerate(cells):
        if at < len(table) and at not in again:
            continue
        rng, began = np.random.default_rng([11, at]), time.process_time()
        rows = [draw(models[traits], rng, **cell) for _ in range(replicates)]
        named = cell | {"h2": ", ".join(map(str, np.atleast_1d(cell["h2"])))}
        seconds = (time.process_time() - began) / replicates
        row = {**named, "replicates": replicates, **counted(pd.DataFrame(rows))}
        table[at : at + 1] = [row | {"cpu_seconds": seconds}]
        out.parent.mkdir(parents=True, exist_ok=True)
        pd.DataFrame(table).to_csv(out, sep="\t", index=False, float_format="%.4g")
        print(pd.DataFrame(table[at : at + 1]).to_string(index=False), flush=True)


def check(draws: int = 5) -> None:
    """That `fit` returns this posterior."""
    model = Posterior(2)
    for seed in range(draws):
        ld, z = drawn(np.random.default_rng([12, seed]), (0.3, 0.1), 3e4, 0.5, 0.3)
        data = gwas(ld, z, 3e4)
        fitted = bm.fit(bm.models.ldsc_rg(data), "laplace", progress=False)["posterior"]
        own = model.of(exposed(data))[1]
        print(
            f"rg of fit {float(fitted['rg'].mean()):.3f} ({float(fitted['rg'].std()):.3f})", end=""
        )
        print(f", here {own['rg'].mean():.3f} ({own['rg'].std():.3f})", flush=True)


def tables_of(
    ld: np.ndarray, z: np.ndarray, n: float
) -> tuple[list[pl.DataFrame], LDScores, LDScores]:
    """Drawn traits, LD scores and weights, as `bm.ldsc` takes them."""
    snp = pl.Series([f"rs{i}" for i in range(VARIANTS)])
    m = np.array([M])
    place = np.arange(VARIANTS)
    scores = LDScores(
        snp,
        np.ones(VARIANTS, int),
        place,
        ("L2",),
        ld[:, None],
        {"M_5_50": m, "M": m},
        "drawn",
        (0,),
    )
    ones = replace(scores, values=np.ones((VARIANTS, 1)))
    tables = [pl.DataFrame({"SNP": snp, "A1": "A", "A2": "G", "Z": one, "N": n}) for one in z.T]
    return tables, scores, ones


def results_of(ld: np.ndarray, z: np.ndarray, n: float, n_blocks: int = BLOCKS) -> xr.DataTree:
    """`bm.ldsc.rg` of drawn traits."""
    tables, scores, ones = tables_of(ld, z, n)
    return bm.ldsc.rg(tables, scores, ones, n_blocks=n_blocks)


def traits(out: Path, replicates: int) -> None:
    """Five traits, many times, and thirty twice."""
    import nutpie

    h2 = (0.3, 0.2, 0.1, 0.1, 0.05)
    rg = np.array([[0.8], [0.6], [0.5], [-0.4], [0.3]])
    rg = rg @ rg.T + np.diag(1 - rg[:, 0] ** 2)
    rows: list[Row] = []
    if out.is_file():
        rows = pd.read_csv(out, sep="\t").to_dict("records")
    compiled: Any = None
    upper = np.triu_indices(5, 1)
    for at in range(len(rows), replicates):
        rng, began = np.random.default_rng([13, at]), time.process_time()
        model = bm.models.ldsc_traits(results_of(*drawn(rng, h2, 1e5, rg, 0.1), 1e5))
        if compiled is None:
            compiled = nutpie.compile_pymc_model(model)
        new = {name: model[name].get_value() for name in ("S", "V")}
        found = nutpie.sample(
            compiled.with_data(**new), draws=500, tune=500, chains=2, cores=1, seed=at,
            progress_bar=False,
        )  # fmt: skip
        post = found["posterior"].to_dataset()
        draws = post["rg"].values.reshape(-1, 5, 5)[:, *upper]
        low, high = np.quantile(draws, [0.05, 0.95], axis=0)
        matrix = post["gencov"].values.reshape(-1, 5, 5)
        held = (low <= rg[upper]) & (rg[upper] <= high)
        of_h2 = np.quantile(post["h2"].values.reshape(-1, 5), [0.05, 0.95], axis=0)
        rows.append(
            {
                "replicate": at,
                "rg_held": held.mean(),
                "h2_held": ((of_h2[0] <= h2) & (h2 <= of_h2[1])).mean(),
                "width": (high - low).mean(),
                "least_eigenvalue": np.linalg.eigvalsh(matrix).min(),
                "powered": model["powered"].get_value().mean(),
                "divergences": int(found["sample_stats"]["diverging"].sum()),
                "cpu_seconds": time.process_time() - began,
            }
        )
        pd.DataFrame(rows).to_csv(out, sep="\t", index=False, float_format="%.4g")
    print(pd.DataFrame(rows).describe().loc[["mean", "min"]].to_string(), flush=True)
    for seed in (14, 15):
        thirty(seed)


def thirty(seed: int) -> None:
    """Thirty traits, five of them without heritability, once."""
    import pymc as pm

    rng, began = np.random.default_rng(seed), time.process_time()
    load = rng.uniform(-0.8, 0.8, (30, 2)) / np.sqrt(2)
    rg = load @ load.T
    np.fill_diagonal(rg, 1.0)
    h2 = tuple(np.where(np.arange(30) % 6 == 5, 0.0, rng.uniform(0.05, 0.4, 30)))
    model = bm.models.ldsc_traits(results_of(*drawn(rng, h2, 1e5, rg, 0.1), 1e5, 2000))
    with model:
        post = pm.sample(
            300, tune=500, chains=1, cores=1, nuts_sampler="nutpie", random_seed=1,
            progressbar=False,
        )["posterior"].to_dataset()  # fmt: skip
    draws = post["rg"].values.reshape(-1, 30, 30)
    powered = model["powered"].get_value().astype(bool)
    both = np.outer(powered, powered)[np.triu_indices(30, 1)]
    low, high = np.quantile(draws[:, *np.triu_indices(30, 1)], [0.05, 0.95], axis=0)
    truth = rg[np.triu_indices(30, 1)]
    held = (low <= truth) & (truth <= high)
    gencov = post["gencov"].values.reshape(-1, 30, 30)
    print(
        f"30 traits, {powered.sum()} powered: least eigenvalue "
        f"{np.linalg.eigvalsh(gencov).min():.2g}, rg held {held[both].mean():.3f} of powered pairs "
        f"(width {(high - low)[both].mean():.2f})"
        f", {held[~both].mean():.3f} of others (width {(high - low)[~both].mean():.2f}), "
        f"{time.process_time() - began:.0f} CPU s"
    )


def differences(out: Path, replicates: int) -> None:
    """How often differences that are not there are called at 5% and 1%: of rg from 1, of two rg, of
    two heritabilities; powered, and weak.
    """
    rg = np.full((4, 4), 0.5)
    rg[0, 1] = rg[1, 0] = 1 - 1e-9
    table = []
    for n, h2 in ((1e5, (0.3, 0.2, 0.1, 0.1)), (2e4, (0.3, 0.2, 0.05, 0.05))):
        rng = np.random.default_rng([16, int(n)])
        p: dict[str, list[float]] = {"rg of 1": [], "two rg": [], "two h2": []}
        for _ in range(replicates):
            found = results_of(*drawn(rng, h2, n, rg, 0.2), n)
            names = [str(t) for t in found["estimate"].to_dataset()["trait"].values]
            pair = [(names[i], names[j]) for i, j in ((0, 1), (0, 2), (0, 3))]
            one = bm.ldsc.differences(found, of=pair[:1])
            p["rg of 1"].append(one.loc[one["second"] == "1", "p"].iloc[0])
            two = bm.ldsc.differences(found, of=pair[1:])
            p["two rg"].append(two["p"].iloc[-1])
            h = bm.ldsc.differences(found, "h2", of=names[2:])
            p["two h2"].append(h["p"].iloc[-1])
        for name, values in p.items():
            v = np.array(values)
            table.append(
                {
                    "difference": name,
                    "n": n,
                    "h2": ", ".join(map(str, h2)),
                    "replicates": replicates,
                    "p below 0.05": np.nanmean(v < 0.05),
                    "p below 0.01": np.nanmean(v < 0.01),
                    "nan": np.isnan(v).mean(),
                }
            )
        pd.DataFrame(table).to_csv(out, sep="\t", index=False, float_format="%.4g")
    print(pd.DataFrame(table).to_string(index=False))


def ratios(out: Path, replicates: int) -> None:
    """How often intervals of the attenuation ratio hold: Fieller's set of the regression, the
    ratio's standard error as LDSC has it, and the posterior where heritability is seen.
    """
    table, model = [], Posterior(1)
    cells = [*product((0.0, 0.05, 0.3), (2e4, 1e5), (1.03,)), (0.05, 2e4, 1.0), (0.3, 1e5, 1.0)]
    cells += [(0.01, 2e4, 1.0), (0.1, 2e4, 0.98)]
    for at, (h2, n, b) in enumerate(cells):
        rng, rows = np.random.default_rng([17, at]), []
        for _ in range(replicates):
            ld, z = drawn(rng, (h2,), n, intercept=b)
            rows.append(_of_ratio(model, ld, z, h2 * n * ld.mean() / M, n, b - 1))
        found = pd.DataFrame(rows).astype(float)
        table.append({"h2": h2, "n": n, "intercept": b, "replicates": replicates})
        table[-1] |= {name: found[name].mean() for name in found}
        pd.DataFrame(table).to_csv(out, sep="\t", index=False, float_format="%.4g")
        print(pd.DataFrame(table[-1:]).to_string(index=False), flush=True)


def _of_ratio(
    model: Posterior, ld: np.ndarray, z: np.ndarray, explained: float, n: float, above: float
) -> Row:
    """A draw: mean chi-squared is 1 + `explained` + `above`."""
    truth, size = above / (above + explained), np.full(VARIANTS, n)
    edges = equal_blocks(VARIANTS, BLOCKS)
    fit = heritability(
        z[:, 0] ** 2, ld[:, None], np.ones(VARIANTS), size, np.array([M]), two_step=CUT, edges=edges
    )
    (value, error), (low, high) = fit.ratio, fit.ratio_set()
    found, draws = model.of(model.with_draws(ld, z, n))
    over = draws["intercept_1"] - 1
    ratio = over / (over + draws["h2_1"] * n * ld.mean() / M)
    ends = np.quantile(ratio, [0.05, 0.95])
    return {
        "by_error_held": abs(value - truth) <= 1.645 * error,
        "set_held": low <= truth <= high,
        "unbounded": np.isinf(low),
        "set_width": high - low if np.isfinite(low) else np.nan,
        "seen": found.seen,
        "posterior_held": ends[0] <= truth <= ends[1] if found.seen else np.nan,
        "posterior_width": ends[1] - ends[0] if found.seen else np.nan,
    }


def loci(out: Path, replicates: int) -> None:
    """h2 and intercept where a few loci are far stronger than the rest: of the regression in two
    steps and in one, without them, and of the model that counts each only as exceeding a |z|.
    """
    table = []
    for strong, n in product((0, 30), (1e5, 5e5)):
        rng, rows = np.random.default_rng([18, strong, int(n)]), []
        for _ in range(replicates):
            ld, z = drawn(rng, (0.15,), n)
            at = rng.choice(VARIANTS, strong, replace=False)
            z[at, 0] += np.sqrt(0.0015 * n) * rng.choice([-1, 1], strong)  # 0.15% of the variance
            rows.append(_of_loci(ld, z[:, 0], n))
        found = pd.DataFrame(rows)
        cell = {"loci": strong, "n": n, "replicates": replicates}
        middle = {name: found[name].mean() for name in found}
        table.append(cell | middle | {f"{name}_sd": found[name].std() for name in found})
        pd.DataFrame(table).to_csv(out, sep="\t", index=False, float_format="%.4g")
        print(pd.DataFrame(table[-1:]).T.to_string(), flush=True)


def _of_loci(ld: np.ndarray, z: np.ndarray, n: float) -> Row:
    """Estimates of a draw."""
    out: Row = {}
    chi2, size, few = z**2, np.full(VARIANTS, n), z**2 < CUT
    for name, rows, step in (("two", ..., CUT), ("one", ..., None), ("without", few, None)):
        x = ld[:, None][rows]
        fit = heritability(
            chi2[rows],
            x,
            np.ones(len(x)),
            size[rows],
            np.array([M]),
            two_step=step,
            n_blocks=BLOCKS,
        )
        out |= {f"h2_{name}": float(fit.total.value[0]), f"intercept_{name}": fit.fit.at}

    def surprise(point: np.ndarray) -> float:
        """Of `ldsc_h2(data, prior="flat", censor=sqrt(CUT))`, by h2 and intercept."""
        v = np.maximum(point[1] + point[0] * n * ld / M, 1e-3)
        beyond = np.log(2) + log_ndtr(-np.sqrt(CUT / v[~few]))
        return float(0.5 * (np.log(v[few]) + chi2[few] / v[few]).sum() - beyond.sum())

    start = np.array([max(out["h2_without"], 0.01), out["intercept_without"]])
    best = minimize(surprise, start, method="Nelder-Mead", options={"xatol": 1e-5, "fatol": 1e-4})
    return out | {"h2_censored": best.x[0], "intercept_censored": best.x[1]}


def cut(out: Path, replicates: int) -> None:
    """h2 and intercept in two steps and in one of polygenic traits, of those with a few loci, and
    of those of which few variants are causal, and what is said of it; rg of two polygenic traits.
    """
    plain = [(0.0, 1e5), (0.3, 2e4), (0.05, 5e5), (0.15, 1e5), (0.3, 1e5), (0.5, 1e5)]
    cells: list[Row] = [{"h2": h2, "n": n} for h2, n in plain]
    cells += [{"h2": h2, "n": n} for h2, n in ((0.15, 5e5), (0.3, 3e5), (0.5, 7e5))]
    cells += [{"h2": 0.15, "n": n, "loci": k} for n, k in ((1e5, 30), (5e5, 30), (5e5, 5))]
    cells += [{"h2": 0.15, "n": n, "causal": p} for n, p in ((1e5, 3e-3), (5e5, 3e-3), (5e5, 3e-4))]
    cells += [
        {"h2": h2, "n": n, "pair": True}
        for h2, n in (((0.15, 0.15), 5e5), ((0.5, 0.5), 7e5), ((0.5, 0.1), 5e5))
    ]
    table = []
    for at, cell in enumerate(cells):
        rng, pair = np.random.default_rng([19, at]), cell.pop("pair", False)
        draw = _of_cut_of_two if pair else _of_cut
        found = pd.DataFrame([draw(rng, **cell) for _ in range(replicates)]).astype(float)
        named = cell | {"h2": ", ".join(map(str, np.atleast_1d(cell["h2"])))}
        row = {"loci": 0, "causal": 1.0, **named, "replicates": replicates}
        table.append(row | {name: found[name].mean() for name in found})
        pd.DataFrame(table).to_csv(out, sep="\t", index=False, float_format="%.4g")
        print(pd.DataFrame(table[-1:]).to_string(index=False), flush=True)


def _of_cut(
    rng: np.random.Generator, h2: float, n: float, loci: int = 0, causal: float = 1.0
) -> Row:
    """A draw of one trait."""
    ld, z = drawn(rng, (h2,), n)
    if causal < 1:  # a variant tags as many causal ones as its LD score has of all
        tagged = rng.poisson(ld * causal)[:, None]
        z = np.sqrt(n * h2 / (M * causal) * tagged) * rng.standard_normal(z.shape)
        z += np.sqrt(INTERCEPT) * rng.standard_normal(z.shape)
    at = rng.choice(VARIANTS, loci, replace=False)
    z[at, 0] += np.sqrt(0.0015 * n) * rng.choice([-1, 1], loci)  # 0.15% of the variance
    (trait,), scores, ones = tables_of(ld, z, n)
    out: Row = {}
    for name, step in (("two", 30), ("one", None), ("auto", "auto")):
        found = bm.ldsc.h2(trait, scores, ones, two_step=step)
        estimate = found["estimate"].to_dataset()
        for what in ("h2", "h2_se", "intercept"):
            out[f"{what}_{name}"] = float(estimate[what])
        out[f"said_bent_{name}"] = "no few loci" in found.attrs["said"]
        out[f"said_loci_{name}"] = "a few loci hold" in found.attrs["said"]
    return out


def _of_cut_of_two(rng: np.random.Generator, h2: tuple[float, float], n: float) -> Row:
    """A draw of two traits of rg 0.5 whose samples are shared."""
    tables, scores, ones = tables_of(*drawn(rng, h2, n, 0.5, 0.3), n)
    out: Row = {}
    for name, step in (("two", 30), ("one", None), ("auto", "auto")):
        found = bm.ldsc.rg(tables, scores, ones, two_step=step)
        estimate = found["estimate"].to_dataset()
        out |= {f"{v}_{name}": float(estimate[v][0, 1]) for v in ("rg", "rg_se")}
        out[f"said_bent_{name}"] = "and rg with it" in found.attrs["said"]
    return out


def main() -> None:
    """Draw, count, write and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--replicates", type=int)
    parser.add_argument("--traits", action="store_true")
    parser.add_argument("--differences", action="store_true")
    parser.add_argument("--again", type=int, nargs="*", default=[], help="rows to draw anew")
    parser.add_argument("--ratio", action="store_true")
    parser.add_argument("--loci", action="store_true")
    parser.add_argument("--cut", action="store_true")
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    warnings.simplefilter("ignore", bm.DataWarning)
    folder = Path("benchmarks/results")
    if given.check:
        check()
    elif given.cut:
        cut(given.out or folder / "ldsc_cut.tsv", given.replicates or 200)
    elif given.loci:
        loci(given.out or folder / "ldsc_loci.tsv", given.replicates or 200)
    elif given.ratio:
        ratios(given.out or folder / "ldsc_ratio.tsv", given.replicates or 1000)
    elif given.differences:
        differences(given.out or folder / "ldsc_differences.tsv", given.replicates or 400)
    elif given.traits:
        traits(given.out or folder / "ldsc_models_traits.tsv", given.replicates or 100)
    else:
        study(given.out or folder / "ldsc_models.tsv", given.replicates or 1000, given.again)


if __name__ == "__main__":
    main()
