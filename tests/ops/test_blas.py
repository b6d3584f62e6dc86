"""BLAS within and without `one_blas_thread`."""

from __future__ import annotations

import numpy as np
from threadpoolctl import threadpool_info, threadpool_limits

from bayesmixer.ops.blas import one_blas_thread


def _threads() -> set[int]:
    np.dot(np.eye(2), np.eye(2))
    return {one["num_threads"] for one in threadpool_info() if one["user_api"] == "blas"}


def test_blas_has_one_thread_within_and_its_own_number_after() -> None:
    before = _threads()
    with one_blas_thread():
        assert _threads() == {1}
    assert _threads() == before
    with threadpool_limits(limits=1, user_api="blas"):
        with one_blas_thread():
            assert _threads() == {1}
        assert _threads() == {1}
