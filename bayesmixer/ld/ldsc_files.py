"""LD scores as the files that LD score regression (bulik/ldsc) and its relatives read and write:
those of a reference written, published ones read as a reference that holds nothing else.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from bayesmixer import aside
from bayesmixer.errors import InputError
from bayesmixer.io.chromosomes import chromosome_name, chromosome_rank
from bayesmixer.io.ld_score_files import ENDING, KNOWN, ldsc_files
from bayesmixer.ld.score_files import Written, check_places, columns_of, write_scores
from bayesmixer.variables import validate

SUFFIX = re.compile(r"L2(_S-?[\d.]+)?$")
EVERY = ("L2", "baseL2")  # the score that counts all partners, whatever their annotation
TOTALS = {"n_reference": "M", "m_5_50": "M_5_50"}


def write_ldsc_scores(
    reference: xr.DataTree, folder: str | Path, *, prefix: str = "", replace: bool = True
) -> list[Path]:
    """Write `CHROM.l2.ldscore.gz`, `CHROM.l2.M` and `CHROM.l2.M_5_50` of every chromosome.

    Parameters
    ----------
    reference
        What `open_reference` or `annotation_ld_scores` returns.
    folder
        Where to write; made if its parent exists.
    prefix
        Put before each name, such as "eur." for eur.22.l2.ldscore.gz.
    replace
        Whether files that were written here before are replaced; they are known by their checksums
        in `l2.json`, any others stay.

    Returns
    -------
    list of pathlib.Path
        The files, by chromosome. Columns CHR, SNP, BP, L2 (three decimals, as ldsc writes them), or
        NAMEL2 for each of several annotations; M counts the polymorphic variants of the panel,
        M_5_50 those with MAF above 5%.

    Raises
    ------
    InputError
        The folder cannot be made or written to, or holds files of these names that stay.
    """
    out = aside.make_folder(folder)
    written = Written(out / f"{prefix}l2.json")
    stems = {chrom: out / f"{prefix}{chrom}" for chrom in reference.children}
    check_places(stems.values(), written, replace=replace)
    paths: list[Path] = []
    for chrom, group in reference.children.items():
        ds = group.to_dataset()
        if "annotation_ld_score" in ds:
            names, scores = ds["annotation"].values.tolist(), ds["annotation_ld_score"].to_numpy()
            totals: list[Any] = [ds["m"].to_numpy(), ds["m_5_50"].to_numpy()]
        else:
            names, scores = ["L2"], ds["ld_score"].to_numpy()[:, None]
            totals = [[group.attrs["n_reference"]], [group.attrs["m_5_50"]]]
        columns = columns_of(names, reference.attrs.get("pq_exp"))
        block = ds["snp"].to_numpy(), ds["pos"].to_numpy(), scores
        paths += write_scores(stems[chrom], chrom, columns, [block], totals, written)
    return paths


def read_ldsc_scores(path: str | Path, chromosomes: Iterable[object] | None = None) -> xr.DataTree:
    """Read LD scores that LDSC or `write_ldsc_scores` wrote, as a reference that holds LD scores
    and nothing else.

    Parameters
    ----------
    path
        A file (22.l2.ldscore.gz), a folder of files by chromosome, or their common beginning
        ("eur_w_ld_chr/", "scores/eur.", "scores/eur.@"). M and M_5_50 lie beside each file; one
        that is missing is not known.
    chromosomes
        Which; None: all.

    Returns
    -------
    xarray.DataTree
        One child per chromosome: `snp`, `chrom`, `pos`, `ld_score` (variant), `cm` and
        `heterozygosity` where the file has CM and MAF. Of several annotations
        `annotation_ld_score` (variant, annotation), `m` and `m_5_50` (annotation), and `ld_score`
        where one of them is called base. Attributes `n_reference` (M) and `m_5_50` of all variants
        that count in `ld_score`: of the chromosome, or of the root where one file holds several.

    Raises
    ------
    InputError
        No such files, one that cannot be read, lacks columns or has other annotations than its M.

    References
    ----------
    Bulik-Sullivan et al. 2015, Nature Genetics 47:291. Finucane et al. 2015, Nature Genetics
    47:1228 (annotations).
    """
    files = ldsc_files(path)
    if not files:
        raise InputError(path, "no LD scores (files such as 22.l2.ldscore.gz) there")
    held: dict[str, xr.Dataset] = {}
    root: dict[str, Any] = {"kind": "reference", "window": "given", "sources": str(path)}
    for file in files:
        table = _table(file)
        scores = [c for c in table.columns if c not in KNOWN]
        totals = {key: _totals(file, ending, len(scores)) for key, ending in TOTALS.items()}
        names = sorted(table["CHR"].unique(), key=chromosome_rank)
        for name in names:
            if name in held or (len(names) > 1 and len(files) > 1):
                raise InputError(file, f"chromosome {name}, which another of the files may hold")
            ds = _chromosome(table[table["CHR"] == name], scores)
            held[name] = ds if len(names) > 1 else _with_totals(ds, scores, totals)
        if len(names) > 1:
            if len(scores) > 1:
                found = f"{len(scores)} annotations of chromosomes {', '.join(names)}"
                raise InputError(file, found, "Give files by chromosome.")
            root |= {key: total[0] for key, total in totals.items() if total is not None}
    wanted = set(held)
    if chromosomes is not None:
        given = [chromosomes] if isinstance(chromosomes, str | int) else chromosomes
        wanted = {chromosome_name(c) for c in given}
        if absent := sorted(wanted - set(held), key=chromosome_rank):
            raise InputError(path, f"no chromosome {', '.join(absent)} in it")
        if wanted != set(held):
            root = {key: value for key, value in root.items() if key not in TOTALS}
    children = {
        f"/{c}": validate(held[c], "reference", f"{path}, chromosome {c}")
        for c in sorted(wanted, key=chromosome_rank)
    }
    root["chromosomes"] = [c.removeprefix("/") for c in children]
    return xr.DataTree.from_dict({"/": xr.Dataset(attrs=root), **children})


def _table(file: Path) -> pd.DataFrame:
    """A file of LD scores, its chromosomes by their plain names."""
    try:
        options: Any = {"dtype": {"CHR": str, "SNP": str}}
        tabs = len(pd.read_csv(file, sep="\t", nrows=1).columns) > 1  # much faster than any blanks
        table = pd.read_csv(file, sep="\t" if tabs else r"\s+", **options)
    except Exception as error:
        raise InputError(file, f"cannot be read ({type(error).__name__}: {error})") from None
    if lacks := [c for c in KNOWN[:3] if c not in table]:
        raise InputError(file, f"no column {', '.join(lacks)} among {', '.join(table.columns)}")
    numbers = [c for c in table.columns if c not in ("CHR", "SNP")]
    if len(numbers) < 2 or not all(table[c].dtype.kind in "if" for c in numbers):
        raise InputError(file, "expected numbers in BP, and one column of LD scores (L2) or more")
    if table[numbers].isna().any(axis=None):
        raise InputError(file, "a position or LD score is missing")
    code, names = pd.factorize(table["CHR"])
    made: pd.DataFrame = table.assign(
        CHR=np.array([chromosome_name(c) for c in names], object)[code]
    )
    return made


def _totals(file: Path, ending: str, count: int) -> list[float] | None:
    """Numbers of variants of each annotation, as in M or M_5_50 beside a file; None without it."""
    beside = file.with_name(f"{ENDING.sub('', file.name)}.l2.{ending}")
    if not beside.is_file():
        return None
    try:
        numbers = [float(v) for v in beside.read_text().split()]
    except ValueError:
        raise InputError(beside, "not numbers") from None
    if len(numbers) != count:
        raise InputError(beside, f"{len(numbers)} numbers, but {file.name} has {count} LD scores")
    return numbers


def _chromosome(table: pd.DataFrame, scores: list[str]) -> xr.Dataset:
    """Variables of one chromosome's variants, in genome order."""
    table = table.sort_values("BP", kind="stable")
    columns: dict[str, Any] = {
        "snp": ("variant", table["SNP"].to_numpy(str)),
        "chrom": ("variant", table["CHR"].to_numpy(str)),
        "pos": ("variant", table["BP"].to_numpy(np.int64)),
    }
    if "CM" in table:
        columns["cm"] = ("variant", table["CM"].to_numpy(float))
    if "MAF" in table:
        maf = table["MAF"].to_numpy(float)
        columns["heterozygosity"] = ("variant", 2 * maf * (1 - maf))
    whole = scores[0] if len(scores) == 1 else next((c for c in EVERY if c in scores), None)
    if whole is not None:
        columns["ld_score"] = ("variant", table[whole].to_numpy(float))
    if len(scores) == 1:
        return xr.Dataset(columns)
    columns["annotation_ld_score"] = (("variant", "annotation"), table[scores].to_numpy(float))
    names = [SUFFIX.sub("", c) for c in scores]
    return xr.Dataset(columns, coords={"annotation": names})


def _with_totals(
    ds: xr.Dataset, scores: list[str], totals: dict[str, list[float] | None]
) -> xr.Dataset:
    """The chromosome with M and M_5_50: attributes of the whole, variables of annotations."""
    attrs: dict[str, Any] = {"chrom": str(ds["chrom"].values[0])}
    by_annotation: dict[str, Any] = {}
    at = 0 if len(scores) == 1 else next((i for i, c in enumerate(scores) if c in EVERY), None)
    for key, numbers in totals.items():
        if numbers is not None and at is not None:
            attrs[key] = int(numbers[at])
        if numbers is not None and len(scores) > 1:
            name = "m" if key == "n_reference" else key
            by_annotation[name] = ("annotation", np.array(numbers))
    return ds.assign(by_annotation).assign_attrs(attrs)
