"""Annotations of the variants of a panel: LDSC's annot files (whole, or "thin": values alone), and
BED files of regions, binary or continuous, held in the smallest type that holds their values.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bayesmixer.errors import InputError
from bayesmixer.io.chromosomes import chromosome_name
from bayesmixer.io.compression import ByteStream
from bayesmixer.io.regions import Regions

PLACE = ("CHR", "BP", "SNP", "CM")  # columns of an annot file that are no annotations
AT_ONCE = 1 << 23  # bytes of text parsed at a time
_SMALL = (np.int8, np.float32)

Float = NDArray[np.float64]


@dataclass(frozen=True)
class Annotations:
    """Names (annotation,) and values (variant, annotation); `snp` (variant,) where a file has
    them.
    """

    names: list[str]
    values: NDArray[Any]
    snp: NDArray[Any] | None = None


def read_annotations(path: str | Path, chrom: object, *, thin: bool = False) -> Annotations:
    """Annotations of one chromosome, of an annot file as LDSC has them.

    Parameters
    ----------
    path
        The file, or its name with `@` or `{chrom}` for the chromosome.
    chrom
        The chromosome.
    thin
        A file of values alone, a row for each variant of the panel in its order.

    Returns
    -------
    Annotations

    Raises
    ------
    InputError
        The file cannot be read, has no column SNP (nor is thin), or holds what is no number.
    """
    name = chromosome_name(chrom)
    file = Path(str(path).replace("{chrom}", name).replace("@", name))
    stream = ByteStream(file)
    try:
        head = _line(stream)
        columns = head[0].split()
        if "SNP" not in columns and not thin:
            remedy = "A file of values alone is read with thin_annot=True (--thin-annot)."
            raise InputError(file, f"no column SNP among {_few(columns)}", remedy)
        names = [c for c in columns if c not in PLACE]
        if not names:
            raise InputError(file, f"no annotation, but {_few(columns)}")
        rest = head[1]
        blocks: list[NDArray[Any]] = []
        snps: list[NDArray[Any]] = []
        while (text := stream.read(AT_ONCE)) or rest:
            whole, _, left = (rest + text).rpartition(b"\n") if text else (rest, b"", b"")
            rest = left
            if whole.strip():
                values, snp = _numbers(file, whole, columns, names, head[0])
                blocks.append(values)
                snps += [] if snp is None else [snp]
    finally:
        stream.close()
    if not blocks:
        raise InputError(file, "no row below the header")
    snp = np.concatenate(snps) if snps else None
    return Annotations(names, blocks[0] if len(blocks) == 1 else np.concatenate(blocks), snp)


def from_table(table: pd.DataFrame) -> Annotations:
    """Annotations of a table with a column SNP and columns of numbers.

    Raises
    ------
    InputError
        It has no such columns.
    """
    names = [str(c) for c in table.columns if c not in PLACE]
    numbers = table.drop(columns=[c for c in PLACE if c in table])
    if "SNP" not in table or not names or not all(d.kind in "iufb" for d in numbers.dtypes):
        found = f"columns {_few(list(map(str, table.columns)))}"
        raise InputError("annotations", f"{found}, expected SNP and columns of numbers")
    return Annotations(names, numbers.to_numpy(np.float64), table["SNP"].to_numpy(str))


def of_regions(
    beds: Mapping[str, str | Path] | Sequence[str | Path], chrom: str, pos: NDArray[np.int64]
) -> Annotations:
    """Annotations that are 1 in the regions of a BED file and 0 elsewhere.

    Parameters
    ----------
    beds
        BED files (0-based, half-open) by the names of their annotations; without names, those of
        the files without their endings.
    chrom, pos
        Chromosome and positions (variant,) of the variants.

    Raises
    ------
    InputError
        A file that is none of regions, or two of one name.
    """
    import polars as pl

    named = (
        dict(beds)
        if isinstance(beds, Mapping)
        else {Path(b).name.removesuffix(".bed"): b for b in beds}
    )
    if len(named) < len(beds):
        raise InputError("bed", "two files of one name", "Name the annotations: NAME=FILE.")
    for file in named.values():
        if not Path(file).is_file():
            raise InputError(file, "no such file of regions")
    chroms, at = pl.repeat(chrom, len(pos), eager=True), pl.Series(pos)
    columns = [Regions([file]).contains(chroms, at).to_numpy() for file in named.values()]
    return Annotations(list(named), np.stack(columns, 1).astype(np.int8))


def of_variants(
    annotations: Annotations, snp: NDArray[Any], what: object, panel: object
) -> NDArray[Any]:
    """Values (variant, annotation) of the variants of a panel.

    Parameters
    ----------
    annotations
        With names of variants: a row for each of the panel, in any order (only in the panel's
        where a name is there twice). Without: a row for each, in its order.
    snp
        (variant,) names.
    what, panel
        What the annotations are of and whose the variants are, for errors.

    Raises
    ------
    InputError
        Another number of rows, or a variant without a row of numbers.
    """
    rows, values = len(annotations.values), annotations.values
    if annotations.snp is None:
        if rows != len(snp):
            found = f"{rows:,} rows, but {panel} has {len(snp):,} variants"
            raise InputError(what, found, "Give a row for every variant, in its order.")
        return _finite(values, snp, what, panel)
    if rows == len(snp) and np.array_equal(annotations.snp, snp):
        return _finite(values, snp, what, panel)
    index = pd.Index(annotations.snp)
    if index.has_duplicates:
        first = index[index.duplicated()][0]
        found = f"{first} has more than one row, and the rows are not those of {panel} in its order"
        raise InputError(what, found)
    where = index.get_indexer(pd.Index(snp))
    if (where < 0).any():
        lacks = snp[where < 0]
        found = f"{len(lacks):,} variants of {panel} without, the first {lacks[0]}"
        raise InputError(what, found, "Give a row of numbers for every variant.")
    return _finite(values[where], snp, what, panel)


def _finite(values: NDArray[Any], snp: NDArray[Any], what: object, panel: object) -> NDArray[Any]:
    if values.dtype.kind == "f" and not (whole := np.isfinite(values).all(axis=1)).all():
        lacks = snp[~whole]
        found = f"{len(lacks):,} variants of {panel} without, the first {lacks[0]}"
        raise InputError(what, found, "Give a row of numbers for every variant.")
    return values


def _line(stream: ByteStream) -> tuple[str, bytes]:
    """The first line, and what was read beyond it."""
    text = b""
    while b"\n" not in text and (more := stream.read(1 << 16)):
        text += more
    line, _, rest = text.partition(b"\n")
    return line.decode("utf-8", "replace"), rest


def _numbers(
    file: Path, text: bytes, columns: list[str], names: list[str], head: str
) -> tuple[NDArray[Any], NDArray[Any] | None]:
    """Values and names of variants of some lines of an annot file."""
    try:
        if head.count("\t") == len(columns) - 1:  # much faster than any blanks
            import polars as pl

            kinds = {c: pl.String if c in PLACE else pl.Float64 for c in columns}
            options: Any = {"separator": "\t", "has_header": False, "null_values": ["NA", ""]}
            frame = pl.read_csv(text, schema=kinds, **options)
            snp = frame["SNP"].to_numpy() if "SNP" in columns else None
            values = frame.select(names).to_numpy()
        else:
            texts = dict.fromkeys(("CHR", "SNP"), str)
            lines = io.BytesIO(text)
            table = pd.read_csv(lines, sep=r"\s+", header=None, names=columns, dtype=texts)
            snp = table["SNP"].to_numpy() if "SNP" in columns else None
            values = table[names].to_numpy(np.float64)
    except Exception as error:
        found = " ".join(str(error).split("\n")[0].split())
        raise InputError(file, f"cannot be read ({found})", "Expected numbers.") from None
    return _smallest(values), None if snp is None else snp.astype(str)


def _smallest(values: Float) -> NDArray[Any]:
    """The same values in fewer bytes where they are whole and small, or single precision."""
    for kind in _SMALL:
        with np.errstate(invalid="ignore", over="ignore"):
            small = values.astype(kind)
        if np.array_equal(small, values, equal_nan=kind is np.float32):
            return small
    return values


def _few(columns: Sequence[str]) -> str:
    return ", ".join(columns[:8]) + (", ..." if len(columns) > 8 else "")
