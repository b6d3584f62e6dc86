"""BLAS on one thread while kernels run. Their matrix products are small, and its own threads spin
while they wait for the next one: a third of the CPU time of a fit.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from functools import cache
from typing import Any


def one_blas_thread() -> AbstractContextManager[Any]:
    """Context manager within which BLAS takes one thread. Of several threads at once one decides
    for all, as threadpoolctl has it.
    """
    limit: AbstractContextManager[Any] = _libraries().limit(limits=1)
    return limit


@cache
def _libraries() -> Any:
    """The BLAS libraries of this process, looked up once; numba calls that of SciPy."""
    import scipy.linalg.cython_blas  # noqa: F401
    from threadpoolctl import ThreadpoolController  # type: ignore[import-untyped]

    return ThreadpoolController().select(user_api="blas")
