"""The LD-convolved likelihood as a part of anyone's PyMC model: z_j = sqrt(N_j) sum_i sqrt(H_i)
r_ij beta_i + e_j, with beta_i from a mixture of Gaussians and a spike at zero.

Frei et al. 2019, Nature Communications 10:2417, eq. 3-4 and 7; docs/how-to/own_model.md shows how
to build on it, docs/ideas/likelihood.md how it is computed.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pymc as pm
import pytensor.tensor as pt
import xarray as xr
from pymc.distributions.distribution import SymbolicRandomVariable
from pytensor.graph.traversal import ancestors
from pytensor.tensor.random.op import RandomVariable

from bayesmixer.card import UNIT
from bayesmixer.errors import InputError
from bayesmixer.ld.exponents import LEAST, REMEDY, exponents
from bayesmixer.models.common import censoring_point, one_trait, take_exponent
from bayesmixer.models.own import Mixture, evaluable, likelihood, mixtures_of, same_variants


def ld_mixture(
    name: str,
    data: xr.Dataset,
    *,
    pi: Any,
    sigma2_beta: Any,
    sigma2_0: Any,
    maf_s: Any = None,
    censor: float | None = None,
) -> Any:
    """Add the exact log-likelihood of one trait's z-scores, by LD block, to the PyMC model of the
    context, as a potential.

    Effects are beta_i ~ sum_c pi_c N(0, sigma2_beta_c H_i^S) + (1 - sum_c pi_c) delta_0. Use it
    with `bayesmixer.fit`, or with `pm.sample`, nutpie, numpyro and blackjax.

    Parameters
    ----------
    name
        Name of the potential. Several traits in one model each take their own.
    data
        GwasData of one trait (dims maf_s, variant, trait=1, node),
        from `align`; of several aligned together, `data.isel(trait=[k])` of each.
    pi
        Share of the reference's variants that are causal: a number or variable (), or (C,) of C
        components, which sum to at most 1 (no unit). The log-likelihood is -inf outside of that.
    sigma2_beta
        Variance of a causal variant's effect, per allele of a trait of variance 1 (times H^-S), ()
        or (C,). h2 of component c is pi_c sigma2_beta_c sum_i H_i^(1+S), with the sum
        `data.attrs["h_total"]` over all reference variants.
    sigma2_0
        Variance of z where nothing is causal, (); 1 without inflation.
    maf_s
        S: a number within the exponents of the data; a variable (data of three exponents or more);
        None (default) for the S of the data, 0 where they hold several.
    censor
        |z| beyond which a variant only counts as exceeding it (eq. 7); None for never.

    Returns
    -------
    TensorVariable
        The potential, the weighted log-likelihood of each LD block in natural log units, with dim
        `ld_block` (a coordinate that is added to the model). Where an earlier potential of the
        model is of other variants its dim is `ld_block_<name>`, and `fit` says that it cannot
        calibrate. A parameter that is no number and no named variable of the model becomes one:
        `<name>_pi`, `<name>_sigma2_beta`, `<name>_sigma2_0`, `<name>_maf_s`.

    Raises
    ------
    InputError
        Outside a model, `data` is no GwasData of one trait, a parameter has another shape or a
        number out of its range, S is outside the exponents of the data, or the name is taken.

    References
    ----------
    Frei et al. 2019, Nature Communications 10:2417, eq. 3-4, and 7 for censoring.

    Examples
    --------
    >>> with pm.Model() as model:  # doctest: +SKIP
    ...     h2, pi = pm.Beta("h2", 2, 8), pm.Beta("pi", 1, 99)
    ...     sigma2_beta = h2 / (pi * data.attrs["h_total"][0])
    ...     bm.ld_mixture("z", data, pi=pi, sigma2_beta=sigma2_beta, sigma2_0=1.0)
    >>> results = bm.fit(model)  # doctest: +SKIP
    """
    model = pm.modelcontext(None) if pm.Model.get_context(error_if_none=False) else None
    if model is None:
        found = "called outside a model"
        raise InputError("ld_mixture", found, "Call it inside `with pm.Model() as model:`.")
    taken = {*model.named_vars, *model.coords, UNIT}
    if not isinstance(name, str) or not name or model.name_for(name) in taken:
        raise InputError("name", f"{name!r}, expected a name that the model does not have yet")
    data = one_trait(data, "ld_mixture", several_s=True)
    censor = censoring_point(censor)
    data, s, several_s = _exponent(data, maf_s)
    p, v, zero = (
        _tensor(key, value, dims)
        for key, value, dims in (
            ("pi", pi, 1),
            ("sigma2_beta", sigma2_beta, 1),
            ("sigma2_0", sigma2_0, 0),
        )
    )
    _known(
        model, {"pi": p, "sigma2_beta": v, "sigma2_0": zero} | ({"maf_s": s} if several_s else {})
    )
    p, v = _components(p, v)
    dim, length, known = _dim(model, name, data)
    op = likelihood(data, several_s, censor)
    loglik = evaluable(op(p, v, zero, *([s] if several_s else []))[0])
    if length > op.data.n_blocks:
        loglik = pt.concatenate([loglik, np.zeros(length - op.data.n_blocks)])
    given = {"pi": pi, "sigma2_beta": sigma2_beta, "sigma2_0": sigma2_0}
    given |= {"maf_s": s} if several_s else {}
    parameters = {key: _named(model, f"{name}_{key}", value) for key, value in given.items()}
    if not known:
        model.add_coord(dim, np.arange(length))
    potential = pm.Potential(name, loglik, dims=dim)
    potential.tag.bayesmixer_mixture = Mixture(data, parameters, censor, op.digest)
    return potential


def _exponent(data: xr.Dataset, maf_s: Any) -> tuple[xr.Dataset, Any, bool]:
    """The data, S, and whether the likelihood takes it as an input."""
    if isinstance(maf_s, pt.TensorVariable):
        held = exponents(data)
        if held.size < LEAST:
            found = f"a variable, but the data hold S = {', '.join(f'{x:g}' for x in held)} only"
            raise InputError("maf_s", found, REMEDY)
        if maf_s.type.ndim:
            raise InputError("maf_s", f"{maf_s.type.ndim} dimensions, expected a scalar")
        return data, maf_s, True
    number = isinstance(maf_s, (int, float, np.integer, np.floating))
    if isinstance(maf_s, bool) or not (number or maf_s is None):
        raise InputError("maf_s", f"{maf_s!r}, expected a number, a variable or None")
    data, s, held_there = take_exponent(data, None if maf_s is None else float(maf_s))
    return data, s, not held_there


def _tensor(key: str, value: Any, most: int) -> Any:
    """A parameter as a tensor of at most so many dimensions; numbers in their range."""
    try:
        tensor = pt.as_tensor_variable(value)
    except (TypeError, NotImplementedError, ValueError):
        found = f"{type(value).__name__}, expected a number, an array or a variable of the model"
        raise InputError(key, found) from None
    if tensor.type.dtype.startswith("complex"):
        raise InputError(key, "complex numbers, expected real ones")
    if tensor.type.ndim > most:
        shape = "a scalar or a vector, one entry a component" if most else "a scalar"
        raise InputError(key, f"{tensor.type.ndim} dimensions, expected {shape}")
    if tensor.type.shape == (0,):
        raise InputError(key, "no components, expected one or more")
    if tensor.owner is None and hasattr(tensor, "data"):
        numbers = np.asarray(tensor.data, float)
        total = numbers.sum() if key == "pi" else 0.0
        least = numbers.min(initial=math.inf)
        positive = least > 0 if key == "sigma2_0" else least >= 0
        if not (np.isfinite(numbers).all() and positive and total <= 1):
            within = "between 0 and 1, in sum" if key == "pi" else "of a variance"
            raise InputError(key, f"{numbers.tolist()}, expected values {within}")
    return tensor


def _known(model: pm.Model, parameters: dict[str, Any]) -> None:
    """Refuse random variables that are not of the model: each evaluation would draw them anew."""
    own = model.root.basic_RVs  # of a model within a model too
    for key, value in parameters.items():
        for v in ancestors([pt.as_tensor_variable(value)], blockers=own):
            random = v.owner and isinstance(v.owner.op, RandomVariable | SymbolicRandomVariable)
            if random and v not in own:
                found = f"depends on {v.name or v.owner.op}, no variable of this model"
                raise InputError(key, found, "Name it inside the model: pm.Normal('x', 0, 1).")


def _components(pi: Any, sigma2_beta: Any) -> tuple[Any, Any]:
    """Both as vectors of one length, (C,), known where it can be known: JAX compiles for it."""
    if pi.type.ndim == 0 and sigma2_beta.type.ndim == 0:
        return pi[None], sigma2_beta[None]
    sizes = {
        key: v.type.shape[0] if v.type.shape[0] is not None else int(v.shape[0].eval())
        for key, v in (("pi", pi), ("sigma2_beta", sigma2_beta))
        if v.type.ndim
    }
    if len(set(sizes.values())) > 1:
        found = f"{sizes['sigma2_beta']} components, but pi has {sizes['pi']}"
        raise InputError("sigma2_beta", found, "Give as many of each, or one for all.")
    size = next(iter(sizes.values()))
    whole = [
        pt.specify_shape(v, (size,)) if v.type.ndim else pt.full((size,), v)
        for v in (pi, sigma2_beta)
    ]
    return whole[0], whole[1]


def _named(model: pm.Model, name: str, value: Any) -> Any:
    """The name of a variable of the model, which is added where it has none, or numbers."""
    if not isinstance(value, pt.Variable):
        value = pt.as_tensor_variable(value)  # a list may hold variables
        if value.owner is None:
            return np.asarray(value.data, float).tolist()
    if value.name is not None and model.named_vars.get(value.name) is value:
        return value.name
    if model.name_for(name) in model.named_vars:
        raise InputError("name", f"the model already has a {name!r}, which this one would add")
    return pm.Deterministic(name, value).name


def _dim(model: pm.Model, name: str, data: xr.Dataset) -> tuple[str, int, bool]:
    """Dimension of the potential, its length, and whether the model has it already."""
    length = int(data["ld_block"].max()) + 1
    known = model.coords.get(UNIT)
    if known is None and UNIT not in model.coords:
        return UNIT, length, False
    there = int(model.dim_lengths[UNIT].eval()) if known is None else len(known)
    others = mixtures_of(model).values()
    if length <= there and all(same_variants(data, one.data) for one in others):
        return UNIT, there, True
    return f"{UNIT}_{model.name_for(name)}", length, False
