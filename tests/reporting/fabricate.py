"""A GwasData drawn from a known model, and fits fabricated in the form of
docs/reference/data_structures.md (no sampler runs here).
"""

import json

import numpy as np
import xarray as xr

from bayesmixer.fingerprint import fingerprint
from bayesmixer.ld.gwas_data import gwas_data_from_arrays

X0, K = 3e-3, 24
TRUTH = {"h2": 0.3, "pi": 0.003, "sigma2_0": 1.05}
OPTIONS = {
    "univariate_mixer": {"censor": None, "likelihood": "exact"},
    "two_component_mixer": {"censor": None},
    "infinitesimal": {},
}
N_GWAS, N_REFERENCE, H_TOTAL = 100_000.0, 400_000, 128_000.0


def nodes(k=K):
    """Chebyshev-Lobatto nodes in log(x + X0) on [0, 1/2], descending."""
    low, high = np.log(X0), np.log(0.5 + X0)
    return np.maximum(
        np.exp(low + (high - low) * (np.cos(np.pi * np.arange(k) / (k - 1)) + 1) / 2) - X0, 0
    )


def deposit(x, k=K):
    """Spectrum (node,) of partner strengths x: barycentric weights of each, times x."""
    low, high = np.log(X0), np.log(0.5 + X0)
    v = 2 * (np.log(x + X0) - low) / (high - low) - 1
    w = (-1.0) ** np.arange(k)
    w[[0, -1]] /= 2
    d = v[:, None] - np.cos(np.pi * np.arange(k) / (k - 1))
    q = w / np.where(np.abs(d) < 1e-14, 1e-14, d)
    return x @ (q / q.sum(1, keepdims=True))


