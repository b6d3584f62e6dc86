"""GWAS-VCF (Lyon et al. 2021, Genome Biology 22:32): one record per variant, estimates in the
sample column, ALT the effect allele.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from bayesmixer.errors import InputError

# FORMAT key -> role
FIELDS = {
    "ES": "beta",
    "SE": "se",
    "LP": "log10p",
    "AF": "eaf",
    "SS": "n",
    "NC": "n_case",
    "NE": "n_eff",
    "SI": "info",
    "EZ": "z",
    "ID": "study_id",
}
KEYS = {role: key for key, role in FIELDS.items()}


@dataclass(frozen=True)
class VcfLayout:
    """Where things are in a GWAS-VCF: column indices, the sample's name, cases and controls of the
    header, roles found in FORMAT.
    """

    columns: dict[str, int]
    sample: str
    n_case: float | None
    n_control: float | None
    build: str
    roles: frozenset[str]


def layout(
    path: Path, names: Sequence[str], meta: Sequence[str], formats: Sequence[str], trait: str
) -> VcfLayout:
    """Read the header of a GWAS-VCF.

    Parameters
    ----------
    path
        File name, for errors.
    names
        Column names, CHROM first.
    meta
        The lines that start with "##".
    formats
        FORMAT values of the first records.
    trait
        Name of the sample to read where there are several.

    Raises
    ------
    InputError
        No sample column, several without a choice, or no ES and no EZ in FORMAT.
    """
    lower = [n.lower() for n in names]
    first = lower.index("format") + 1
    samples = [n for n in names[first:] if n]
    if not samples:
        raise InputError(
            path,
            "a VCF without a sample column, where GWAS-VCF keeps the estimates",
            "Give a GWAS-VCF file with FORMAT fields ES:SE:LP.",
        )
    sample = trait if trait in samples else samples[0]
    if len(samples) > 1 and trait not in samples:
        raise InputError(
            path,
            f"a GWAS-VCF with {len(samples)} traits ({', '.join(samples[:6])})",
            "Name the one to read with trait= (--trait).",
        )
    keys = {key for value in formats for key in value.split(":")}
    roles = frozenset(FIELDS[k] for k in keys if k in FIELDS)
    if not roles & {"beta", "z"}:
        raise InputError(
            path,
            f"a VCF without effects (FORMAT: {':'.join(sorted(keys))}), expected ES and SE",
            "Give a GWAS-VCF; genotypes belong to build_reference.",
        )
    line = next(
        (
            m
            for m in meta
            if m.startswith("##SAMPLE=") and (f"ID={sample}," in m or len(samples) == 1)
        ),
        "",
    )
    count = {
        key: float(m[1])
        for key in ("TotalCases", "TotalControls")
        if (m := re.search(rf"{key}=([0-9.eE+]+)", line))
    }
    index = {
        "chrom": lower.index("chrom"),
        "pos": lower.index("pos"),
        "snp": lower.index("id"),
        "a2": lower.index("ref"),
        "a1": lower.index("alt"),
    }
    index |= {
        "filter": lower.index("filter"),
        "format": lower.index("format"),
        "sample": names.index(sample, first),
    }
    return VcfLayout(
        index, sample, count.get("TotalCases"), count.get("TotalControls"), _build(meta), roles
    )


def _build(meta: Sequence[str]) -> str:
    text = "\n".join(m for m in meta if m.startswith(("##contig", "##reference", "##SAMPLE")))
    if re.search(r"ID=(chr)?1,length=249250621|hg19|b37|GRCh37|hs37", text, re.IGNORECASE):
        return "GRCh37"
    if re.search(r"ID=(chr)?1,length=248956422|hg38|b38|GRCh38", text, re.IGNORECASE):
        return "GRCh38"
    return ""


def expand(frame: pl.DataFrame, vcf: VcfLayout) -> pl.DataFrame:
    """Turn VCF records (text columns named by index) into text columns by role, one row per
    alternative allele, in file order.
    """
    named = frame.select(
        **{role: pl.col(str(i)) for role, i in vcf.columns.items()}
    ).with_row_index("row")
    parts = []
    for (form,), group in named.group_by("format", maintain_order=True):
        keys = str(form).split(":")
        values = pl.col("sample").str.split(":")
        fields = {
            FIELDS[k]: values.list.get(i, null_on_oob=True)
            for i, k in enumerate(keys)
            if k in FIELDS
        }
        absent = {
            role: pl.lit(None, dtype=pl.String)
            for role in FIELDS.values()
            if role in vcf.roles and role not in fields
        }
        parts.append(group.with_columns(**fields, **absent).drop("sample", "format"))
    table = pl.concat(parts, how="diagonal")
    several = table["a1"].str.contains(",", literal=True)
    if several.any():
        split = table.filter(several).with_columns(pl.col("a1").str.split(","))
        split = split.with_columns(allele=pl.int_ranges(0, pl.col("a1").list.len())).explode(
            "a1", "allele"
        )
        per_allele = [r for r in FIELDS.values() if r in split.columns and r != "study_id"]
        split = split.with_columns(
            pl.when(pl.col(r).str.contains(",", literal=True))
            .then(pl.col(r).str.split(",").list.get(pl.col("allele"), null_on_oob=True))
            .otherwise(pl.col(r))
            for r in per_allele
        )
        table = pl.concat([table.filter(~several), split.drop("allele")], how="diagonal")
    if len(parts) > 1 or several.any():
        table = table.sort("row", maintain_order=True)
    if "study_id" in table.columns:
        no_id = pl.col("snp").is_in([".", ""]) | pl.col("snp").is_null()
        table = table.with_columns(
            snp=pl.when(no_id).then(pl.col("study_id")).otherwise(pl.col("snp"))
        ).drop("study_id")
    return table.drop("row")
