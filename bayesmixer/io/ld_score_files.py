"""Files of LD scores as LD score regression lays them out: which lie at a prefix, and their columns
and totals read as arrays.

Neither pandas nor xarray is imported here: the estimators of LD score regression start without.
"""

from __future__ import annotations

import codecs
import os
import re
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from bayesmixer.errors import DataWarning, InputError
from bayesmixer.io import ld_score_cache
from bayesmixer.io.chromosomes import chromosome_name, chromosome_rank

Array = NDArray[np.float64]

PACKED = (".bz2", ".gz", ".xz")
ENDING = re.compile(r"\.l2\.ldscore(\.gz|\.bz2|\.xz)?$")
CHROMOSOME = r"(?:[1-9]\d?|X|Y)"
AUTOSOMES = 22
KNOWN = ("CHR", "SNP", "BP", "CM", "MAF")  # columns that are no scores
TOTALS = {"M": ".l2.M", "M_5_50": ".l2.M_5_50"}
MISSING = ["NA", "nan", "NaN", "."]


@dataclass(frozen=True)
class LDScores:
    """LD scores of variants with each annotation, in genome order.

    Attributes
    ----------
    snp
        (J,) identifiers.
    chrom, pos
        (J,) rank of the chromosome (1..22, 1001 for X), base pairs.
    names
        (A,) columns of the files, such as "L2" or "baseL2".
    values
        (J, A) LD scores.
    totals
        Numbers of variants of each annotation (A,): "M" of all, "M_5_50" of those with MAF above
        5%; what the files lack is not there.
    source
        Where they were read.
    sets
        (A,) which of several joined sets each annotation is of.
    """

    snp: pl.Series
    chrom: NDArray[np.int64]
    pos: NDArray[np.int64]
    names: tuple[str, ...]
    values: Array
    totals: dict[str, Array]
    source: str
    sets: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.snp)

    @property
    def annotations(self) -> list[str]:
        """Names without the ending L2 (base, for baseL2), numbered where two are alike."""
        short = [name.removesuffix("L2") or name for name in self.names]
        return [
            a if short.count(a) == 1 else f"{a}_{k}" for a, k in zip(short, self.sets, strict=True)
        ]

    def count(self, which: str) -> Array:
        """(A,) totals called `which`.

        Raises
        ------
        InputError
            The files lack them.
        """
        if which not in self.totals:
            raise InputError(
                self.source,
                f"no files *{TOTALS.get(which, which)} beside the LD scores",
                f"Give {' or '.join(sorted(self.totals))} in place of {which}, or numbers."
                if self.totals
                else "Give the numbers of variants (m).",
            )
        return self.totals[which]

    def of_annotations(self, kept: Sequence[int] | NDArray[np.intp]) -> LDScores:
        """Some of the annotations."""
        at = list(map(int, kept))
        return replace(
            self,
            names=tuple(self.names[i] for i in at),
            values=self.values[:, at],
            totals={k: v[at] for k, v in self.totals.items()},
            sets=tuple(self.sets[i] for i in at),
        )


def ldsc_files(path: str | Path) -> list[Path]:
    """Files of LD scores at `path`, [] where there is none: one file, those of a folder, or those
    whose names are `path` with a chromosome at its end or in place of `@` or `{chrom}`.

    Raises
    ------
    InputError
        The folder holds several sets of them.
    """
    return files_at(path, ENDING, "LD scores")


def files_at(path: str | Path, ending: re.Pattern[str], what: str) -> list[Path]:
    """As `ldsc_files`, of any ending."""
    whole = Path(path)
    if whole.is_file():
        return [whole] if ending.search(whole.name) else []
    folder, name = whole, rf"(.*?){CHROMOSOME}?"
    if not whole.is_dir():
        folder = whole.parent
        before, *after = map(re.escape, re.split(r"@|\{chrom\}", whole.name, maxsplit=1))
        name = f"({before}){CHROMOSOME}{after[0]}" if after else f"({before}){CHROMOSOME}?"
    if not folder.is_dir():
        return []
    sets: dict[str, dict[str, Path]] = {}
    # of one that lies there packed and unpacked the one that LDSC reads: bz2, gz, plain
    for file in sorted(folder.iterdir(), key=_packed):
        if (found := re.fullmatch(name + ending.pattern, file.name)) is not None:
            beside = sets.setdefault(found[1], {})
            beside.setdefault(ending.sub("", file.name), file)
    if len(sets) > 1:
        names = ", ".join(str(folder / prefix) for prefix in sorted(sets)[:4])
        raise InputError(path, f"{len(sets)} sets of {what}: {names}", "Give one of these.")
    return sorted(next(iter(sets.values()), {}).values())


def _packed(file: Path) -> int:
    """Before which others of one name a file is read."""
    return PACKED.index(file.suffix) if file.suffix in PACKED else len(PACKED)


