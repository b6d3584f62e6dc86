"""A word where numba is about to compile for about ten seconds, which it does once a machine."""

from __future__ import annotations

import os
import sys
from typing import Any

from bayesmixer.progress import is_quiet

_SAID: set[str] = set()


def announce(kernel: Any, what: str) -> None:
    """Say on standard error that `what` is being compiled, where somebody looks (a terminal, a
    notebook) and neither this process nor numba's cache on disk has it yet.

    Parameters
    ----------
    kernel
        A function compiled by numba with `cache=True`, the slowest of those that follow.
    what
        What is compiled, for the sentence.
    """
    if what in _SAID:
        return
    _SAID.add(what)
    watched = sys.stderr is not None and (sys.stderr.isatty() or "ipykernel" in sys.modules)
    if is_quiet() or not watched or kernel.signatures or _on_disk(kernel):
        return
    print(f"Compiling {what} for this machine, once: about 10 s ...", file=sys.stderr, flush=True)


def _on_disk(kernel: Any) -> bool:
    """Whether numba's cache has an index of the function; True where numba no longer says."""
    path = getattr(getattr(kernel._cache, "_cache_file", None), "_index_path", None)
    return path is None or os.path.exists(path)
