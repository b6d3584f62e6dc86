"""Genotypes of a reference panel: PLINK bed and PLINK2 pgen files behind one reader, a chromosome
at a time.

Both are read as hard calls 0, 1, 2 of the counted allele (`a1`: allele 1 of a bim file, ALT of a
pvar file), negative where missing.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bayesmixer.errors import InputError
from bayesmixer.io.chromosomes import chromosome_name, chromosome_rank
from bayesmixer.io.compression import lines_of
from bayesmixer.io.variant_tables import read_bim, read_fam, read_psam, read_pvar

# a byte of a bed file is four samples, two bits each from the lowest, for 2 copies of allele 1,
# missing, 1 and 0; here its four int8 calls
_CALLS = np.array([2, -1, 1, 0], np.int8)[np.arange(256)[:, None] >> np.arange(0, 8, 2) & 3]
_CALLS = _CALLS.reshape(256, 4).view(np.uint32)[:, 0]
_SUFFIXES = (".bed", ".bim", ".fam", ".pgen", ".pvar", ".psam")


@dataclass
class Panel:
    """Genotypes of one chromosome.

    Attributes
    ----------
    chrom
        Name of the chromosome, such as "22".
    variants
        `snp`, `cm`, `pos`, `a1`, `a2`, sorted by position.
    n_samples
        Samples that are read.
    files
        The files it comes from.
    """

    chrom: str
    variants: pd.DataFrame
    n_samples: int
    files: tuple[Path, Path, Path]
    offset: int
    file_variants: int
    file_samples: int
    keep: NDArray[np.uint32] | None = None
    _open: Any = field(default=None, repr=False)

    def read(self, start: int, stop: int) -> NDArray[np.int8]:
        """Genotypes of the variants start..stop-1.

        Returns
        -------
        numpy.ndarray
            int8, shape (stop - start, n_samples): 0, 1 or 2 copies of `a1`, negative where missing.
        """
        a, b = self.offset + start, self.offset + stop
        path = self.files[0]
        try:
            if path.suffix == ".bed":
                width = -(-self.file_samples // 4)
                codes = np.fromfile(path, np.uint8, (b - a) * width, offset=3 + a * width)
                g = _CALLS[codes.reshape(b - a, width)].view(np.int8)
                chosen = slice(self.file_samples) if self.keep is None else self.keep
                return np.ascontiguousarray(g[:, chosen])
            if self._open is None:
                from pgenlib import PgenReader

                self._open = PgenReader(
                    bytes(path),
                    raw_sample_ct=self.file_samples,
                    variant_ct=self.file_variants,
                    sample_subset=self.keep,
                )
            out = np.empty((b - a, self.n_samples), np.int8)
            self._open.read_range(a, b, out)
            return out
        except (OSError, RuntimeError, ValueError) as error:
            raise InputError(
                path,
                f"genotypes cannot be read ({error})",
                "Check that the file is whole and belongs to its variants and samples.",
            ) from None

    def close(self) -> None:
        """Close the file."""
        if self._open is not None and hasattr(self._open, "close"):
            self._open.close()
        self._open = None


def sha256(path: Path) -> str:
    """SHA-256 of a file as it lies on disk, as hexadecimal text."""
    with path.open("rb") as f:
        return hashlib.file_digest(f, "sha256").hexdigest()


def open_panels(
    genotypes: str | Path | Sequence[str | Path],
    *,
    keep: str | Path | Iterable[str] | None = None,
    chromosomes: Iterable[object] | None = None,
) -> list[Panel]:
    """Find the genotypes of each chromosome and check the files that describe them.

    Parameters
    ----------
    genotypes
        A prefix, a .bed or .pgen file, a pattern with `{chrom}`, `@` or `*` in place of the
        chromosome, or a list of these.
    keep
        Sample ids to use: a file (ids in the first column, or in the second of two or more) or the
        ids; all samples by default.
    chromosomes
        Names of the chromosomes to use; by default the autosomes.

    Returns
    -------
    list of Panel
        In genome order.

    Raises
    ------
    InputError
        A file is missing, truncated, of another format, or does not fit the others; variants are
        not sorted; nothing is left.
    """
    wanted = (
        None
        if chromosomes is None
        else [
            chromosome_name(c)
            for c in ([chromosomes] if isinstance(chromosomes, str | int) else chromosomes)
        ]
    )
    if wanted is not None and not wanted:
        raise InputError(
            "chromosomes",
            "an empty list",
            "Name at least one chromosome, or leave the argument out.",
        )
    ids = None if keep is None else _sample_ids(keep)
    panels: dict[str, Panel] = {}
    found: set[str] = set()
    for path in _find(genotypes, wanted):
        for panel in _panels_of_file(path, ids, wanted, found):
            if panel.chrom in panels:
                raise InputError(
                    path,
                    f"chromosome {panel.chrom} is also in {panels[panel.chrom].files[0]}",
                    "Give each chromosome once.",
                )
            panels[panel.chrom] = panel
    missing = [c for c in wanted or () if c not in panels]
    if missing:
        raise InputError(
            "chromosomes",
            f"no variant of chromosome {', '.join(missing)} (found: "
            f"{', '.join(sorted(found, key=chromosome_rank))})",
        )
    if not panels:
        raise InputError(
            genotypes,
            f"no autosome among the chromosomes {', '.join(sorted(found, key=chromosome_rank))}",
            "Name those to use with chromosomes.",
        )
    return [panels[c] for c in sorted(panels, key=chromosome_rank)]


def _find(genotypes: str | Path | Sequence[str | Path], wanted: list[str] | None) -> list[Path]:
    """.bed or .pgen files of the argument."""
    items = [genotypes] if isinstance(genotypes, str | Path) else list(genotypes)
    if not items:
        raise InputError(
            "genotypes", "an empty list", "Give a prefix of bed/bim/fam or pgen/pvar/psam files."
        )
    out: list[Path] = []
    for item in items:
        text = str(item)
        for suffix in _SUFFIXES:
            text = text.removesuffix(suffix)
        pattern = text.replace("{chrom}", "*").replace("@", "*")
        if "*" in pattern:
            out += _glob(item, text, pattern, wanted)
            continue
        beds = [p for p in (Path(text + ".bed"), Path(text + ".pgen")) if p.is_file()]
        if Path(item) in beds:
            beds = [Path(item)]
        if not beds:
            what = (
                "is a folder"
                if Path(text).is_dir()
                else f"neither {text}.bed nor {text}.pgen exists"
            )
            raise InputError(
                item,
                what,
                "Give the prefix of bed/bim/fam or pgen/pvar/psam files, with {chrom} or @ in "
                "place of the chromosome.",
            )
        out.append(beds[0])
    return list(dict.fromkeys(out))


def _glob(item: object, text: str, pattern: str, wanted: list[str] | None) -> list[Path]:
    folder, name = Path(pattern).parent, Path(pattern).name
    if "*" in str(folder):
        raise InputError(
            item,
            "the chromosome stands in the name of a folder",
            "Give a list of prefixes instead.",
        )
    out: list[Path] = []
    # {chrom} and @ stand for a chromosome's name, * for anything
    regex = (
        re.escape(Path(text).name)
        .replace(re.escape("{chrom}"), "(?P<c>[0-9A-Za-z]+)", 1)
        .replace("@", "(?P<c>[0-9A-Za-z]+)", 1)
        .replace(r"\*", ".*")
    )
    regex = regex.replace(re.escape("{chrom}"), "(?P=c)").replace("@", "(?P=c)")
    for suffix in (".bed", ".pgen"):
        for path in sorted(folder.glob(name + suffix)) if folder.is_dir() else []:
            match = re.fullmatch(regex, path.name.removesuffix(suffix))
            if match is None or (
                wanted is not None
                and "c" in match.groupdict()
                and chromosome_name(match["c"]) not in wanted
            ):
                continue
            if path.with_suffix("").as_posix() not in {p.with_suffix("").as_posix() for p in out}:
                out.append(path)
    if not out:
        which = f" of chromosome {', '.join(wanted)}" if wanted else ""
        raise InputError(
            item, f"no .bed or .pgen file matches{which}", "Check the folder and the pattern."
        )
    return out


def _sample_ids(keep: str | Path | Iterable[str]) -> set[str]:
    if not isinstance(keep, str | Path):
        return {str(i) for i in keep}
    path = Path(keep)
    if not path.is_file():
        raise InputError(
            path, "no such file of sample ids", "One sample a line: its id, or family and id."
        )
    lines = [line.split() for line in lines_of(path)]
    return {
        words[1] if len(words) > 1 else words[0]
        for words in lines
        if words and not words[0].startswith("#")
    }


def _panels_of_file(
    path: Path, ids: set[str] | None, wanted: list[str] | None, found: set[str]
) -> list[Panel]:
    """Check one file set and cut it into chromosomes."""
    bed = path.suffix == ".bed"
    names = (".bim", ".fam") if bed else (".pvar", ".psam")
    files = (path, path.with_suffix(names[0]), path.with_suffix(names[1]))
    table = read_bim(files[1]) if bed else read_pvar(files[1])
    samples = read_fam(files[2]) if bed else read_psam(files[2])
    (_check_bed if bed else _check_pgen)(path, len(table), len(samples))
    rows: NDArray[np.uint32] | None = None
    if ids is not None:
        rows = np.flatnonzero([s in ids for s in samples]).astype(np.uint32)
        if not len(rows):
            raise InputError(
                "keep",
                f"none of the {len(ids):,} sample ids is among the {len(samples):,} of {files[2]}",
                f"Ids there look like {samples[0]}.",
            )
    n = len(samples) if rows is None else len(rows)
    if n < 3:
        raise InputError(files[2], f"{n} sample(s), expected at least 3 (hundreds for useful LD)")
    codes, values = pd.factorize(table["chrom"])
    starts = np.flatnonzero(np.r_[True, np.diff(codes) != 0])
    out: list[Panel] = []
    for a, b in zip(starts, [*starts[1:], len(table)], strict=True):
        chrom = chromosome_name(values[codes[a]])
        found.add(chrom)
        if (wanted is not None and chrom not in wanted) or (
            wanted is None and not (chrom.isdecimal() and chrom != "0")
        ):
            continue
        if any(p.chrom == chrom for p in out):
            raise InputError(
                f"{files[1]}, line {a + 1}",
                f"chromosome {chrom} starts a second time",
                "Sort the file: plink2 --sort-vars.",
            )
        part = table.iloc[a:b].reset_index(drop=True).drop(columns="chrom")
        back = np.flatnonzero(np.diff(part["pos"].to_numpy()) < 0)
        if len(back):
            i = int(back[0]) + 1
            raise InputError(
                files[1],
                f"positions are not sorted: {part['snp'].iloc[i]} at "
                f"{chrom}:{part['pos'].iloc[i]} follows {chrom}:{part['pos'].iloc[i - 1]}",
                "Sort the file: plink2 --sort-vars.",
            )
        out.append(Panel(chrom, part, n, files, int(a), len(table), len(samples), rows))
    return out


def _check_bed(path: Path, variants: int, samples: int) -> None:
    with path.open("rb") as f:
        head = f.read(3)
    if head[:2] != b"\x6c\x1b":
        raise InputError(
            path,
            "not a PLINK bed file (its first bytes are not 6c 1b)",
            "Expected the output of plink --make-bed; a BED file of regions is another format.",
        )
    if head[2:] == b"\x00":
        raise InputError(
            path, "stored by individual, expected by variant", "Rewrite it: plink --make-bed."
        )
    size, expected = path.stat().st_size, 3 + math.ceil(samples / 4) * variants
    if head[2:] != b"\x01" or size != expected:
        state = (
            "truncated or of other files"
            if size < expected
            else "longer than its bim and fam files say"
        )
        raise InputError(
            path,
            f"{size:,} bytes, expected {expected:,} for {variants:,} variants and {samples:,} "
            f"samples: {state}",
            "Copy all three files again.",
        )


def _check_pgen(path: Path, variants: int, samples: int) -> None:
    with path.open("rb") as f:
        head = f.read(11)
    if head[:2] != b"\x6c\x1b":
        raise InputError(
            path,
            "not a PLINK2 pgen file (its first bytes are not 6c 1b)",
            "Expected the output of plink2 --make-pgen.",
        )
    if head[2:3] == b"\x01":
        raise InputError(
            path,
            "a bed file under the name of a pgen file",
            "Rename it to .bed, with bim and fam files beside it.",
        )
    # modes 02 and up carry the counts
    counts = np.frombuffer(head[3:11], "<u4")
    if len(counts) == 2 and (counts[0], counts[1]) != (variants, samples):
        raise InputError(
            path,
            f"{counts[0]:,} variants and {counts[1]:,} samples; its pvar and psam files have "
            f"{variants:,} and {samples:,}",
            "Copy all three files again.",
        )
