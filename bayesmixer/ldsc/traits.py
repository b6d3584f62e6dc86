"""Summary statistics of a trait as the regressions take them, and the codes of its alleles.

Neither pandas nor xarray is imported here; files of other formats than LDSC's go through the
general reader, which imports them.
"""

from __future__ import annotations

import os
import warnings
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from bayesmixer.errors import DataWarning, InputError
from bayesmixer.io.ld_score_files import MISSING

Array = NDArray[np.float64]
Index = NDArray[np.int64]

COLUMNS = ("SNP", "A1", "A2", "Z", "N")
LETTERS = "ACGT"
OTHER = 16  # code of alleles that are no pair of different bases


@dataclass(frozen=True)
class Trait:
    """Summary statistics of one trait.

    Attributes
    ----------
    name, source
        Of the trait; the file or object.
    snp
        (V,) identifiers.
    z, n
        (V,).
    alleles
        (V,) effect allele and other allele as one number, 4 times the first's place in ACGT and
        the second's, `OTHER` for what is no pair of bases; None where the file has none.
    """

    name: str
    source: str
    snp: pl.Series
    z: Array
    n: Array
    alleles: NDArray[np.uint8] | None

    def __len__(self) -> int:
        return len(self.z)

    def at(self, rows: Index) -> Trait:
        """Some of its variants, without identifiers, which of many traits would fill the memory;
        nothing is copied where they are all, as they stand.
        """
        same = len(rows) == len(self) and bool((np.diff(rows) == 1).all())
        codes = self.alleles
        return Trait(
            self.name,
            self.source,
            self.snp.clear(),
            self.z if same else self.z[rows],
            self.n if same else self.n[rows],
            codes if same or codes is None else codes[rows],
        )


@dataclass(frozen=True)
class Origin:
    """Where summary statistics are from.

    Attributes
    ----------
    name, source
        Of the trait; the file or object.
    n_read, n_reference, n_weights
        Variants that were read, those of them with an LD score of the reference, and with a weight
        too.
    """

    name: str
    source: str
    n_read: int
    n_reference: int
    n_weights: int


def read_trait(sumstats: Any, where: str = "sumstats") -> Trait:
    """A trait from a path, a Sumstats dataset, or a table with the columns SNP, Z, N (A1, A2).

    Raises
    ------
    InputError
        It cannot be read or lacks z or N, or no variant has both.
    """
    if isinstance(sumstats, Trait):
        return sumstats
    name, source = "", where
    if isinstance(sumstats, str | os.PathLike):
        path = Path(sumstats)
        name, source = _stem(path), str(path)
        table = _ldsc_table(path)
        if table is None:
            from bayesmixer.io.sumstats import read_sumstats

            sumstats = read_sumstats(path)
        else:
            return _of_table(table, name, source)
    if hasattr(sumstats, "data_vars"):
        lacking = [v for v in ("snp", "z", "n") if v not in sumstats]
        if lacking or sumstats["z"].ndim != 1:
            raise InputError(
                where,
                f"no {', '.join(lacking)} in it" if lacking else "several traits in it",
                "Give what read_sumstats returns.",
            )
        given = {
            column: sumstats[v].values
            for column, v in zip(COLUMNS, ("snp", "a1", "a2", "z", "n"), strict=True)
            if v in sumstats
        }
        table = pl.DataFrame(
            {c: pl.Series(v.astype(str)) if v.dtype.kind in "OUST" else v for c, v in given.items()}
        )
        name = str(sumstats.attrs.get("trait") or name or where)
        return _of_table(table, name, str(sumstats.attrs.get("source") or source))
    if isinstance(sumstats, pl.DataFrame):
        table = sumstats
    elif hasattr(sumstats, "columns") and hasattr(sumstats, "to_dict"):
        table = pl.DataFrame(
            {
                c: sumstats[c].to_numpy() if c in ("Z", "N") else sumstats[c].astype(str).to_list()
                for c in COLUMNS
                if c in sumstats
            }
        )
    else:
        raise InputError(
            where,
            f"a {type(sumstats).__name__}, expected a path, what read_sumstats returns, or a table "
            "with the columns SNP, A1, A2, Z and N",
        )
    return _of_table(table, name or where, source)


def _stem(path: Path) -> str:
    name = path.name
    for ending in (".gz", ".bz2", ".xz", ".zst", ".parquet", ".tsv", ".txt", ".sumstats"):
        name = name.removesuffix(ending)
    return name


