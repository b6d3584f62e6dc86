"""Ctrl-C is never lost: one that a library swallows is remembered, and raised again at the next
safe point.

Python raises KeyboardInterrupt wherever it is at that moment. In a callback from C (LLVM tells
numba of every function that it has compiled by one), in a `__del__` or a weak reference's callback
the exception is printed and dropped, and the work runs on; samplers catch it and return what they
have.
"""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_pending = False
_depth = 0


def check() -> None:
    """Raise KeyboardInterrupt if there was a Ctrl-C that has not ended the work; cheap, for every
    loop that lasts.
    """
    if _pending and threading.current_thread() is threading.main_thread():
        raise KeyboardInterrupt


@contextmanager
def remembered() -> Iterator[None]:
    """Context manager from which a Ctrl-C leads out as KeyboardInterrupt, whatever became of the
    exception on the way.

    Does nothing in other threads than the first, or where someone else handles SIGINT.
    """
    global _pending, _depth
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    outermost = _depth == 0 and signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if not outermost and _depth == 0:
        yield
        return
    shown = sys.unraisablehook
    if outermost:
        _pending = False
        signal.signal(signal.SIGINT, _remember)
        # what is remembered need not be printed where it was swallowed
        sys.unraisablehook = lambda told: (
            None if isinstance(told.exc_value, KeyboardInterrupt) else shown(told)
        )
    _depth += 1
    try:
        yield
    except Exception:
        if (
            _pending
        ):  # an interruption in disguise: an import that failed, a callback that returned nothing
            raise KeyboardInterrupt from None
        raise
    else:
        check()
    finally:
        _depth -= 1
        if outermost:
            signal.signal(signal.SIGINT, signal.default_int_handler)
            sys.unraisablehook = shown
            _pending = False


def _remember(number: int, frame: FrameType | None) -> None:
    global _pending
    _pending = True
    raise KeyboardInterrupt
