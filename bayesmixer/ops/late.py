"""What is registered with PyTensor's JAX backend as something imports that backend, and not before:
JAX costs half a second and few processes use it.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from types import ModuleType
from typing import Any

BACKEND = "pytensor.link.jax.dispatch.basic"

_WAITING: list[Callable[[Any], None]] = []


def with_jax(register: Callable[[Any], None]) -> Callable[[Any], None]:
    """Call `register(jax_funcify)` once PyTensor's JAX backend is there; a decorator."""
    if BACKEND in sys.modules:
        register(sys.modules[BACKEND].jax_funcify)
    else:
        _WAITING.append(register)
        if not any(isinstance(finder, _Finder) for finder in sys.meta_path):
            sys.meta_path.insert(0, _Finder())
    return register


class _Finder(MetaPathFinder):
    """Finds the backend as the other finders do, and has its loader register what waits."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname != BACKEND:
            return None
        sys.meta_path.remove(self)
        spec = find_spec(fullname)
        if spec is not None and spec.loader is not None:
            spec.loader = _Registering(spec.loader)
        return spec


class _Registering(Loader):
    def __init__(self, loader: Loader) -> None:
        self.loader = loader

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self.loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        self.loader.exec_module(module)
        for register in _WAITING:
            register(module.jax_funcify)
        _WAITING.clear()