def _ldsc_table(path: Path) -> pl.DataFrame | None:
    """Columns of a file in LDSC's own format, or None where it is another, or one that the general
    reader must see: with broken lines, text among numbers, damaged.
    """
    if path.suffix == ".parquet":
        found = pl.read_parquet(path)
        return found if {"SNP", "Z", "N"} <= set(found.columns) else None
    try:
        raw = path.read_bytes()
        head = _head(raw) if path.suffix == ".gz" else raw[: max(raw.find(b"\n"), 0)]
    except OSError as error:
        raise InputError(path, f"cannot be read ({error.strerror or error})") from None
    except zlib.error:
        return None
    first = head.decode("utf-8", "replace").strip("\r")
    for separator in ("\t", " "):
        names = first.split(separator)
        if {"SNP", "Z", "N"} <= set(names):
            break
    else:
        return None
    kept = [c for c in names if c in COLUMNS]
    if len(set(kept)) < len(kept):
        return None
    bases = pl.Enum(list(LETTERS))
    # to look for words that mean missing, and letters that are no bases, takes twice as long
    for letters, missing in ((bases, None), (bases, ["", *MISSING]), (pl.String, ["", *MISSING])):
        types = {c: pl.Float64 if c in ("Z", "N") else letters for c in kept} | {"SNP": pl.String}
        try:
            table = pl.read_csv(
                raw, separator=separator, columns=kept, null_values=missing, schema_overrides=types
            )
        except (pl.exceptions.PolarsError, OSError):
            continue
        if missing is not None or not _may_be_missing(table):
            return table
    return None


def _may_be_missing(table: pl.DataFrame) -> bool:
    """Whether a value is a word for none (`MISSING`)."""
    snp = table["SNP"]
    short = snp.filter(snp.str.len_bytes() <= max(map(len, MISSING)))  # few are, and quick to find
    return short.is_in(MISSING).any() or any(table[c].is_nan().any() for c in ("Z", "N"))


def _head(raw: bytes) -> bytes:
    """First line of what is packed by gzip."""
    unpack, text = zlib.decompressobj(31), b""
    for at in range(0, len(raw), 1 << 16):
        text += unpack.decompress(raw[at : at + (1 << 16)])
        if (end := text.find(b"\n")) >= 0:
            return text[:end]
    return b""


def _of_table(table: pl.DataFrame, name: str, source: str) -> Trait:
    if lacking := [c for c in ("SNP", "Z", "N") if c not in table.columns]:
        raise InputError(source, f"no column {', '.join(lacking)}")
    table = table.select([c for c in COLUMNS if c in table.columns])
    numbers = pl.col("Z", "N").cast(pl.Float64, strict=False)
    table = table.with_columns(pl.col("SNP").cast(pl.String), numbers)
    needed = ("SNP", "Z", "N")
    if sum(table.select(needed).null_count().row(0)):
        table = table.drop_nulls(needed)
    n = table["N"].to_numpy()
    bad = ~(np.isfinite(table["Z"].to_numpy()) & (n > 0) & np.isfinite(n))
    if not len(table) or bad.all():
        raise InputError(source, "no variant with both z and N above 0")
    if bad.any():
        warnings.warn(
            f"{source}: {int(bad.sum()):,} of {len(bad):,} rows left out, whose z is not finite or "
            "whose N is not a number above 0",
            DataWarning,
            stacklevel=3,
        )
        table = table.filter(~bad)
    alleles = None
    there = [c for c in ("A1", "A2") if c in table.columns and table[c].null_count() < len(table)]
    if len(there) == 2:
        alleles = _codes(table["A1"], table["A2"])
    return Trait(name, source, table["SNP"], table["Z"].to_numpy(), table["N"].to_numpy(), alleles)


def _codes(a1: pl.Series, a2: pl.Series) -> NDArray[np.uint8]:
    letters = pl.Enum(list(LETTERS))
    x, y = (
        (a if a.dtype == letters else a.str.to_uppercase().cast(letters, strict=False))
        .to_physical()
        .cast(pl.UInt8)
        .fill_null(9)
        .to_numpy()
        for a in (a1, a2)
    )
    return np.where((x == y) | (x > 3) | (y > 3), OTHER, 4 * x + y).astype(np.uint8)


def _signs() -> NDArray[np.int8]:
    """(17, 17): 1 where two codes are the same variant with the same effect allele on either
    strand, -1 where the effect alleles are swapped, 0 where they are different variants or the
    strand cannot be told.
    """
    out = np.zeros((OTHER + 1, OTHER + 1), np.int8)
    for i in range(16):
        for j in range(16):
            a, b, c, d = i // 4, i % 4, j // 4, j % 4
            if a == b or a + b == 3 or c == d:  # the complement of a base is 3 less its place
                continue
            out[i, j] = ((c, d) in ((a, b), (3 - a, 3 - b))) - int(
                (c, d) in ((b, a), (3 - b, 3 - a))
            )
    return out


SIGNS = _signs()
