"""A likelihood without array code of JAX's own, for JAX samplers: called on the host, wherever the
rest runs, with its Jacobian as the derivative.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any


def on_host(op: Any) -> Callable[..., tuple[Any, Any]]:
    """A likelihood Op's JAX implementation that calls the kernels of the host, wherever the rest
    runs: for those that have none of JAX's own.

    Parameters
    ----------
    op
        A `BlockLogLik`: its `evaluate` is called, and its Jacobian is the derivative.
    """
    import jax
    import jax.numpy as jnp

    def called(one: Any, parameters: Sequence[Any]) -> tuple[Any, Any]:
        blocks = one.data.n_blocks
        size = sum(math.prod(v.shape) for v in parameters) if one.gradient else 0
        shape = [jax.ShapeDtypeStruct(s, jnp.float64) for s in ((blocks,), (blocks, size))]
        found = jax.pure_callback(one.evaluate, shape, *parameters, vmap_method="sequential")
        return found[0], found[1]

    def function(*parameters: Any) -> tuple[Any, Any]:
        return called(op, parameters)

    with_slope: Any = jax.custom_jvp(function)

    @with_slope.defjvp
    def _slope(parameters: Any, tangents: Any) -> tuple[Any, Any]:
        value, jacobian = called(op if op.gradient else type(op)(op.data), parameters)
        along = jacobian @ jnp.concatenate([jnp.ravel(t) for t in tangents])
        shown = jacobian if op.gradient else jacobian[:, :0]
        return (value, shown), (along, jnp.zeros_like(shown))

    out: Callable[..., tuple[Any, Any]] = with_slope
    return out
