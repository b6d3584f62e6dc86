"""What the user said about a file: column names by role, sample sizes as numbers, the genome
build.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from bayesmixer.errors import InputError
from bayesmixer.io.names import normalise

DECIMALS = {"point": ".", "comma": ",", ".": ".", ",": ","}


@dataclass(frozen=True)
class Given:
    """What the user said: column names by role, sample sizes as numbers, and choices."""

    columns: Mapping[str, str]
    sample_size: float | None = None
    n_case: float | None = None
    n_control: float | None = None
    a1_increasing: bool = False
    z_from: str = "auto"
    trait: str = ""
    decimal: str = "."

    def __post_init__(self) -> None:
        if self.decimal not in DECIMALS:
            raise InputError(
                "decimal", f"'{self.decimal}' is no decimal sign", "Give 'point' or 'comma'."
            )

    @property
    def decimal_comma(self) -> bool:
        """Whether numbers are written 0,05."""
        return DECIMALS[self.decimal] == ","


def numeric_or_name(value: str | float | None, role: str) -> tuple[str | None, float | None]:
    """Split an option that may be a column's name or a number."""
    if value is None or isinstance(value, int | float):
        return None, None if value is None else float(value)
    try:
        return None, float(value)
    except ValueError:
        if not value:
            raise InputError(role, "is empty", "Give a column's name or a number.") from None
        return value, None


def known_build(build: str) -> str:
    """GRCh37 or GRCh38 from any of their names."""
    plain = normalise(build)
    if plain in {"", "grch37", "hg19", "b37", "37", "19"}:
        return "GRCh37" if plain else ""
    if plain in {"grch38", "hg38", "b38", "38"}:
        return "GRCh38"
    raise InputError("build", f"'{build}' is no known genome build", "Give GRCh37 or GRCh38.")


def given_columns(**names: str | None) -> dict[str, str]:
    """Column names that the user chose, without those left out."""
    return {role: name for role, name in names.items() if name}
