"""Errors that a user can act on: one line that says where, what was found, what was expected and
what to do.
"""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Iterator
from typing import Any

OF_THE_DISK = {
    getattr(errno, name)
    for name in (
        "ENOSPC",
        "EDQUOT",
        "EFBIG",
        "EROFS",
        "EACCES",
        "EPERM",
        "EIO",
        "ENXIO",
        "ESTALE",
        "ENODEV",
        "EMFILE",
        "ENFILE",
        "ENAMETOOLONG",
        "EPIPE",
    )
    if hasattr(errno, name)
}


class InputError(ValueError):
    """A file or an argument that cannot be used.

    The message is one line: the file or argument, what was found, what was expected, what to do.
    The command line prints it and exits with code 2.

    Parameters
    ----------
    where
        File name (with line where known) or argument name.
    problem
        What was found and what was expected.
    remedy
        What to do about it; left out where the problem says it.
    """

    def __init__(self, where: object, problem: str, remedy: str = "") -> None:
        self.where, self.problem, self.remedy = str(where), problem, remedy
        text = f"{where}: {problem}"
        if remedy:
            text = f"{text.rstrip('.')}. {remedy}"
        super().__init__(" ".join(text.split()))

    def __reduce__(self) -> tuple[Any, ...]:
        # the arguments of __init__ are not those of the message: without this no copy, and no
        # worker's error, would arrive
        return _again, (type(self), self.args, self.__dict__)


class DataWarning(UserWarning):
    """Something in the data or a fit that a user should read before trusting the result."""


def _again(kind: type[InputError], args: tuple[Any, ...], state: dict[str, Any]) -> InputError:
    """An error of whatever class made of what it held, whatever its class is made with."""
    error = kind.__new__(kind, *args)
    error.args = args
    error.__dict__.update(state)
    return error


def reason(error: BaseException) -> str:
    """Why the disk or the system refused, in its own words ("No space left on device"); "" where an
    error is of another kind.

    Libraries wrap such errors in others of their own; what they wrap, and numbers in their
    messages, are looked at.
    """
    for one in _chain(error):
        if isinstance(one, UnicodeEncodeError) and one.encoding != "utf-8":
            return "its name cannot be written in this locale; set LC_ALL=C.UTF-8"
        number = (one.errno if isinstance(one, OSError) else None) or _number(str(one))
        if number in OF_THE_DISK or (number and one is error):
            return os.strerror(number)
        if isinstance(one, OSError) and one is error:
            return str(one).split("\n")[0] or type(one).__name__
    return ""


def _chain(error: BaseException) -> Iterator[BaseException]:
    """The error, what it groups and what it came from."""
    todo, seen = [error], set()
    while todo:
        one = todo.pop(0)
        if id(one) in seen:
            continue
        seen.add(id(one))
        yield one
        todo += [*getattr(one, "exceptions", ())]
        todo += [
            e
            for e in (one.__cause__, None if one.__suppress_context__ else one.__context__)
            if e is not None
        ]


def _number(text: str) -> int:
    """Number of the system's error in the message of HDF5 ("errno = 28") or of Rust ("os error
    28"); 0 where there is none.
    """
    found = re.search(r"(?:errno = |os error |\[Errno )(\d+)", text)
    return int(found.group(1)) if found and int(found.group(1)) in errno.errorcode else 0
