"""A GwasData of two traits drawn from a known mixture, and fits of it fabricated in the form of
docs/reference/data_structures.md (no sampler runs here).
"""

import json

import numpy as np
import xarray as xr

from bayesmixer.fingerprint import fingerprint
from bayesmixer.ld.gwas_data import gwas_data_from_arrays
from bayesmixer.pair.chart import overlap
from bayesmixer.pair.derived import quantities
from tests.reporting.fabricate import H_TOTAL, N_REFERENCE, deposit, nodes

TRUTH = {
    "h2": np.array([0.3, 0.25]),
    "pi": np.array([0.004, 0.002]),
    "sigma2_0": np.array([1.05, 1.02]),
    "rho_0": 0.12,
    "u": 0.45,
    "t": 0.3,
}
N = np.array([100_000.0, 60_000.0])
TRAITS = ["height", "asthma"]
EXPLAINING = {"n90": 0.319, "n50": 0.07}


def make_pair_data(m=4000, blocks=250, seed=1, n=N, **truth):
    """GwasData of two traits whose variants are independent given their spectra."""
    rng = np.random.default_rng(seed)
    t = TRUTH | truth
    at = overlap(t["u"], t["t"], *t["pi"])
    beta = np.sqrt(t["h2"] / (t["pi"] * H_TOTAL))
    freq = rng.uniform(0.02, 0.98, m)
    h = 2 * freq * (1 - freq)
    label = np.sort(rng.integers(0, blocks, m))
    shares = [*(t["pi"] - at.pi_shared), at.pi_shared]
    edges = np.cumsum([1 - sum(shares), *shares[:2]])
    zero = np.sqrt(t["sigma2_0"])
    spectrum, z = np.empty((m, len(nodes()))), np.empty((m, 2))
    for j in range(m):
        x = np.append(h[j], rng.uniform(0.05, 0.5, rng.integers(1, 60)) * rng.beta(0.4, 1.2))
        spectrum[j] = deposit(x)
        of = np.searchsorted(edges, rng.random(len(x)))
        a, b = rng.normal(size=(2, len(x)))
        b = at.rho_beta * a + np.sqrt(1 - at.rho_beta**2) * b
        effect = np.stack([a * np.isin(of, (1, 3)), b * np.isin(of, (2, 3))], 1) * beta
        c, d = rng.normal(size=2)
        error = np.array([c, t["rho_0"] * c + np.sqrt(1 - t["rho_0"] ** 2) * d]) * zero
        z[j] = np.sqrt(n) * (np.sqrt(x) @ effect) + error
    data = gwas_data_from_arrays(
        z,
        np.tile(n, (m, 1)),
        spectrum,
        nodes(),
        h,
        weight=np.where(rng.random(m) < 0.1, 0.0, rng.uniform(0.2, 1, m)),
        freq=freq,
        ld_block=label,
        chrom=(1 + label * 22 // blocks).astype(str),
        pos=1 + 2500 * np.arange(m),
        h_total=H_TOTAL,
        n_reference=N_REFERENCE,
        trait=TRAITS,
    )
    data.attrs["chromosomes"] = json.dumps(list(dict.fromkeys(data["chrom"].values.tolist())))
    return data


def make_pair_fit(data, draws=600, seed=0, spread=0.05, ends=(0.0, 0.0), **truth):
    """A fit of `data` as bayesmixer.fit lays it out, its draws about the truth; `ends` shares of
    the draws lie at the least and at complete overlap.
    """
    rng, t = np.random.default_rng(seed), TRUTH | truth
    size = (1, draws)
    noise = rng.normal(0, spread, (9, *size))
    h2 = np.moveaxis(t["h2"][:, None, None] * np.exp(noise[:2]), 0, -1)
    pi = np.moveaxis(t["pi"][:, None, None] * np.exp(2 * noise[2:4]), 0, -1)
    zero = np.moveaxis(t["sigma2_0"][:, None, None] * np.exp(0.2 * noise[4:6]), 0, -1)
    u = np.tanh(np.arctanh(t["u"]) + noise[6])
    place = 1 / (1 + (1 / t["t"] - 1) * np.exp(-6 * noise[7]))
    which = rng.random(size)
    place = np.where(which < ends[0], 0.0, np.where(which > 1 - ends[1], 1.0, place))
    rho_0 = t["rho_0"] + 0.1 * noise[8]
    posterior = pair_posterior(u, place, h2, pi, zero, rho_0)
    estimate = pair_posterior(
        *(np.array([[v]]) for v in (t["u"], t["t"], t["h2"], t["pi"], t["sigma2_0"], t["rho_0"]))
    )
    estimate = estimate.isel(chain=0, draw=0, drop=True)
    estimate.attrs = {
        "log_likelihood": -9990.0,
        "log_posterior": -10000.0,
        "effective_variants": float(data["weight"].sum()),
        "converged": 1,
    }
    tree = xr.DataTree.from_dict(
        {
            "posterior": posterior,
            "estimate": estimate,
            "sample_stats": xr.Dataset(attrs={"pareto_k": 0.12, "effective_draws": 950.0}),
            "constant_data": fingerprint(data),
        }
    )
    tree.attrs = {
        "kind": "fit",
        "traits": json.dumps(TRAITS),
        "model": "bivariate_mixer",
        "prior": "weak",
        "options": json.dumps({"censor": None, "t": None, "univariate": "joint"}),
        "method": "laplace",
        "seed": 11,
        "versions": json.dumps({"bayesmixer": "0.1.0"}),
        "data": json.dumps(
            {k: (v.tolist() if isinstance(v, np.ndarray) else v) for k, v in data.attrs.items()}
        ),
        "command": "bayesmixer fit bivariate height.txt.gz asthma.txt.gz --reference panel.zarr",
        "created": "2026-01-02T03:04:05Z",
        "seconds": 12.3,
    }
    return tree


def pair_posterior(u, t, h2, pi, sigma2_0, rho_0):
    """Posterior variables by their fixed names, of draws (chain, draw) and (chain, draw, trait)."""
    each = []
    for index in np.ndindex(u.shape):
        at = overlap(u[index], t[index], *pi[index])
        found = quantities(
            at, pi[index], h2[index], h_total=H_TOTAL, n_reference=N_REFERENCE,
            explaining=EXPLAINING,
        )  # fmt: skip
        own = {"pi_shared": at.pi_shared, "rho_beta": at.rho_beta, "rg": at.rg, **found}
        each.append({name: np.asarray(value, float) for name, value in own.items()})
    held = {"h2": h2, "pi": pi, "sigma2_0": sigma2_0, "rho_0": rho_0}
    held |= {
        name: np.stack([one[name] for one in each]).reshape(*u.shape, *each[0][name].shape)
        for name in each[0]
    }
    dims = ("chain", "draw", "trait")
    return xr.Dataset(
        {name: (dims[: value.ndim], value) for name, value in held.items()},
        coords={"chain": np.arange(u.shape[0]), "draw": np.arange(u.shape[1]), "trait": TRAITS},
    )


def with_overlap(fit, heights=(-3.0, -0.4, -0.1, -0.3, -0.2, 0.0, -0.5, -1.5)):
    """The fit with a likelihood along overlap of two valleys, as a fit by "laplace" holds it."""
    excess = np.linspace(0, 1, len(heights))
    height = np.array(heights)
    n_max = float(fit["estimate"]["n_causal"].min())
    group = xr.Dataset(
        {
            "excess": ("place", excess),
            "log_likelihood": ("place", 2 * height - 10_000),
            "log_marginal": ("place", 1.6 * height - 10_020),
            "log_marginal_scaled": ("place", height),
            "n_shared": ("place", n_max * (0.3 + 0.7 * excess)),
            "p_beyond_rg": 0.93,
            "log10_bf_beyond_rg": 1.12,
            "score_p_beyond_rg": 0.2,
            "p_less_than_complete": 0.62,
            "log10_bf_less_than_complete": 0.21,
            "score_p_less_than_complete": 0.3,
        },
        attrs={
            "claims": json.dumps(
                {
                    "beyond_rg": "overlap beyond what the genetic correlation requires",
                    "less_than_complete": "overlap is less than complete",
                }
            )
        },
    )
    out = fit.copy()
    out["overlap"] = xr.DataTree(group)
    return out
