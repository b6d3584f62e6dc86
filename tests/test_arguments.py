"""Arguments are refused in one line that says what was given and what is expected."""

import numpy as np
import pytest

from bayesmixer.arguments import choice, fraction, whole_number
from bayesmixer.errors import InputError


@pytest.mark.parametrize(
    ("check", "words"),
    [
        (lambda: choice("by", "rsid", ["id", "auto"]), "by: 'rsid', expected one of id, auto"),
        (lambda: choice("by", ["id"], ["id"]), "by: ['id'], expected one of id"),
        (lambda: whole_number("k", 2.0, 1), "k: 2.0, expected a whole number of at least 1"),
        (lambda: whole_number("k", True, 0), "k: True, expected a whole number of at least 0"),
        (lambda: whole_number("k", None, 0), "k: None, expected a whole number of at least 0"),
        (lambda: whole_number("k", 9, 10), "k: 9, expected a whole number of at least 10"),
        (
            lambda: whole_number("k", 10**6, 4, 10**4),
            "k: 1000000, expected a whole number from 4 to 10,000",
        ),
        (lambda: fraction("p", 1), "p: 1, expected a number between 0 and 1"),
        (lambda: fraction("p", "x"), "p: 'x', expected a number between 0 and 1"),
        (
            lambda: fraction("p", float("nan"), "a probability"),
            "p: nan, expected a probability between 0 and 1",
        ),
    ],
)
def test_what_cannot_be_used_is_told_with_what_is_expected(check, words):
    with pytest.raises(InputError) as caught:
        check()
    assert str(caught.value) == words


def test_numbers_of_numpy_are_numbers():
    assert type(whole_number("k", np.int32(4), 4, 4)) is int
    assert fraction("p", np.float32(0.5)) == 0.5