def read_ld_scores(path: str | Path | Sequence[str | Path]) -> LDScores:
    """Read LD scores of all chromosomes that are there.

    Parameters
    ----------
    path
        A prefix as LDSC takes it: "eur_w_ld_chr/", "baseline.", "baseline.@.x" (@ is the
        chromosome), the beginning of one file of all chromosomes, or a file. Several, as a list or
        with commas between, are annotation sets of the same variants, joined column by column.

    Returns
    -------
    LDScores
        Variants in genome order; M and M_5_50 summed over the files.

    Raises
    ------
    InputError
        No files there, one that cannot be read, other columns from file to file, sets of other
        variants.

    Warns
    -----
    DataWarning
        A chromosome between others is not there.
    """
    sets = [_one_set(part) for part in prefixes(path)]
    first = sets[0]
    _tell_of_gaps(first)
    for other in sets[1:]:
        if len(other) != len(first) or not (other.snp == first.snp).all():
            raise InputError(
                other.source,
                f"{len(other):,} variants, not the {len(first):,} of {first.source} in their order",
                "Annotation sets that are joined hold the same variants.",
            )
    if len(sets) == 1:
        return first
    return LDScores(
        first.snp,
        first.chrom,
        first.pos,
        tuple(name for one in sets for name in one.names),
        np.concatenate([one.values for one in sets], axis=1),
        {
            k: np.concatenate([one.totals[k] for one in sets])
            for k in TOTALS
            if all(k in one.totals for one in sets)
        },
        ", ".join(one.source for one in sets),
        tuple(i for i, one in enumerate(sets) for _ in one.names),
    )


def prefixes(given: str | Path | Sequence[str | Path]) -> list[str | Path]:
    """Prefixes with commas between, or as they are; ~ is one's home, blanks and a comma at the end
    mean nothing.
    """
    if isinstance(given, str) and "," in given:
        given = [part for one in given.split(",") if (part := one.strip())]
    several = [given] if isinstance(given, str | Path) else given
    if not several or not all(map(str.strip, map(str, several))):
        raise InputError("LD scores", "no prefix of files given", "Such as eur_w_ld_chr/.")
    return [os.path.expanduser(one) if isinstance(one, str) else one for one in several]


def _tell_of_gaps(scores: LDScores) -> None:
    """Warn of chromosomes that are not there, though most between the first and the last are."""
    chrom = scores.chrom[np.diff(scores.chrom, prepend=-1) != 0].tolist()
    autosomes = [c for c in chrom if c <= AUTOSOMES]
    missing = sorted({*range(min(autosomes, default=0), max(autosomes, default=0))} - {*autosomes})
    if 0 < len(missing) < len(autosomes):
        warnings.warn(
            f"{scores.source}: no LD scores of chromosome {', '.join(map(str, missing))}, though "
            f"of {autosomes[0]} to {autosomes[-1]}: neither are its variants counted (M)",
            DataWarning,
            stacklevel=3,
        )


def _one_set(path: str | Path) -> LDScores:
    files = ldsc_files(path)
    if not files:
        raise InputError(path, "no LD scores (files such as 22.l2.ldscore.gz) there")
    beside = [at for end in TOTALS.values() for at in _beside(files, end) if at.is_file()]
    kept_at = ld_score_cache.place_of(files, beside)
    if (known := ld_score_cache.get(kept_at)) is not None:
        table, totals = known
        names = table.columns[3:]
        return LDScores(
            table["SNP"],
            table["CHR"].to_numpy(),
            table["BP"].to_numpy(),
            tuple(names),
            table.select(names).to_numpy(order="c"),
            {k: np.array(v) for k, v in totals.items()},
            str(path),
            (0,) * len(names),
        )
    found = _read_set(path, files)
    columns = {"SNP": found.snp, "CHR": found.chrom, "BP": found.pos}
    if not {*columns} & {*found.names}:
        table = pl.DataFrame(columns | dict(zip(found.names, found.values.T, strict=True)))
        ld_score_cache.put(kept_at, table, {k: v.tolist() for k, v in found.totals.items()})
    return found


def _beside(files: Sequence[Path], ending: str) -> list[Path]:
    """Files of totals that belong to files of LD scores."""
    return [file.with_name(f"{ENDING.sub('', file.name)}{ending}") for file in files]


def _read_set(path: str | Path, files: Sequence[Path]) -> LDScores:
    """LD scores of files, from their text."""
    names: list[str] = []
    places, parts = [], []
    for file in files:  # scores apart from places at once: of many annotations they are most of it
        table = score_table(file)
        found = [c for c in table.columns if c not in KNOWN]
        names = names or found
        if found != names:
            raise InputError(
                file,
                f"LD scores {', '.join(found)[:80]}, but {files[0].name} has "
                f"{', '.join(names)[:80]}",
            )
        places.append(table.select(KNOWN[:3]))
        parts.append(table.select(names).to_numpy())
    order = sorted(range(len(files)), key=lambda i: _rank(str(places[i]["CHR"][0])))
    whole = pl.concat([places[i] for i in order])
    values = _stacked([parts[i] for i in order])
    parts.clear()
    chrom = _ranks(whole["CHR"])
    pos = whole["BP"].to_numpy()
    if (np.diff(chrom) < 0).any() or ((np.diff(pos) < 0) & (np.diff(chrom) == 0)).any():
        sorted_rows = np.lexsort((pos, chrom))
        whole, chrom, pos = whole[sorted_rows], chrom[sorted_rows], pos[sorted_rows]
        values = values[sorted_rows]
    totals = {k: _totals(files, ending, names) for k, ending in TOTALS.items()}
    return LDScores(
        whole["SNP"],
        chrom,
        pos,
        tuple(names),
        values,
        {k: v for k, v in totals.items() if v is not None},
        str(path),
        (0,) * len(names),
    )


