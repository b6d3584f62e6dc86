"""Names of chromosomes: one spelling whatever the file, and genome order."""

from __future__ import annotations

import re

_SEX = {"23": "X", "24": "Y", "25": "X", "26": "MT", "M": "MT"}


def chromosome_name(name: object) -> str:
    """Plain name of a chromosome: `"chr1"`, `"01"` and `1` become `"1"`, `"23"` becomes `"X"`."""
    text = (
        re.sub(r"^chr(omosome)?[_ ]?", "", str(name).strip(), flags=re.IGNORECASE)
        .upper()
        .removesuffix(".0")
    )
    text = str(int(text)) if text.isdecimal() else text
    return _SEX.get(text, text)


def chromosome_rank(name: str) -> tuple[int, str]:
    """Sort key of genome order: 1..22, X, Y, MT, then anything else by name."""
    if name.isdecimal():
        return int(name), ""
    return {"X": 1001, "Y": 1002, "MT": 1003}.get(name, 1004), name
