"""Tag variants of a reference: those that get a row."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bayesmixer.errors import InputError


def tag_ids(tags: str | Path | Iterable[str]) -> frozenset[str]:
    """Ids of a list, or of the first column of a file.

    Raises
    ------
    InputError
        There is no such file, or it cannot be read.
    """
    if not isinstance(tags, str | Path):
        return frozenset(map(str, tags))
    path = Path(tags)
    if not path.is_file():
        raise InputError(
            path, "no such file of tag variants", "One id a line, in the first column."
        )
    try:
        table = pd.read_csv(
            path, sep=r"\s+", header=None, usecols=[0], dtype=str, keep_default_na=False
        )
    except (
        pd.errors.EmptyDataError,
        pd.errors.ParserError,
        ValueError,
        OSError,
        EOFError,
    ) as error:
        raise InputError(
            path,
            f"cannot be read as a list of ids ({error})",
            "One id a line, in the first column.",
        ) from None
    return frozenset(table[0])


def is_tag_of(variants: pd.DataFrame, chrom: str, tags: frozenset[str] | None) -> NDArray[np.bool_]:
    """Which variants of a chromosome are tags, by id or by `chrom:pos`; all where `tags` is
    None.
    """
    if tags is None:
        return np.ones(len(variants), bool)
    by_place = (chrom + ":" + variants["pos"].astype(str)).isin(tags)
    return np.asarray(variants["snp"].isin(tags) | by_place, bool)
