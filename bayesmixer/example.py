"""The embedded data set: a small simulated GWAS with its LD panel, so that everything can be tried
without a download.

How it was made: scripts/make_example_data.py; what it holds: bayesmixer/data/README.md.
"""

from __future__ import annotations

import hashlib
import os
import zipfile
import zlib
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import IO, Any

from bayesmixer import aside
from bayesmixer.arguments import choice

ARCHIVE = "example.zip"
TRAITS = ("polygenic", "infinitesimal")
UNPACKED = aside.Kind("a file of the embedded data set", lambda path: False)


@dataclass(frozen=True)
class ExampleData:
    """Where the files of the embedded data set are.

    Attributes
    ----------
    directory
        Directory of the files.
    genotypes
        Prefix of the PLINK bed/bim/fam files of the LD panel.
    ld_blocks
        BED file of the LD blocks.
    sumstats
        Summary statistics by name of the trait: "polygenic" (MiXeR's point-normal model) and
        "infinitesimal".
    truth
        JSON file: true parameters and what was realised, by trait.
    """

    directory: Path
    genotypes: Path
    ld_blocks: Path
    sumstats: dict[str, Path]
    truth: Path

    def read_truth(self, trait: str | None = None) -> dict[str, Any]:
        """Return the true parameters of one trait, or of all by name."""
        import json

        truth: dict[str, Any] = json.loads(self.truth.read_text())
        if trait is None:
            return truth
        choice("trait", trait, truth)
        return dict(truth[trait])


def example_data(directory: str | Path | None = None) -> ExampleData:
    """Unpack the embedded data set and say where its files are.

    Files that are already there and whole are left alone; others of their names stop it. Each is
    written aside and renamed.

    Parameters
    ----------
    directory
        Where to put the files; by default a folder in the user's cache (XDG_CACHE_HOME, or
        ~/.cache).

    Returns
    -------
    ExampleData

    Raises
    ------
    InputError
        The directory cannot be written to, or holds other files of these names.

    Examples
    --------
    >>> import bayesmixer as bm
    >>> example = bm.example_data()
    >>> sorted(example.sumstats)
    ['infinitesimal', 'polygenic']
    """
    with (files("bayesmixer.data") / ARCHIVE).open("rb") as packed:
        place = (
            Path(directory) if directory is not None else _cache() / f"example-{_digest(packed)}"
        )
        aside.make_folder(place)
        with zipfile.ZipFile(packed) as archive:
            whole = {
                member.filename: _whole(place / member.filename, member)
                for member in archive.infolist()
            }
            # in a folder where one of them is whole, or in our own, another was damaged; elsewhere
            # it is someone's own file
            kind = aside.OWN if directory is None or any(whole.values()) else UNPACKED
            for name in (name for name, there in whole.items() if not there):
                aside.write(place / name, archive.read(name), kind)
    sumstats = {trait: place / f"{trait}.txt.gz" for trait in TRAITS}
    return ExampleData(
        place, place / "genotypes", place / "ld_blocks.bed", sumstats, place / "truth.json"
    )


def _cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "bayesmixer"


def _digest(file: IO[bytes]) -> str:
    """First digits of the archive's SHA-256: another version of the data set gets another
    folder.
    """
    digest = hashlib.sha256(file.read()).hexdigest()[:10]
    file.seek(0)
    return digest


def _whole(path: Path, member: zipfile.ZipInfo) -> bool:
    """Whether a file is there with the size and checksum of the archive's."""
    return (
        path.is_file()
        and path.stat().st_size == member.file_size
        and zlib.crc32(path.read_bytes()) == member.CRC
    )
