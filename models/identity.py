"""Whether a model still is what it was built as: a hash of its graph, the same for copies, another
once anything in it is replaced or added.

Also lets `pickle`, and the processes of `concurrent.futures`, carry PyMC models: PyMC hangs methods
on its variables that their classes do not have, and Python's pickle looks methods up by name.
"""

from __future__ import annotations

import copyreg
import hashlib
import types
from collections.abc import Callable
from multiprocessing.reduction import ForkingPickler
from typing import Any

import numpy as np
import pymc as pm
from pytensor.compile.ops import ViewOp
from pytensor.compile.sharedvalue import SharedVariable
from pytensor.graph.basic import Constant, Variable
from pytensor.graph.traversal import toposort
from pytensor.scalar.basic import Identity
from pytensor.tensor.elemwise import Elemwise


def signature(model: pm.Model) -> str:
    """Hash of the priors and potentials of a model: operations, constants, names of variables,
    transforms, observed values.
    """
    named = {rv: rv.name for rv in model.basic_RVs}
    known: dict[Variable[Any, Any], str] = {}

    def of(v: Variable[Any, Any]) -> str:
        if v not in known:
            if isinstance(v, Constant):
                known[v] = _hash("constant", _content(v.data))
            elif isinstance(v, SharedVariable):
                value = v.get_value(borrow=True)
                known[v] = (
                    "random"
                    if isinstance(value, np.random.Generator)
                    else _hash("shared", _content(value))
                )
            else:
                known[v] = _hash("free", str(v.name))
        return known[v]

    for node in toposort([*named, *model.potentials]):
        inputs = [of(v) for v in node.inputs]
        same = isinstance(node.op, ViewOp) or (
            isinstance(node.op, Elemwise) and isinstance(node.op.scalar_op, Identity)
        )
        for i, out in enumerate(node.outputs):
            known[out] = (
                inputs[0]
                if same
                else _hash(
                    type(node.op).__name__, str(node.op), str(i), named.get(out, ""), *inputs
                )
            )
    parts = [f"{p.name} {of(p)}" for p in model.potentials]
    for rv, name in named.items():
        observed = of(model.rvs_to_values[rv]) if rv in model.observed_RVs else ""
        parts.append(f"{name} {of(rv)} {type(model.rvs_to_transforms.get(rv)).__name__} {observed}")
    return _hash(*sorted(parts))


def _hash(*words: str) -> str:
    return hashlib.sha256("\n".join(words).encode()).hexdigest()[:24]


def _content(value: Any) -> str:
    if isinstance(value, (np.ndarray, np.generic, int, float)):
        array = np.ascontiguousarray(value)
        return f"{array.dtype} {array.shape} {hashlib.sha256(array.tobytes()).hexdigest()}"
    return repr(value)


def _bound(function: Callable[..., Any], owner: Any) -> types.MethodType:
    return types.MethodType(function, owner)


def _reduce_method(method: types.MethodType) -> tuple[Callable[..., Any], tuple[Any, ...]]:
    """A bound method as pickle has it, by its name; by its parts where its owner has none of that
    name.
    """
    name = getattr(method.__func__, "__name__", "")
    if name and getattr(method.__self__, name, None) == method:
        return getattr, (method.__self__, name)
    return _bound, (method.__func__, method.__self__)


copyreg.pickle(types.MethodType, _reduce_method)
ForkingPickler.register(types.MethodType, _reduce_method)