def _stacked(parts: list[Array]) -> Array:
    """Tables of LD scores one below the other; each is given up as it is copied."""
    out = np.empty((sum(map(len, parts)), parts[0].shape[1]))
    at = 0
    for i, part in enumerate(parts):
        out[at : at + len(part)] = part
        at += len(part)
        parts[i] = part[:0].copy()
    return out


def _rank(name: str) -> int:
    return chromosome_rank(chromosome_name(name))[0]


def _ranks(column: pl.Series) -> NDArray[np.int64]:
    names = column.unique().to_list()
    if len(names) == 1:
        return np.full(len(column), _rank(names[0]), np.int64)
    return column.replace_strict({n: _rank(n) for n in names}, return_dtype=pl.Int64).to_numpy()


def score_table(file: Path) -> pl.DataFrame:
    """Columns CHR (text), SNP, BP and the scores of one file.

    Raises
    ------
    InputError
        It cannot be read, lacks columns, or has gaps or letters among its numbers.
    """
    try:
        raw = file.read_bytes()
        raw = unpacked(raw, file.suffix)
        raw = tabbed(raw.removeprefix(codecs.BOM_UTF8)).rstrip() + b"\n"
        columns = raw[: raw.find(b"\n")].decode().strip("\r").split("\t")
        kept = [c for c in columns if c not in ("CM", "MAF")]
        lacks = [c for c in KNOWN[:3] if c not in kept]
        table = pl.DataFrame() if lacks else _parsed(raw, kept)
    except Exception as error:
        said = " ".join(str(error).split())[:120]
        raise InputError(file, f"cannot be read ({type(error).__name__}: {said})") from None
    if lacks:
        raise InputError(file, f"no column {', '.join(lacks)} among {', '.join(columns)}")
    if len(table.columns) < 4:
        raise InputError(file, "no column of LD scores (L2) behind CHR, SNP and BP")
    if not len(table):
        raise InputError(file, "no variants, a header alone")
    finite = all(s.is_finite().all() for s in table if s.dtype == pl.Float64)
    if sum(table.null_count().row(0)) or not finite:
        raise InputError(file, "a position or LD score is missing or not finite")
    return table


def _parsed(raw: bytes, columns: Sequence[str]) -> pl.DataFrame:
    """Columns of a table; positions may be written 100.0."""
    kinds: dict[str, Any] = {c: pl.Float64 for c in columns}
    kinds |= {"CHR": pl.String, "SNP": pl.String}

    def read(kind: Any) -> pl.DataFrame:
        return pl.read_csv(
            raw, separator="\t", columns=list(columns), null_values=MISSING,
            schema_overrides=kinds | {"BP": kind},
        )  # fmt: skip

    try:
        return read(pl.Int64)
    except pl.exceptions.ComputeError:
        return read(pl.Float64).with_columns(pl.col("BP").cast(pl.Int64))


def tabbed(raw: bytes) -> bytes:
    """A table with tabs between its columns, where its first line has blanks alone."""
    if b"\t" in raw[: raw.find(b"\n")]:
        return raw
    return re.sub(rb"[ \t]+", b"\t", re.sub(rb"(?m)^ +| +$", b"", raw))


def unpacked(raw: bytes, suffix: str) -> bytes:
    """Content of a file of this name's ending."""
    if suffix not in PACKED:
        return raw
    import bz2
    import gzip
    import lzma

    unpack = {".gz": gzip.decompress, ".bz2": bz2.decompress, ".xz": lzma.decompress}
    return unpack[suffix](raw)


def _totals(files: Sequence[Path], ending: str, names: Sequence[str]) -> Array | None:
    """Numbers of variants of each annotation summed over files, as in those of `ending` beside
    them; None where one lacks it.
    """
    total = np.zeros(len(names))
    for file, beside in zip(files, _beside(files, ending), strict=True):
        if not beside.is_file():
            return None
        try:
            numbers = np.array(beside.read_text().split(), float)
        except ValueError:
            raise InputError(beside, "not numbers") from None
        if not np.isfinite(numbers).all():
            raise InputError(beside, "a number that is not finite")
        if len(numbers) != len(names):
            raise InputError(
                beside, f"{len(numbers)} numbers, but {file.name} has {len(names)} LD scores"
            )
        total += numbers
    return total
