"""What workers of the tests do; imports nothing heavy, for each of them is a new process."""

from __future__ import annotations

import os
import signal
import sys
import time

from bayesmixer.errors import InputError


def number(n: int) -> int:
    """The number."""
    return n


def bad_file(n: int) -> int:
    """An error of ours."""
    raise InputError(f"{n}.txt", "no column of z", "Name it.")


class Unfit(Exception):
    """An error that cannot be pickled, whatever distributed teaches pickle about errors."""

    def __init__(self, one: str, other: str) -> None:
        super().__init__(f"{one} and {other}")
        self.open = (i for i in range(1))


def defect(n: int) -> int:
    """An error of somebody whose copy cannot be made."""
    raise Unfit("this", "that")


def killed(n: int) -> int:
    """As for want of memory."""
    os.kill(os.getpid(), 9)
    return n


def gone(n: int) -> int:
    """As a library that ends the process."""
    os._exit(3)


def long(n: int) -> int:
    """Says who it is, then works on."""
    print(os.getpid(), flush=True)
    time.sleep(60)
    return n


if __name__ == "__main__":
    from bayesmixer.workers import run

    signal.signal(
        signal.SIGINT, signal.default_int_handler
    )  # which a shell's background processes ignore
    try:
        list(run(long, [(1,), (2,)], 2))
    except KeyboardInterrupt:
        sys.exit(130)
