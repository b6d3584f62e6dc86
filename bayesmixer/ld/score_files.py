"""LD scores written as LD score regression (bulik/ldsc) reads them, block of rows by block of rows:
STEM.l2.ldscore.gz, STEM.l2.M and STEM.l2.M_5_50.

Files that were written before are known by their checksums in a list beside them.
"""

from __future__ import annotations

import gzip
import hashlib
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bayesmixer import aside
from bayesmixer.kinds import json_object

LIST = aside.Kind("the list of files of LD scores", lambda path: "bayesmixer" in json_object(path))
LEVEL = 1  # of gzip: half the time of higher ones, a tenth larger
_ROWS = 2048
ENDINGS = ("ldscore.gz", "M", "M_5_50")

Block = tuple[NDArray[Any], NDArray[Any], NDArray[np.float64]]  # SNP, BP, scores


class Written:
    """The list, at `path`, of the files that the program wrote in its folder."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.files: dict[str, str] = dict(json_object(path).get("files", {}))
        self._known = {name: {digest} for name, digest in self.files.items()}
        self.kind = aside.Kind("LD scores", self._mine)

    def _mine(self, path: Path) -> bool:
        return _sha256(path) in self._known.get(path.name, ())

    def add(self, name: str, digest: str) -> None:
        """Note a file that is about to be put in its place."""
        from bayesmixer import __version__

        self.files[name] = digest
        self._known.setdefault(name, set()).add(digest)
        text = json.dumps({"bayesmixer": __version__, "files": self.files}, indent=1) + "\n"
        aside.write(self.path, text, LIST)


def columns_of(names: Sequence[str], pq_exp: float | None = None) -> list[str]:
    """Names of columns of scores, as LDSC has them: NAME + L2, of one annotation L2, with _S and
    the exponent of p (1 - p) behind.
    """
    behind = "" if pq_exp is None else f"_S{pq_exp:g}"
    return [f"{'' if len(names) == 1 else name}L2{behind}" for name in names]


def check_places(stems: Iterable[str | Path], written: Written, *, replace: bool) -> None:
    """Refuse, before any work, places that hold what must stay.

    Raises
    ------
    InputError
        There is no such folder, or a file of another maker, or one that is not to be replaced.
    """
    aside.place(written.path, LIST)
    for stem in stems:
        for ending in ENDINGS:
            aside.place(f"{stem}.l2.{ending}", written.kind, replace=replace)


def write_scores(
    stem: str | Path,
    chrom: str,
    columns: Sequence[str],
    blocks: Iterable[Block],
    totals: Sequence[Iterable[float]],
    written: Written,
) -> list[Path]:
    """Write the scores of one chromosome.

    Parameters
    ----------
    stem
        Folder and beginning of the names.
    chrom, columns
        Chromosome, and names of the columns of scores.
    blocks
        Runs of variants: names, positions (variant,) and scores (variant, annotation); read to
        their end before `totals`.
    totals
        M and M_5_50 (annotation,).
    written
        The list of files, which they are added to.

    Returns
    -------
    list of pathlib.Path
        The three files. Scores have three decimals, as ldsc writes them.
    """
    paths = [Path(f"{stem}.l2.{ending}") for ending in ENDINGS]
    with aside.writing(paths[0], written.kind) as path:
        with path.open("wb") as raw, gzip.GzipFile("", "wb", LEVEL, raw, mtime=0) as file:
            file.write("\t".join(["CHR", "SNP", "BP", *columns]).encode() + b"\n")
            for block in _gathered(blocks):
                file.write(_text(chrom, columns, block))
        written.add(paths[0].name, _sha256(path))
    for path, numbers in zip(paths[1:], totals, strict=True):
        line = "\t".join(f"{x:.15g}" for x in numbers) + "\n"
        written.add(path.name, hashlib.sha256(line.encode()).hexdigest())
        aside.write(path, line, written.kind)
    return paths


def _gathered(blocks: Iterable[Block]) -> Iterable[Block]:
    """The same rows in fewer blocks."""
    held: list[Block] = []
    for block in blocks:
        held.append(block)
        if sum(len(b[0]) for b in held) >= _ROWS:
            yield _joined(held)
            held = []
    if held:
        yield _joined(held)


def _joined(held: list[Block]) -> Block:
    snp, pos, scores = zip(*held, strict=True)
    return np.concatenate(snp), np.concatenate(pos), np.concatenate(scores)


def _text(chrom: str, columns: Sequence[str], block: Block) -> bytes:
    import polars as pl

    snp, pos, scores = block
    place = pl.DataFrame({"CHR": pl.repeat(chrom, len(snp), eager=True), "SNP": snp, "BP": pos})
    values = pl.DataFrame([pl.Series(c, scores[:, k]) for k, c in enumerate(columns)])
    text = place.hstack(values).write_csv(separator="\t", float_precision=3, include_header=False)
    return text.encode()


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
