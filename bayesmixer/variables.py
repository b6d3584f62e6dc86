"""Registry of the variables that Sumstats, Reference and GwasData datasets hold, and the check
against it.

The prose description is docs/reference/data_structures.md; tests keep the two in step.
"""

from __future__ import annotations

from dataclasses import dataclass

import xarray as xr

from bayesmixer.errors import InputError


@dataclass(frozen=True)
class Variable:
    """One variable: allowed dims (several where they may differ), NumPy kinds of its dtype,
    meaning, and whether it must be there.
    """

    dims: tuple[tuple[str, ...], ...]
    kinds: str
    meaning: str
    required: bool = True


_TEXT = "UOT"
_V = (("variant",),)
_VS = (("variant",), ("maf_s", "variant"))

SUMSTATS: dict[str, Variable] = {
    "snp": Variable(_V, _TEXT, "identifier"),
    "chrom": Variable(_V, _TEXT, "chromosome, '' where unknown"),
    "pos": Variable(_V, "i", "base-pair position, 0 where unknown"),
    "a1": Variable(_V, _TEXT, "effect allele"),
    "a2": Variable(_V, _TEXT, "other allele"),
    "z": Variable(_V, "f", "z-score of a1"),
    "n": Variable(_V, "f", "(effective) sample size"),
    "beta": Variable(_V, "f", "effect of a1", required=False),
    "se": Variable(_V, "f", "standard error of beta", required=False),
    "p": Variable(_V, "f", "P value", required=False),
    "eaf": Variable(_V, "f", "frequency of a1 in the GWAS", required=False),
    "info": Variable(_V, "f", "imputation quality", required=False),
    "n_case": Variable(_V, "f", "cases", required=False),
    "n_control": Variable(_V, "f", "controls", required=False),
}

_PANEL: dict[str, Variable] = {
    "snp": Variable(_V, _TEXT, "identifier"),
    "chrom": Variable(_V, _TEXT, "chromosome"),
    "pos": Variable(_V, "i", "base-pair position"),
    "a1": Variable(_V, _TEXT, "counted allele"),
    "a2": Variable(_V, _TEXT, "other allele"),
    "freq": Variable(_V, "f", "frequency of a1"),
    "heterozygosity": Variable(_V, "f", "H = 2 f (1 - f)"),
    "ld_score": Variable(_V, "f", "sum of unbiased r^2"),
    "ld_score_h": Variable(_VS, "f", "sum of H^(1+S) r^2"),
    "spectrum": Variable((("variant", "node"), ("maf_s", "variant", "node")), "f", "LD spectrum"),
    "ld_block": Variable(_V, "i", "LD block"),
    "node_x": Variable((("node",),), "f", "strength at each node of the spectrum"),
    "h_bin_value": Variable((("h_bin",),), "f", "mean heterozygosity of the bin"),
    "h_bin_count": Variable((("h_bin",),), "if", "reference variants in the bin"),
}

REFERENCE: dict[str, Variable] = {
    **_PANEL,
    "cm": Variable(_V, "f", "genetic position in cM"),
    "ld_below": Variable(_VS, "f", "part of ld_score_h below the r^2 cut-off"),
    "neighbour_indptr": Variable((("variant_edge",),), "i", "CSR row pointers"),
    "neighbour_index": Variable((("edge",),), "i", "CSR columns"),
    "neighbour_r2": Variable((("edge",),), "f", "plain r^2 of the pair"),
}

GWAS_DATA: dict[str, Variable] = {
    **_PANEL,
    "z": Variable((("variant", "trait"),), "f", "z-score of a1"),
    "n": Variable((("variant", "trait"),), "f", "(effective) sample size"),
    "weight": Variable(_V, "f", "weight in the composite likelihood"),
}

KINDS = {"sumstats": SUMSTATS, "reference": REFERENCE, "gwas_data": GWAS_DATA}


def validate(ds: xr.Dataset, kind: str, name: str = "dataset") -> xr.Dataset:
    """Check that a dataset holds the variables of its kind, with their dims and types.

    Parameters
    ----------
    ds
        The dataset.
    kind
        "sumstats", "reference" (one chromosome) or "gwas_data".
    name
        What to call it in the error.

    Returns
    -------
    xarray.Dataset
        `ds`, unchanged.

    Raises
    ------
    InputError
        A variable is missing, or has other dims or another type than the registry says.
    """
    for variable, spec in KINDS[kind].items():
        if variable not in ds.variables:
            if spec.required:
                raise InputError(
                    name,
                    f"no variable '{variable}' ({spec.meaning}), which a {kind} dataset has",
                    "Make it with bayesmixer's own functions.",
                )
            continue
        v = ds[variable]
        if tuple(map(str, v.dims)) not in spec.dims:
            expected = " or ".join(str(d) for d in spec.dims)
            raise InputError(
                name, f"variable '{variable}' has dims {tuple(v.dims)}, expected {expected}"
            )
        if v.dtype.kind not in spec.kinds:
            raise InputError(
                name,
                f"variable '{variable}' has type {v.dtype}, expected one of kind "
                f"{'/'.join(spec.kinds)}",
            )
    return ds
