"""Arguments of functions, checked alike everywhere: one line says what was given and what is
expected.
"""

from __future__ import annotations

from collections.abc import Iterable
from numbers import Integral, Real
from typing import Any

from bayesmixer.errors import InputError


def choice(name: str, value: Any, choices: Iterable[str]) -> None:
    """Refuse what is not one of the choices.

    Raises
    ------
    InputError
        It is not.
    """
    choices = list(choices)
    if value not in choices:
        raise InputError(name, f"{value!r}, expected one of {', '.join(choices)}")


def whole_number(name: str, value: Any, least: int, most: int | None = None) -> int:
    """A whole number within limits, as int.

    Raises
    ------
    InputError
        It is another thing (True, 2.0), or outside.
    """
    if (
        isinstance(value, bool)
        or not isinstance(value, Integral)
        or not least <= int(value)
        or (most is not None and int(value) > most)
    ):
        limits = f"of at least {least}" if most is None else f"from {least:,} to {most:,}"
        raise InputError(name, f"{value!r}, expected a whole number {limits}")
    return int(value)


def fraction(name: str, value: Any, what: str = "a number") -> float:
    """A number between 0 and 1, neither of them, as float.

    Raises
    ------
    InputError
        It is not.
    """
    if isinstance(value, bool) or not isinstance(value, Real) or not 0 < float(value) < 1:
        raise InputError(name, f"{value!r}, expected {what} between 0 and 1")
    return float(value)
