"""Worker processes that neither hang nor die without a word: errors arrive whole, Ctrl-C is the
parent's, and none outlives it.
"""

from __future__ import annotations

import multiprocessing
import os
import pickle
import signal
import threading
import traceback
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import BrokenExecutor, ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from multiprocessing.connection import wait
from typing import Any

from bayesmixer.errors import InputError

THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


class WorkerError(RuntimeError):
    """A defect in a worker process whose own error cannot travel; its traceback is the message."""


def run(
    work: Callable[..., Any],
    arguments: Sequence[tuple[Any, ...]],
    processes: int | None = None,
    client: Any = None,
) -> Iterator[Any]:
    """Yield `work(*a)` of each of `arguments` as it ends; when one fails, or on Ctrl-C, the others
    are stopped.

    Parameters
    ----------
    work
        A function of a module.
    arguments
        Of each call.
    processes
        Worker processes, one thread each: the parallelism is over calls. None is one a core; with 1
        the calls are made here, one after another.
    client
        A dask.distributed Client to run on instead, whose workers see the same files.

    Raises
    ------
    InputError
        A worker was killed, or `work` raised it.
    """
    if not arguments:
        return
    if client is not None:
        yield from _on_cluster(work, arguments, client)
        return
    processes = min(processes or os.cpu_count() or 1, len(arguments))
    if processes == 1:
        for a in arguments:
            yield work(*a)
        return
    yield from _in_processes(work, arguments, processes)


def _on_cluster(
    work: Callable[..., Any], arguments: Sequence[tuple[Any, ...]], client: Any
) -> Iterator[Any]:
    """Calls on a dask cluster, which gives those of a worker that dies to another."""
    from distributed import as_completed as as_completed_there

    futures = [client.submit(work, *a, pure=False) for a in arguments]
    try:
        for future in as_completed_there(futures):
            yield future.result()
    finally:
        client.cancel(futures)


def _in_processes(
    work: Callable[..., Any], arguments: Sequence[tuple[Any, ...]], processes: int
) -> Iterator[Any]:
    pool = ProcessPoolExecutor(
        processes, mp_context=multiprocessing.get_context("spawn"), initializer=_begin
    )
    started: list[Any] = []
    try:
        with _one_thread(), _without_interrupts():  # which the workers inherit
            futures = [pool.submit(attempt, work, a) for a in arguments]
            started = list((pool._processes or {}).values())
        for future in as_completed(futures):
            found, error = future.result()
            if error is not None:
                raise error
            yield found
    except BrokenExecutor:
        for process in started:
            process.join(5)
        codes = [
            process.exitcode
            for process in started
            if process.exitcode not in (None, 0, -signal.SIGTERM)
        ]
        killed = -signal.SIGKILL in codes
        how = (
            "was killed, perhaps for want of memory"
            if killed
            else f"ended with exit code {codes[0]}"
            if codes
            else "ended early"
        )
        remedy = (
            "Run again with fewer; what was finished is kept."
            if killed
            else "What was finished is kept; run again."
        )
        raise InputError("processes", f"one of {processes} workers {how}", remedy) from None
    finally:
        for process in (
            started
        ):  # at work on what nobody waits for, or idle; whatever they write is written aside
            process.terminate()
        # once, and waiting: a pool that is shut down twice leaves its thread behind, which
        # complains at exit
        pool.shutdown(wait=True, cancel_futures=True)


def attempt(work: Callable[..., Any], arguments: tuple[Any, ...]) -> tuple[Any, Exception | None]:
    """What `work` returned, or what it raised in a form that can travel to the parent."""
    try:
        return work(*arguments), None
    except Exception as error:
        try:
            again = pickle.loads(pickle.dumps(error))
        except Exception:
            again = None
        return None, again if type(again) is type(error) else WorkerError(
            "".join(traceback.format_exception(error))
        )


def _begin() -> None:
    """Make a worker end when its parent does, however that ends."""
    parent = multiprocessing.parent_process()
    if parent is None:
        return

    def watch() -> None:
        wait([parent.sentinel])
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


@contextmanager
def _one_thread() -> Iterator[None]:
    before = {name: os.environ.get(name) for name in THREADS}
    os.environ.update(dict.fromkeys(before, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


@contextmanager
def _without_interrupts() -> Iterator[None]:
    """Hold back Ctrl-C while processes start: those never see it, this one does afterwards."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
