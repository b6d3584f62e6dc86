"""Ctrl-C is never lost, whoever swallows the exception: callbacks from C, finalisers, samplers,
imports.
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from bayesmixer.interrupts import check, remembered


@pytest.fixture(autouse=True)
def python_handles_sigint() -> Iterator[None]:
    """As in a process of its own: a parallel run of the tests ignores the signal."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def interrupt() -> None:
    os.kill(os.getpid(), signal.SIGINT)


def in_a_callback_from_c() -> None:
    """As LLVM tells numba of what it compiled: the exception is printed and dropped."""
    ctypes.CFUNCTYPE(None)(interrupt)()


def in_a_finaliser() -> None:
    class Held:
        def __del__(self) -> None:
            interrupt()

    held = Held()
    del held


def in_a_sampler() -> None:
    with suppress(KeyboardInterrupt):  # and returns what it has
        interrupt()


@pytest.mark.parametrize("swallow", [in_a_callback_from_c, in_a_finaliser, in_a_sampler])
def test_a_swallowed_interruption_is_raised_at_the_next_safe_point_and_at_the_end(
    swallow: Callable[[], None],
) -> None:
    done: list[str] = []

    def work(safe_point: bool) -> None:
        with remembered():
            swallow()
            done.append("ran on")
            if safe_point:
                check()
                done.append("past the safe point")

    for safe_point in (True, False):
        with pytest.raises(KeyboardInterrupt):
            work(safe_point)
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert done == ["ran on"] * 2
    check()  # forgotten with the work that it ended


def test_an_interruption_in_disguise_is_one() -> None:
    def work() -> None:
        with remembered(), remembered():
            try:
                interrupt()
            except KeyboardInterrupt:
                raise ImportError("cannot import half of it") from None

    with pytest.raises(KeyboardInterrupt):
        work()


def test_other_threads_and_other_handlers_are_left_alone() -> None:
    heard: list[int] = []
    signal.signal(signal.SIGINT, lambda number, _: heard.append(number))
    with remembered():
        interrupt()
        check()
    assert heard == [signal.SIGINT]

    def elsewhere() -> None:
        with remembered():
            check()
        heard.append(0)

    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join()
    assert heard == [signal.SIGINT, 0]


SWALLOWED = {
    "caught": (
        "try:\n        os.kill(os.getpid(), 2); time.sleep(5)\n    except KeyboardInterrupt: pass"
    ),
    "in disguise": (
        "try:\n        os.kill(os.getpid(), 2); time.sleep(5)\n    except KeyboardInterrupt: raise "
        "ImportError('half')"
    ),
    "in a callback": "ctypes.CFUNCTYPE(None)(lambda: os.kill(os.getpid(), 2))()",
}


@pytest.mark.parametrize("body", SWALLOWED.values(), ids=SWALLOWED.keys())
def test_the_command_line_ends_with_130_whoever_swallowed_it(body: str, tmp_path: Path) -> None:
    code = f"""
import ctypes, os, sys, time
from bayesmixer.cli.main import app, main
@app.command("trial")
def trial() -> None:
    {body}
    print("ran on to the end")
sys.argv[1:] = ["trial"]
main()
"""
    out = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=60
    )
    assert out.returncode == 130
    assert out.stderr.startswith("stopped: interrupted")
    assert out.stderr.count("\n") == 1


def test_an_interruption_while_the_command_line_is_imported_ends_with_130(tmp_path: Path) -> None:
    code = """
import importlib.abc, os, runpy, sys, time
class Interrupts(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name == "bayesmixer.cli.fit":
            os.kill(os.getpid(), 2); time.sleep(5)
sys.meta_path.insert(0, Interrupts())
runpy.run_module("bayesmixer", run_name="__main__")
"""
    out = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=60
    )
    assert (out.returncode, out.stdout, out.stderr) == (130, "", "stopped: interrupted\n")
