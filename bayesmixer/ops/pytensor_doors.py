"""What the package uses of PyTensor beyond its documented interface, all of it here, so that one
place breaks when PyTensor changes it, and says what broke.
"""

from __future__ import annotations

import gc
from functools import cache
from importlib import import_module
from typing import Any

DOORS = {
    "numba_implementation": (
        "pytensor.link.numba.dispatch.basic",
        "register_funcify_and_cache_key",
    ),
    "RewriteTable": ("pytensor.graph.rewriting.basic", "OpToRewriterTracker"),
}
"""Our name -> module and name in PyTensor."""


def door(name: str) -> Any:
    """What stands behind a name of `DOORS`.

    Raises
    ------
    ImportError
        This version of PyTensor does not have it.
    """
    module, theirs = DOORS[name]
    try:
        return getattr(import_module(module), theirs)
    except (ImportError, AttributeError):
        import pytensor

        raise ImportError(
            f"PyTensor {pytensor.__version__} has no {module}.{theirs}, which bayesmixer uses; "
            "install the version that constraints.txt names"
        ) from None


numba_implementation = door("numba_implementation")
"""Decorates (op, node) -> (function, cache key or None): how numba compiles an Op."""


@cache
def rewrite_tables() -> list[Any]:
    """PyTensor's long-lived tables of the rewrites that apply to an Op."""
    table = door("RewriteTable")
    return [o for o in gc.get_objects() if type(o) is table]


def forget_ops() -> None:
    """Empty PyTensor's tables of rewrites by Op: they would keep every Op, and with it the data of
    every fit, as long as the process lives.
    """
    for table in rewrite_tables():
        table.get_trackers.cache_clear()