def make_data(m=4000, blocks=250, chromosomes=6, seed=1, **kwargs):
    """GwasData whose variants are independent given their spectra; partners drawn with rich and
    poor neighbourhoods.
    """
    rng = np.random.default_rng(seed)
    freq = rng.uniform(0.02, 0.98, m)
    h = 2 * freq * (1 - freq)
    label = np.sort(rng.integers(0, blocks, m))
    chrom = (1 + label * chromosomes // blocks).astype(str)
    beta_sd = np.sqrt(TRUTH["h2"] / (TRUTH["pi"] * H_TOTAL))
    spectrum, z = np.empty((m, K)), np.empty(m)
    for j in range(m):
        x = np.concatenate(
            [[h[j]], rng.uniform(0.05, 0.5, rng.integers(1, 60)) * rng.beta(0.4, 1.2, 1)]
        )
        spectrum[j] = deposit(x)
        z[j] = np.sum(
            np.sqrt(N_GWAS * x)
            * rng.normal(0, beta_sd, len(x))
            * (rng.random(len(x)) < TRUTH["pi"])
        ) + rng.normal(0, np.sqrt(TRUTH["sigma2_0"]))
    options = {
        "weight": np.where(rng.random(m) < 0.1, 0.0, rng.uniform(0.2, 1, m)),
        "freq": freq,
        "ld_block": label,
        "chrom": chrom,
        "pos": 1 + 2500 * np.arange(m),
        "h_total": H_TOTAL,
        "n_reference": N_REFERENCE,
        "trait": "height",
        **kwargs,
    }
    data = gwas_data_from_arrays(z, N_GWAS, spectrum, nodes(), h, **options)
    sumstats = {
        "trait": "height",
        "source": "height.txt.gz",
        "sha256": "ab" * 32,
        "format": "gwas_ssf",
        "build": "GRCh37",
        "rows_read": 12345,
        "rows_kept": 11111,
        "filters": json.dumps({"duplicate": 1000, "ambiguous_alleles": 234}),
        "n_definition": "column N",
    }
    reference = {
        "samples": 503,
        "window": "ld_blocks",
        "r2_rule": "unbiased",
        "r2_cutoff": 0.05,
        "sources": json.dumps({"21": {"panel.bed": "cd" * 32}}),
    }
    data.attrs.update(
        weights="random pruning, r2 < 0.1, 64 iterations",
        seed=7,
        chromosomes=json.dumps(list(dict.fromkeys(chrom.tolist()))),
        sumstats=json.dumps([sumstats]),
        reference=json.dumps(reference),
        filters=json.dumps({"not_in_reference": 77}),
        overlap=json.dumps(
            {
                "variants": m,
                "one_chromosome": False,
                "traits": [{"matched_by": "id", "swapped": 31}],
                "warnings": ["positions <differ>"] if chromosomes < 22 else [],
            }
        ),
    )
    return data


def make_fit(
    data, model="univariate_mixer", method="laplace", draws=1000, seed=0, spread=0.03, **attrs
):
    """A fit of `data` as bayesmixer.fit lays it out, its posterior normal around the truth on the
    free scale.
    """
    rng = np.random.default_rng(seed)
    chains = 4 if method in ("nuts", "smc") else 1
    draws = 1 if method == "map" else draws
    shape, h_total = (chains, draws), float(np.ravel(data.attrs["h_total"])[0])
    noise = rng.normal(0, spread, (3, *shape))
    h2, sigma2_0 = TRUTH["h2"] * np.exp(noise[0]), TRUTH["sigma2_0"] * np.exp(0.2 * noise[2])
    two = ("chain", "draw")
    posterior = xr.Dataset(
        {"h2": (two, h2), "sigma2_0": (two, sigma2_0)},
        coords={"chain": np.arange(chains), "draw": np.arange(draws)},
    )
    logit_pi = np.log(TRUTH["pi"]) + 3 * noise[1]
    pi = 1 / (1 + np.exp(-logit_pi))
    if model == "univariate_mixer":
        posterior = posterior.assign(
            pi=(two, pi),
            sigma2_beta=(two, h2 / (pi * h_total)),
            n_causal=(two, N_REFERENCE * pi),
            n90=(two, N_REFERENCE * pi * 0.319),
        )
    elif model == "two_component_mixer":
        # as the model has it: pi of both is what logit_pi stands for
        both = pi[..., None] * np.array([20, 1]) / 21
        share_large = 0.3 / (0.3 + 0.7 * np.exp(-noise[2]))
        share = h2[..., None] * np.stack([1 - share_large, share_large], axis=-1)
        posterior = posterior.assign_coords(component=["small", "large"]).assign(
            pi=((*two, "component"), both),
            share_large=(two, share_large),
            sigma2_beta=((*two, "component"), share / (both * h_total)),
            n_causal=(two, N_REFERENCE * both.sum(-1)),
            n90=(two, 9_000 * pi),
        )
    else:
        posterior = posterior.assign(sigma2_beta=(two, h2 / h_total))
    blocks = int(data["ld_block"].max()) + 1
    direction = rng.normal(size=(3, blocks)) / np.sqrt(blocks)
    direction -= direction.mean(axis=1, keepdims=True)
    by_block = np.einsum(
        "icd,ib->cdb", noise / spread**2 * np.array([spread] * 3)[:, None, None], direction
    )
    estimate = posterior.mean(("chain", "draw"))
    if model != "infinitesimal":
        estimate = estimate.assign(
            optimum_log_posterior=("start", np.array([-5000.0, -5000.0, -5012.0])),
            optimum=(
                ("start", "parameter"),
                np.array([[-1.2, -5.8, 0.05], [-1.2, -5.8, 0.05], [-1.4, -1.0, 0.07]]),
            ),
            optimum_converged=("start", np.array([True, True, False])),
            optimum_evaluations=("start", np.array([21, 30, 44])),
        ).assign_coords(parameter=["log_h2", "logit_pi", "log_sigma2_0"])
        if model == "univariate_mixer":
            grid = np.geomspace(1e-4, 1, 25)
            estimate = estimate.assign(
                profile_pi=("profile", grid),
                profile_log_likelihood=("profile", -5000 - 6 * np.log(grid / TRUTH["pi"]) ** 2),
            )
    estimate.attrs = {
        "log_likelihood": -4990.0,
        "log_posterior": -5000.0,
        "aic": 9986.0,
        "bic": 10008.0,
        "log_likelihood_infinitesimal": -5048.0,
        "aic_infinitesimal": 10100.0,
        "bic_infinitesimal": 10115.0,
        "n_parameters": 3,
        "effective_variants": float(data["weight"].sum()),
        "converged": 1,
        "gradient_evaluations": 42,
    }
    stats = xr.Dataset()
    if method == "laplace":
        stats = xr.Dataset(
            {"log_weight": (two, rng.normal(0, 0.2, shape))},
            attrs={"pareto_k": 0.12, "effective_draws": 950.0},
        )
    elif method == "nuts":
        stats = xr.Dataset({"diverging": (two, np.zeros(shape, bool))})
    free = {"log_h2": (two, np.log(h2)), "log_sigma2_0": (two, np.log(sigma2_0))}
    if model != "infinitesimal":
        free["logit_pi"] = (two, logit_pi)
    if model == "two_component_mixer":
        free["logit_share_large"] = (two, np.log(0.3 / 0.7) + noise[2])
        free["log_pi_ratio"] = (two, np.full(shape, np.log(20)))
    if model != "two_component_mixer":
        names = ["log_h2", "logit_pi", "log_sigma2_0"] if "logit_pi" in free else list(free)
        mode = np.array([free[name][1].mean() for name in names])
        estimate = estimate.assign(mode=("parameter", mode)).assign_coords(parameter=names)
    tree = xr.DataTree.from_dict(
        {
            "posterior": posterior,
            "unconstrained_posterior": xr.Dataset(free),
            "log_likelihood": xr.Dataset({"z": (("chain", "draw", "ld_block"), by_block)}),
            "estimate": estimate,
            "sample_stats": stats,
            "constant_data": fingerprint(data.isel(trait=[0])),
        }
    )
    tree.attrs = {
        "kind": "fit",
        "trait": str(data["trait"].values[0]),
        "model": model,
        "prior": "weak",
        "options": json.dumps(OPTIONS[model]),
        "method": method,
        "seed": 11,
        "versions": json.dumps({"bayesmixer": "0.1.0", "pymc": "6.4.0"}),
        "data": json.dumps(
            {k: (v.tolist() if isinstance(v, np.ndarray) else v) for k, v in data.attrs.items()}
        ),
        "command": "bayesmixer fit univariate height.txt.gz --reference panel.zarr --out height.nc",
        "created": "2026-01-02T03:04:05Z",
        "warnings": json.dumps(["sample sizes <differ> & so on"]),
        "seconds": 12.3,
        **attrs,
    }
    if method == "map":
        for group in ("posterior", "unconstrained_posterior", "log_likelihood", "sample_stats"):
            del tree[group]
    return tree
