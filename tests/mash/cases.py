"""Recorded cases of mashr as effects, covariances and weights of ours."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

import bayesmixer as bm
from bayesmixer.mash.canonical_covariances import canonical

Array = NDArray[np.float64]
Held = dict[str, Any]

PLAIN = ("a01", "a02", "a08", "a17_commonV", "a17_commonV_commonS", "a17_effectV", "a18")
VARIANTS = ("a01_grid2", "a01_nopointmass", "a01_nullweight1", "a01_uniform")
BASELINE = {
    "a11_ref5": 4, "a11_ref1": 0, "a11_refmean": "mean", "a11_hetero": 4,
    "a11_strong_ref5": 4, "a11_strong_refmean": "mean",
}  # fmt: skip
ALPHA = {"a16_alpha0": 0.0, "a16_alpha0.5": 0.5, "a16_alpha1": 1.0, "a17_effectV_alpha1": 1.0}
ONE_CONDITION = ("a19_R1",)
MISSING = ("a14", "a14_se1000", "a14_alpha1")
CONTRASTS = ("a12", "a12_alpha1")
GTEX = ("gtex", "gtex_published_prior")
OTHERS = ("a16_df", "a16_zonly")
ALL = (*PLAIN, *VARIANTS, *BASELINE, *ALPHA, *ONE_CONDITION, *MISSING, *CONTRASTS, *GTEX, *OTHERS)


ROWS = (
    "posterior_mean", "posterior_sd", "lfsr", "lfdr", "negative_prob", "vloglik", "log10bf",
    "posterior_cov20",
)  # fmt: skip


@dataclass(frozen=True)
class Case:
    """Effects, covariances, scales, weights and Dirichlet parameters; what mashr made of them."""

    effects: xr.Dataset
    u: Array
    held: Held
    contrasts: Array | None = None

    @property
    def given(self) -> xr.DataTree:
        """mashr's own mixture."""
        return bm.mash.given(self.u, self.held["grid"], self.held["pi"], self.point_mass)

    @property
    def point_mass(self) -> bool:
        """Whether mashr had one."""
        return bool(self.held.get("usepointmass", [1])[0])


@cache
def held(folder: Path, name: str) -> Held:
    """Arrays of a recorded case."""
    with np.load(folder / f"{name}.npz") as file:
        return dict(file)


def canonical_of(r: int) -> Array:
    """Canonical covariances of r conditions."""
    return np.array([*canonical([str(i) for i in range(r)]).values()])


def under(prefix: str, found: Held) -> Held:
    """Arrays whose names begin with a prefix, over those of the same names without it."""
    own = {name.removeprefix(prefix): x for name, x in found.items() if name.startswith(prefix)}
    shared = {name: found[name] for name in ("U", "A", "missing") if name in found}
    return shared | own


@cache
def case(folder: Path, name: str) -> Case:
    """A case by its name."""
    stem = name.removesuffix("_se1000") if name.startswith("a14") else name
    stem = stem.removesuffix("_alpha1") if name in (*MISSING, *CONTRASTS) else stem
    found = held(folder, stem)
    if name in BASELINE:
        effects = bm.read_effects(found["Chat"], found["Chat_se"], baseline=BASELINE[name])
        return Case(effects, found["U"], found)
    if name in VARIANTS:
        data = held(folder, "a01")
        return Case(bm.read_effects(data["Bhat"], data["Shat"]), found["U"], found)
    if name in ONE_CONDITION:
        effects = bm.read_effects(found["betahat"], found["sebetahat"])
        lines = ("posterior_mean", "posterior_sd", "lfsr", "lfdr", "negative_prob")
        columns = {line: found[line].reshape(-1, 1) for line in lines}
        return Case(effects, np.ones((1, 1, 1)), found | columns)
    if name in CONTRASTS:
        alpha = float(name == "a12_alpha1")
        own = under("alpha1_", found) if alpha else found
        effects = bm.read_effects(own["Bhat"], own["Shat"], alpha=alpha)
        return Case(effects, found["U"], own, found["A"])
    if name in MISSING:
        return _missing(found, name)
    if name in GTEX:
        z = held(folder, "gtex")["z"]
        learned = found["U_ed"] if name == "gtex" else found["U_dd"]
        u = np.concatenate([canonical_of(44), learned / _largest(learned)])
        if name == "gtex_published_prior":
            e = canonical_of(44)
            u = np.concatenate([e[:1], learned, e[1:46]])
        return Case(bm.read_effects(z=z), u, found)
    if name == "a16_df":
        effects = bm.read_effects(found["Bhat_input"], found["Shat_input"], df=found["df"])
        return Case(effects, found["U"], found)
    if name == "a16_zonly":
        data = held(folder, "a16_alpha0")
        effects = bm.read_effects(z=data["Bhat"] / data["Shat"])
        return Case(effects, canonical_of(5), found)
    effects = bm.read_effects(
        found.get("Bhat_input", found["Bhat"]),
        found.get("Shat_input", found["Shat"]),
        v=found.get("V"),
        alpha=ALPHA.get(name, 0),
    )
    return Case(effects, found["U"], found)


def _largest(u: Array) -> Array:
    largest: Array = np.einsum("krr->kr", u).max(1)[:, None, None]
    return largest


def _missing(found: Held, name: str) -> Case:
    """Cells that are missing: left out, or by the user's own large standard errors."""
    b, s, gone = found["Bhat_full"], found["Shat_full"], found["missing"].astype(bool)
    if name == "a14_se1000":
        effects = bm.read_effects(np.where(gone, 0, b), np.where(gone, 1000.0, s))
        return Case(effects, found["U"], under("se1000_", found))
    alpha = float(name == "a14_alpha1")
    own = dict(under("alpha1_", found) if alpha else found)
    some = ~gone.all(1)  # one effect has no value, which we refuse and which says nothing
    b_seen, s_seen = np.where(gone, np.nan, b)[some], np.where(gone, np.nan, s)[some]
    effects = bm.read_effects(b_seen, s_seen, alpha=alpha)
    # mashr counts each missing cell as an effect 0 of standard error 1e6
    counted = gone.sum(1) * (np.log(1e6) + 0.5 * np.log(2 * np.pi))
    own["vloglik"] = own["vloglik"] + counted
    for total in {"loglik", "penalised_loglik"} & set(own):
        own[total] = own[total] + counted.sum()
    return Case(
        effects, found["U"], {n: x[some[: len(x)]] if n in ROWS else x for n, x in own.items()}
    )
