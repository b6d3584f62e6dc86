"""Bivariate MiXeR: of two traits a variant is causal for neither, the first, the second or both,
and the two effects of a shared one correlate.

    (beta_1, beta_2) ~ pi1u N(0, diag(s1, 0)) + pi2u N(0, diag(0, s2))
                       + pi12 N(0, [[s1, rho_beta sqrt(s1 s2)], [., s2]]) + the rest exactly 0

and z_j = sqrt(N_j) sum_i sqrt(H_i) r_ij beta_i + e_j for both traits, e_j ~ N(0, Sigma_0) (Frei et
al. 2019, eq. 1-6). Overlap has the coordinates of bayesmixer/pair/chart.py, in which every
constraint holds: u, the genetic correlation as a part of the possible, and t, from the least
overlap that rg requires (0) to complete overlap (1).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import pymc as pm
import pytensor.tensor as pt
import xarray as xr

from bayesmixer.bound import Bound
from bayesmixer.errors import InputError
from bayesmixer.identity import trait_names
from bayesmixer.mixer.derived import n90_fraction
from bayesmixer.mixer.laid_out import h_total
from bayesmixer.models.common import (
    censoring_point,
    coords,
    free,
    in_one_line,
    remember,
    two_traits,
)
from bayesmixer.models.own import evaluable
from bayesmixer.ops.pair import PairLogLik
from bayesmixer.pair.cards import (
    ATANH_RHO_0,
    ATANH_U,
    BIVARIATE,
    LOG_H2,
    LOG_SIGMA2_0,
    LOGIT_PI_DIFFERENCE,
    LOGIT_PI_MEAN,
    LOGIT_T,
)
from bayesmixer.pair.chart import MOST_RHO_0, overlap, polygenicities
from bayesmixer.pair.derived import quantities
from bayesmixer.pair.laid_out import pair_data
from bayesmixer.pair.univariate import held_values
from bayesmixer.variables import evaluated


@in_one_line
def bivariate_mixer(
    data: xr.Dataset,
    prior: str | Mapping[str, Any] = "weak",
    censor: float | None = None,
    t: float | None = None,
    univariate: str | Mapping[str, Sequence[float]] | Sequence[xr.DataTree] = "joint",
) -> pm.Model:
    """Bivariate MiXeR of two traits.

    Parameters
    ----------
    data
        GwasData of two traits (dims maf_s=1, variant, trait=2, node), from `align`; with
        join="outer" a variant seen in one trait tells of that one. One set of weights serves both.
    prior
        "weak" (default; docs/reference/models.md says what it means), "flat" (the MAP is then the
        maximum-likelihood estimate), or one's own, as in `univariate_mixer`.
    censor
        |z| beyond which a variant only counts as exceeding it, in either trait (Frei et al. 2019,
        eq. 7).
    t
        Overlap held at a place between the least that rg requires (0: nothing shared beyond it) and
        complete overlap (1); None (default) estimates it.
    univariate
        "joint" (default): all nine parameters are estimated together. "fixed": h2, pi and sigma2_0
        of each trait are those of its own univariate maximum-likelihood fit, so that a trait's
        totals are the same in every pair; or two univariate fits, or {"h2": [.., ..], "pi": ..,
        "sigma2_0": ..}, to hold them at theirs.

    Returns
    -------
    pymc.Model
        Free: `log_h2`, `log_sigma2_0` (dim trait), `logit_pi_mean`, `logit_pi_difference` (unless
        held), `atanh_u`, `logit_t` (unless held), `atanh_rho_0`. Deterministic, dim trait: `h2`,
        `pi`, `sigma2_0`, `sigma2_beta`, `n_causal`, `n90`, `n50`, `n_unique`, `n90_unique`,
        `n90_shared`, `pi_unique`; scalars: `pi_shared`, `n_shared`, `rho_beta`, `rg`, `rg_max`,
        `rho_0`, `dice`, `jaccard`, `fraction_concordant`, `n_concordant`, `n_discordant`,
        `pi_shared_min`, `n_expected_overlap`. The potential `z` is the weighted log-likelihood, dim
        ld_block.

    Raises
    ------
    InputError
        `data` is not GwasData of two traits and one S, z of one trait is that of the other (their
        correlation beyond 0.995, where rho_0 ends), `prior` is unknown, `t` is outside 0 to 1, or
        `univariate` is none of these.

    References
    ----------
    Frei et al. 2019, Nature Communications 10:2417.
    """
    data = two_traits(data, "bivariate_mixer")
    _refuse_one_gwas(data)
    censor = censoring_point(censor)
    if t is not None and not (isinstance(t, (int, float, np.number)) and 0 <= t <= 1):
        raise InputError("t", f"{t!r}, expected a number from 0 to 1, or None")
    held = held_values(univariate, data, censor)
    m = float(data.attrs["n_reference"])
    explaining = {"n90": n90_fraction(data), "n50": n90_fraction(data, part=0.5)}
    with pm.Model(coords=coords(data, trait=trait_names(data) or [0, 1]), model=None) as model:
        if held is None:
            log_h2 = free(LOG_H2, prior, dims="trait")
            mean, difference = free(LOGIT_PI_MEAN, prior), free(LOGIT_PI_DIFFERENCE, prior)
            log_sigma2_0 = free(LOG_SIGMA2_0, prior, dims="trait")
            h2, sigma2_0 = pt.exp(log_h2), pt.exp(log_sigma2_0)
            pi1, pi2 = polygenicities(mean, difference, pt)
        else:
            h2, pi, sigma2_0 = (pt.as_tensor(held[name]) for name in ("h2", "pi", "sigma2_0"))
            pi1, pi2 = pi[0], pi[1]
        u = pt.tanh(free(ATANH_U, prior))
        least = overlap(u, 0.0, pi1, pi2, pt).least
        place = pt.sigmoid(free(LOGIT_T, prior, least)) if t is None else float(t)
        rho_0 = MOST_RHO_0 * pt.tanh(free(ATANH_RHO_0, prior))

        at = overlap(u, place, pi1, pi2, pt)
        pi = pt.stack([pi1, pi2])
        found = quantities(
            at, pi, h2, h_total=h_total(data), n_reference=m, explaining=explaining, of=pt
        )
        for name, value in {"h2": h2, "pi": pi, "sigma2_0": sigma2_0, "rho_0": rho_0,
                            "pi_shared": at.pi_shared, "rho_beta": at.rho_beta, "rg": at.rg,
                            **found}.items():  # fmt: skip
            pm.Deterministic(name, value, dims="trait" if value.type.ndim else None)

        s1, s2 = found["sigma2_beta"][0], found["sigma2_beta"][1]
        shared = at.rho_beta * pt.sqrt(s1 * s2)
        unique = pt.maximum(pi - at.pi_shared, 0.0)
        loglik, _ = PairLogLik(pair_data(data, censor))(
            pt.stack([unique[0], unique[1], at.pi_shared]),
            pt.stack(
                [pt.stack([s1, 0.0, 0.0]), pt.stack([0.0, s2, 0.0]), pt.stack([s1, s2, shared])]
            ),
            pt.stack([sigma2_0[0], sigma2_0[1], rho_0 * pt.sqrt(sigma2_0[0] * sigma2_0[1])]),
        )
        pm.Potential("z", evaluable(loglik), dims="ld_block")
    own = () if held is not None else (
        "log_h2", "logit_pi_mean", "logit_pi_difference", "log_sigma2_0"
    )  # fmt: skip
    options: dict[str, Any] = {
        "censor": censor,
        "t": None if t is None else float(t),
        "univariate": held or "joint",
    }
    bound = Bound(
        BIVARIATE,
        prior,
        data,
        partial(bivariate_mixer, prior=prior, **options),
        (*own, "atanh_u", *(() if t is not None else ("logit_t",)), "atanh_rho_0"),
        options,
        record={"traits": json.dumps(trait_names(data))},
    )
    return remember(model, bound)


def _refuse_one_gwas(data: xr.Dataset) -> None:
    z = data["z"].values[evaluated(data)]
    one, two = z[np.isfinite(z).all(axis=1)].T
    alike = float(one @ two / np.sqrt(max((one @ one) * (two @ two), 1e-300)))
    if abs(alike) > MOST_RHO_0:
        raise InputError(
            "data",
            f"the two traits' z-scores correlate by {alike:.4f}, expected {MOST_RHO_0} at most",
            "The same GWAS twice? Give two traits.",
        )
