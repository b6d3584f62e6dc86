"""A PyMC model as a plain function of one flat vector of unconstrained parameters: value, gradient,
log-likelihood per LD block.

Evaluated by PyTensor's Python linker: these graphs are a few nodes around one big Op, so compiling
them would cost more than it saves, and the Op's `perform` uses all threads. Rewriting them too:
gradients of what is scalars around the Op are only rid of what they compute twice.
"""

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable
from functools import cached_property
from typing import Any, TypeVar

import numpy as np
import pymc as pm
import pytensor
import pytensor.tensor as pt
import xarray as xr
from numpy.typing import NDArray
from pytensor.compile.mode import Mode
from pytensor.gradient import pullback
from pytensor.graph.replace import clone_replace
from pytensor.graph.rewriting.db import RewriteDatabaseQuery
from pytensor.graph.traversal import ancestors
from pytensor.scalar.basic import Switch

from bayesmixer.card import UNIT, Free, unit_in_words, usual
from bayesmixer.errors import InputError
from bayesmixer.interrupts import check
from bayesmixer.models.common import bound_of, origin_of
from bayesmixer.ops.block_loglik import BlockLogLik

Array = NDArray[np.float64]
T = TypeVar("T")

DIFFERENCE = 1e-3  # of parameters, for the slopes of a likelihood's inputs
LARGE = 2**31  # bytes of one variable's draws that are held in memory


def python_mode() -> Mode:
    """Run by Python, lightly rewritten: fused loops over elements would run in Python too, so
    arrays stay whole; and so would fills (`specialize`).
    """
    return Mode(linker="py", optimizer="fast_compile").including("specialize")


def merging_mode() -> Mode:
    """Run by Python as it stands, without what is there twice: a third of the time to compile, for
    graphs of scalars around an Op.
    """
    return Mode(linker="py", optimizer=RewriteDatabaseQuery(include=["merge"]))


def room(shape: tuple[int, ...]) -> Array:
    """An array to be filled, in memory or, of more than `LARGE` bytes, in a temporary file that is
    gone with it.
    """
    if 8 * math.prod(shape) <= LARGE:
        return np.empty(shape)
    with tempfile.TemporaryFile() as file:
        return np.memmap(file, float, "w+", shape=shape)


class LogDensity:
    """Log posterior density (up to its constant) of a model on the unconstrained scale.

    Attributes
    ----------
    names
        One label per entry of the flat vector: `tau`, or `tau[3]` for vectors.
    initial
        (P,) the model's initial point.
    owners
        Name of the model's variable that each entry belongs to.
    evaluations
        Number of value-and-gradient evaluations so far.
    """

    def __init__(self, model: pm.Model) -> None:
        if not isinstance(model, pm.Model):
            raise InputError(
                "model",
                f"{type(model).__name__}, expected a pymc.Model such as "
                f"bm.models.{usual().name}(data)",
            )
        if not model.continuous_value_vars or len(model.continuous_value_vars) != len(
            model.value_vars
        ):
            raise InputError(
                "model", "it has discrete or no free parameters, expected continuous ones only"
            )
        self.model = model
        self._start = point = model.initial_point()
        origin = origin_of(model)
        order = {name: i for i, name in enumerate(origin.free if origin is not None else ())}
        # copies of a model hold its variables in another order
        owner = {v: model.values_to_rvs[v].name for v in model.value_vars}
        self.value_vars = sorted(model.value_vars, key=lambda v: order.get(owner[v], len(order)))
        self.variables = [v.name for v in self.value_vars]
        self.shapes = [np.shape(point[name]) for name in self.variables]
        self.initial = self.flatten(point)
        self.evaluations = 0
        self.names: list[str] = []
        for name, shape in zip(self.variables, self.shapes, strict=True):
            places = [f"{name}[{','.join(map(str, i))}]" for i in np.ndindex(*shape)]
            self.names += [name] if shape == () else places
        sizes = [int(np.prod(shape)) for shape in self.shapes]
        self.owners = [
            owner[v] for v, n in zip(self.value_vars, sizes, strict=True) for _ in range(n)
        ]

    def per_entry(self, of: Callable[[Free], T], other: T) -> list[T]:
        """What the card says of each entry of the flat vector; `other` for what has no card."""
        origin = origin_of(self.model)
        known = {} if origin is None else {one.name: of(one) for one in origin.parameters}
        return [known.get(name, other) for name in self.owners]

    @property
    def box(self) -> Array:
        """Search box (P, 2); very wide for parameters of other makers."""
        return np.array(self.per_entry(lambda one: one.box, (-1e3, 1e3)), float)

    @cached_property
    def folds(self) -> Array:
        """(P,) `Free.fold` of each entry."""
        return np.array(self.per_entry(lambda one: one.fold, math.nan), float)

    @property
    def unit(self) -> str:
        """Dimension of the independent units."""
        origin = origin_of(self.model)
        return UNIT if origin is None else origin.card.unit

    @property
    def units(self) -> np.ndarray:
        """Labels of the independent units (L,)."""
        return np.asarray(self.model.coords[self.unit])

    @property
    def size(self) -> int:
        """Number of parameters P."""
        return self.initial.size

    def flatten(self, point: dict[str, Any]) -> Array:
        """Point (a dict by value variable) as a flat vector."""
        return np.concatenate([np.ravel(np.asarray(point[name], float)) for name in self.variables])

    def point(self, x: Array) -> dict[str, Array]:
        """Flat vector as a point."""
        out, at = {}, 0
        for name, shape in zip(self.variables, self.shapes, strict=True):
            size = int(np.prod(shape))
            out[name] = x[at : at + size].reshape(shape)
            at += size
        return out

    def flat_draws(self, group: xr.Dataset) -> Array | None:
        """Draws (chain, draw, P) from a dataset of the value variables; None where it lacks one."""
        if not all(
            name in group.data_vars and group[name].dims[:2] == ("chain", "draw")
            for name in self.variables
        ):
            return None
        columns = [group[v].values.reshape((*group[v].shape[:2], -1)) for v in self.variables]
        return np.asarray(np.concatenate(columns, axis=-1), float)

    def log_posterior(self) -> Any:
        """Log posterior as a graph of the model's value variables."""
        return self.model.logp()

    def log_likelihoods(self) -> list[Any]:
        """Log-likelihood by LD block of each of `block_names`, as graphs of the model's value
        variables.
        """
        return list(
            self.model.replace_rvs_by_values([self.model[name] for name in self.block_names])
        )

    def _joined(self, outputs: list[Any]) -> tuple[list[Any], Any]:
        """Graphs of the value variables as graphs of one flat vector."""
        made, joined = pm.pytensorf.join_nonshared_inputs(self._start, outputs, self.value_vars)
        return list(made), joined

    @cached_property
    def _gradient_mode(self) -> Mode:
        """How gradients are compiled: whether all that is computed of the data is in Ops of this
        package.
        """
        in_ops = not self.model.observed_RVs and all(
            any(v.owner is not None and isinstance(v.owner.op, BlockLogLik) for v in ancestors([p]))
            for p in self.model.potentials
        )
        return merging_mode() if in_ops else python_mode()

    def _in_all(self, value: Any) -> Any:
        """The log posterior by Ops that are quicker where blocks are wanted in sum alone, of models
        of this package as they were built, which only sum them.
        """
        if bound_of(self.model) is None:
            return value
        found = [v for v in ancestors([value]) if v.owner and isinstance(v.owner.op, BlockLogLik)]
        nodes = {v.owner: v.owner.op.in_all for v in found}
        swaps = {n.outputs[0]: op(*n.inputs)[0] for n, op in nodes.items() if op is not n.op}
        return clone_replace(value, swaps, rebuild_strict=False) if swaps else value

    @cached_property
    def _value_and_gradient(self) -> Any:
        (value,), joined = self._joined([self._in_all(self.log_posterior())])
        return pytensor.function(
            [joined], [value, pytensor.grad(value, joined)], mode=self._gradient_mode
        )

    def value_and_gradient(self, x: Array) -> tuple[float, Array]:
        """Log density and its gradient (P,)."""
        self.evaluations += 1
        check()
        value, gradient = self._value_and_gradient(np.asarray(x, float))
        return float(value), np.asarray(gradient, float)

    @cached_property
    def block_names(self) -> list[str]:
        """Potentials that hold a log-likelihood per LD block."""
        dims = self.model.named_vars_to_dims
        return [
            p.name for p in self.model.potentials if tuple(dims.get(p.name) or ()) == (self.unit,)
        ]

    def need_units(self) -> None:
        """Raises
        ------
        InputError
            The model has no log-likelihood by unit.
        """
        if not self.block_names:
            raise InputError("model", self.no_units, "Give a model of bayesmixer.models.")

    @property
    def no_units(self) -> str:
        """What a model without `block_names` lacks."""
        return f"no log-likelihood by {unit_in_words(self.unit)} (a potential with dim {self.unit})"

    @cached_property
    def _blocks(self) -> Any:
        outputs, joined = self._joined([self.log_posterior(), *self.log_likelihoods()])
        return pytensor.function([joined], outputs, mode=python_mode())

    def value_and_blocks(self, x: Array) -> tuple[float, dict[str, Array]]:
        """Log density, and by potential the log-likelihood per LD block (L,)."""
        check()
        value, *blocks = self._blocks(np.asarray(x, float))
        return float(value), dict(zip(self.block_names, blocks, strict=True))

    def values_and_blocks(
        self, points: Array, advance: Callable[[], object] = lambda: None
    ) -> tuple[Array, dict[str, Array]]:
        """`value_and_blocks` at points (S, P): (S,), and by potential (S, L); `advance` is called
        after each.
        """
        values, blocks = np.empty(len(points)), dict[str, Array]()
        for i, x in enumerate(points):
            values[i], found = self.value_and_blocks(x)
            for name, v in found.items():
                if name not in blocks:
                    blocks[name] = room((len(points), v.size))
                blocks[name][i] = v
            advance()
        return values, blocks

    def log_prior_of_all(self) -> Any:
        """Everything of the log posterior but `log_likelihoods`, as a graph."""
        rest = [p for p in self.model.potentials if p.name not in self.block_names]
        return self.model.logp(vars=[*self.model.free_RVs, *self.model.observed_RVs, *rest])

    @cached_property
    def _prior_gradient(self) -> Any:
        (value,), joined = self._joined([self.log_prior_of_all()])
        return pytensor.function(
            [joined], pytensor.grad(value, joined, disconnected_inputs="ignore"), mode=python_mode()
        )

    @cached_property
    def _inputs(self) -> tuple[list[BlockLogLik], Any] | None:
        """Ops whose blocks are the potentials, and what computes the inputs of each; None where the
        potentials are more than that.
        """
        nodes = [_evaluated(p) for p in self.log_likelihoods()]
        if not nodes or any(node is None for node in nodes):
            return None
        outputs, joined = self._joined([v for node in nodes for v in node.inputs])
        ops = [node.op if node.op.gradient else type(node.op)(node.op.data) for node in nodes]
        return ops, pytensor.function([joined], outputs, mode=merging_mode())

    def _scores_of_ops(self, ops: list[BlockLogLik], inputs: Any, x: Array) -> Array:
        """Each Op's Jacobian times the slopes of its inputs: differences of five points, which are
        good to twelve digits and need no graph of second derivatives.
        """

        def flat(x: Array) -> list[Array]:
            values = iter(inputs(x))
            return [np.concatenate([np.ravel(next(values)) for _ in op.arguments]) for op in ops]

        slopes = []
        for e in np.eye(x.size) * DIFFERENCE:
            far, near, after, beyond = (flat(x + k * e) for k in (-2, -1, 1, 2))
            slopes.append(
                [(8 * (c - b) - (d - a)) / (12 * DIFFERENCE)
                 for a, b, c, d in zip(far, near, after, beyond, strict=True)]
            )  # fmt: skip
        values = iter(inputs(x))
        out: Array = sum(
            op.evaluate(*(next(values) for _ in op.arguments))[1] @ np.stack(columns, axis=1)
            for op, columns in zip(ops, zip(*slopes, strict=True), strict=True)
        )
        return out

    @cached_property
    def _scores(self) -> Any:
        (logp, blocks), joined = self._joined(
            [self.log_posterior(), pt.add(*self.log_likelihoods(), pt.zeros(()))]
        )
        # a pushforward is a pullback of a pullback, the inner one here made once for all parameters
        cotangent = pt.zeros_like(blocks)
        back = pullback(blocks, joined, cotangent)
        columns = [pullback(back, cotangent, pt.as_tensor_variable(e)) for e in np.eye(self.size)]
        prior = pytensor.grad(logp, joined) - pytensor.grad(blocks.sum(), joined)
        scores = [pt.stack(columns, axis=1), prior]
        return pytensor.function([joined], scores, mode=self._gradient_mode)

    def scores(self, x: Array) -> tuple[Array, Array]:
        """Gradient of the log-likelihood of each LD block, (L, P) summed over the potentials, and
        of the log prior, (P,).
        """
        self.evaluations += 1
        check()
        x = np.asarray(x, float)
        if self._inputs is not None:
            return self._scores_of_ops(*self._inputs, x), np.asarray(self._prior_gradient(x))
        scores, prior = self._scores(x)
        return np.asarray(scores), np.asarray(prior)

    def unconstrained(self, draws: Array) -> xr.Dataset:
        """Draws (chain, draw, P) as a dataset of the value variables."""
        out, at = {}, 0
        for name, shape in zip(self.variables, self.shapes, strict=True):
            size = int(np.prod(shape))
            block = draws[..., at : at + size].reshape((*draws.shape[:2], *shape))
            out[name] = (("chain", "draw", *(f"{name}_dim_{i}" for i in range(len(shape)))), block)
            at += size
        return xr.Dataset(
            out, coords={"chain": np.arange(draws.shape[0]), "draw": np.arange(draws.shape[1])}
        )

    @cached_property
    def _priors(self) -> Any:
        terms, joined = self._joined(
            [term.sum() for term in self.model.logp(vars=self.model.free_RVs, sum=False)]
        )
        return pytensor.function([joined], terms, mode=python_mode())

    def log_prior(self, draws: Array) -> xr.Dataset:
        """Log prior density of each free variable at draws (chain, draw, P), on the unconstrained
        scale.
        """
        shape = draws.shape[:2]
        terms = np.array([self._priors(x) for x in draws.reshape(-1, draws.shape[2])], float)
        rows = zip(self.model.free_RVs, terms.T, strict=True)
        coords = {"chain": np.arange(shape[0]), "draw": np.arange(shape[1])}
        return xr.Dataset(
            {rv.name: (("chain", "draw"), term.reshape(shape)) for rv, term in rows}, coords=coords
        )

    @cached_property
    def _reported(self) -> Any:
        outputs, joined = self._joined(self.model.replace_rvs_by_values(self.reported))
        return pytensor.function([joined], outputs, mode=python_mode())

    @property
    def reported(self) -> list[Any]:
        """What the posterior holds: the deterministics, the free variables of other makers on
        their own scale, and what the card reports where PyMC set it to a value (`do`).
        """
        origin = origin_of(self.model)
        free = [v for v in self.model.free_RVs if origin is None or v.name not in origin.free]
        held = [
            v
            for v in self.model.data_vars
            if origin is not None and origin.card.quantity(v.name) is not None
        ]
        return [*free, *self.model.deterministics, *held]

    def posterior(self, draws: Array) -> xr.Dataset:
        """Reported variables (deterministics) of draws (chain, draw, P), with the model's dims and
        coords.
        """
        chains, n = draws.shape[:2]
        values: list[Array] = []
        for i, x in enumerate(draws.reshape(chains * n, -1)):
            row = self._reported(x)
            values = values or [room((chains * n, *np.shape(v))) for v in row]
            for all_draws, v in zip(values, row, strict=True):
                all_draws[i] = v
        out, coords = {}, {"chain": np.arange(chains), "draw": np.arange(n)}
        for variable, held in zip(self.reported, values, strict=True):
            dims = self.model.named_vars_to_dims.get(variable.name) or [
                f"{variable.name}_dim_{d}" for d in range(held.ndim - 1)
            ]
            shape = (chains, n, *held.shape[1:])
            out[variable.name] = (("chain", "draw", *dims), held.reshape(shape))
            for d in dims:
                if self.model.coords.get(d) is not None:
                    coords[d] = np.asarray(self.model.coords[d])
        return xr.Dataset(out, coords=coords)


def _evaluated(potential: Any) -> Any:
    """The node of the likelihood Op whose blocks a potential is (-inf where they are not numbers),
    and that takes nothing else; None for any other.
    """
    node = potential.owner
    if node is not None and isinstance(getattr(node.op, "scalar_op", None), Switch):
        node = node.inputs[1].owner
    return node if node is not None and isinstance(node.op, BlockLogLik) else None
