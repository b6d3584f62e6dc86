"""Registry of the variables that Sumstats, Reference and GwasData datasets hold, and the check
against it.

docs/reference/data_structures.md shows it beside the attributes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from bayesmixer.errors import InputError


@dataclass(frozen=True)
class Variable:
    """One variable: allowed dims (several where they may differ), NumPy kinds of its dtype,
    meaning, and whether it must be there whatever the data are for; for the reader its unit, the
    dtype with which it is made, what else is to be known of it, and what gives it.
    """

    dims: tuple[tuple[str, ...], ...]
    kinds: str
    meaning: str
    required: bool = True
    unit: str = ""
    dtype: str = ""
    detail: str = ""
    given_by: str = ""

    @property
    def made(self) -> str:
        """Name of the dtype with which the package makes it."""
        return self.dtype or {"f": "float64", "i": "int64"}.get(self.kinds, "str")


_TEXT = "UOT"
_V = (("variant",),)
_S = (("maf_s",),)
_VS = (("maf_s", "variant"),)
_FILE = "where the file has it"

SUMSTATS: dict[str, Variable] = {
    "snp": Variable(_V, _TEXT, "identifier"),
    "chrom": Variable(_V, _TEXT, "chromosome, '' where unknown", detail='`"1"` to `"22"`, `"X"`'),
    "pos": Variable(_V, "i", "base-pair position, 0 where unknown", unit="bp"),
    "a1": Variable(_V, _TEXT, "effect allele", detail="upper case"),
    "a2": Variable(_V, _TEXT, "other allele", detail="upper case"),
    "z": Variable(_V, "f", "z-score of a1"),
    "n": Variable(_V, "f", "(effective) sample size", unit="people"),
    "beta": Variable(_V, "f", "effect of a1", required=False, detail=_FILE),
    "se": Variable(_V, "f", "standard error of beta", required=False, detail=_FILE),
    "p": Variable(_V, "f", "P value", required=False, detail=_FILE),
    "eaf": Variable(_V, "f", "frequency of a1 in the GWAS", required=False, detail=_FILE),
    "info": Variable(_V, "f", "imputation quality", required=False, detail=_FILE),
    "n_case": Variable(_V, "f", "cases", required=False, unit="people", detail=_FILE),
    "n_control": Variable(_V, "f", "controls", required=False, unit="people", detail=_FILE),
}

_GENOTYPES = "Build the reference from genotypes: build_reference."
_ANNOTATED = "Take LD scores of annotations for a reference."


def _made(*spec: Any, **more: Any) -> Variable:
    """A variable that some references lack: who needs it asks for it."""
    options: dict[str, Any] = {"required": False, "given_by": _GENOTYPES, **more}
    return Variable(*spec, **options)


_PANEL: dict[str, Variable] = {
    "snp": Variable(_V, _TEXT, "identifier", detail="as in the panel"),
    "chrom": Variable(_V, _TEXT, "chromosome", detail="as in the panel"),
    "pos": Variable(_V, "i", "base-pair position", unit="bp", detail="as in the panel"),
    "a1": _made(_V, _TEXT, "counted allele", detail="as in the panel"),
    "a2": _made(_V, _TEXT, "other allele", detail="as in the panel"),
    "freq": _made(_V, "f", "frequency of a1"),
    "heterozygosity": _made(_V, "f", "H = 2 f (1 - f)"),
    "ld_score": _made(
        _V,
        "f",
        "sum of unbiased r^2",
        detail="LDSC's: over the window, self included",
        given_by="Take a reference, or published LD scores (open_reference).",
    ),
    "ld_score_h": _made(
        _VS, "f", "sum of H^(1+S) r^2", detail="over the window, by the reference's r^2 rule"
    ),
    "spectrum": _made(
        (("maf_s", "variant", "node"),),
        "f",
        "LD spectrum",
        dtype="float32",
        detail="S_jk",
    ),
    "maf_s": _made(_S, "if", "exponent S", dtype="float64", detail="coordinate"),
    "h_total": _made(_S, "f", "sum of H^(1+S)", detail="over all reference variants, tags or not"),
    "ld_block": _made(_V, "i", "LD block", dtype="int32"),
    "node_x": _made(
        (("node",),),
        "f",
        "strength at each node of the spectrum",
        detail="x_k, descending; the last is 0 (coordinate of `node`)",
    ),
    "h_bin_value": _made(
        (("h_bin",),), "f", "mean heterozygosity of the bin", detail="100 bins of [0, 1/2]"
    ),
    "h_bin_count": _made(
        (("h_bin",),),
        "if",
        "reference variants in the bin",
        unit="variants",
        dtype="int64",
        detail="tags or not, polymorphic",
    ),
    "annotation_ld_score": _made(
        (("variant", "annotation"),),
        "f",
        "sum of a r^2",
        detail="a: value of the partner's annotation",
        given_by=_ANNOTATED,
    ),
    "m": _made(
        (("annotation",),), "f", "sum of a", detail="over reference variants", given_by=_ANNOTATED
    ),
    "m_5_50": _made(
        (("annotation",),), "f", "sum of a", detail="over those of MAF > 5%", given_by=_ANNOTATED
    ),
}

REFERENCE: dict[str, Variable] = {
    **_PANEL,
    "ld_block": replace(
        _PANEL["ld_block"], detail="its label; -1 where the window was not LD blocks"
    ),
    "cm": _made(_V, "f", "genetic position in cM", unit="cM", detail="as in the panel"),
    "ld_below": _made(_VS, "f", "part of ld_score_h below the r^2 cut-off"),
    "neighbour_indptr": _made((("variant_edge",),), "i", "CSR row pointers"),
    "neighbour_index": _made(
        (("edge",),),
        "i",
        "CSR columns",
        dtype="int32",
        detail="row within the chromosome, self excluded",
    ),
    "neighbour_r2": _made(
        (("edge",),), "f", "plain r^2 of the pair", dtype="float32", detail="0.1 or more"
    ),
}

GWAS_DATA: dict[str, Variable] = {
    **_PANEL,
    "a1": replace(_PANEL["a1"], required=True),
    "a2": replace(_PANEL["a2"], required=True),
    "ld_score": replace(_PANEL["ld_score"], required=True),
    "ld_block": replace(
        _PANEL["ld_block"],
        required=True,
        detail="0.. in genome order, non-decreasing along `variant`",
    ),
    "h_bin_count": replace(_PANEL["h_bin_count"], detail="summed over the chromosomes used"),
    "h_bin_value": replace(_PANEL["h_bin_value"], detail="pooled over the chromosomes used"),
    "z": Variable((("variant", "trait"),), "f", "z-score of a1", detail="the panel's `a1`"),
    "n": Variable((("variant", "trait"),), "f", "(effective) sample size", unit="people"),
    "weight": Variable(
        _V, "f", "weight in the composite likelihood", detail="0 means not evaluated"
    ),
}

_EC = (("effect", "condition"),)
EFFECTS: dict[str, Variable] = {
    "bhat": Variable(_EC, "f", "estimated effect", detail="NaN where missing"),
    "shat": Variable(_EC, "f", "its standard error", detail="in the units of bhat"),
    "v": Variable(
        (("condition", "condition_bis"), ("effect", "condition", "condition_bis")),
        "f",
        "correlation of errors between conditions",
        required=False,
        detail="absent where they are independent",
    ),
    "reported": Variable(
        (("reported_condition", "condition"),),
        "f",
        "what makes all conditions or contrasts of those that do not depend on each other",
        required=False,
        detail="where some do",
    ),
    "contrast": Variable(
        (("condition", "contrasted"),),
        "f",
        "what contrasts are of the conditions that were read",
        required=False,
        detail="with a baseline or contrasts",
    ),
}


@dataclass(frozen=True)
class Observations:
    """What of a kind of data a likelihood counts: rows along dim `row`, told apart by `named_by`,
    in the genome at `placed_by`, of which `seen` was observed, each counted by its `weight`;
    `describe` says in words where some of them lie and what is strongest among them.
    """

    row: str
    named_by: str
    placed_by: tuple[str, ...]
    seen: tuple[str, ...]
    weight: str
    describe: Callable[[xr.Dataset], str]

    @property
    def variables(self) -> tuple[str, ...]:
        """Names of what every model of such data needs."""
        return (self.named_by, *self.placed_by, *self.seen, self.weight)

    def evaluated(self, data: xr.Dataset) -> NDArray[np.intp]:
        """Positions of the rows that count: those of positive weight."""
        return np.flatnonzero(data[self.weight].values > 0)

    def of_seen(self, data: xr.Dataset, in_all: bool = True) -> xr.Dataset:
        """The data, of traits joined by `align(..., join="outer")` with weight 0 for the rows in
        which the trait that is left, or one of them, was not seen; without `in_all`, none of them.
        """
        if data.attrs.get("join") != "outer":
            return data
        seen = np.all([np.isfinite(data[v].values) for v in self.seen], axis=0)
        there = seen.all(axis=-1) if in_all else seen.any(axis=-1)
        return data.assign({self.weight: data[self.weight].where(there, 0.0)})

    def counted(self, data: xr.Dataset, unit: str, label: Any, share: float) -> xr.Dataset:
        """The data with one unit counted by a share: 0 leaves it out."""
        weight = data[self.weight]
        return data.assign(
            {self.weight: weight.where(data[unit] != label, share * weight if share else 0.0)}
        )

    def alone(self, data: xr.Dataset, unit: str, label: Any) -> xr.Dataset:
        """The data of one unit."""
        return data.isel({self.row: np.flatnonzero(data[unit].values == label)})

    def weighted(self, data: xr.Dataset) -> xr.Dataset:
        """The rows that count."""
        return data.isel({self.row: self.evaluated(data)})

    def reweighted(self, data: xr.Dataset, other: xr.Dataset, where: str) -> xr.Dataset:
        """The data with the weights of `other`, which hold the same rows.

        Raises
        ------
        InputError
            They hold them in another order.
        """
        if not np.array_equal(data[self.named_by].values, other[self.named_by].values):
            found = f"its {self.row}s lie in another order than those whose weights it is to take"
            raise InputError(where, found, "Align both alike.")
        return data.assign({self.weight: other[self.weight].variable})

    def size(self, data: xr.Dataset) -> float:
        """How many rows the data count for: the sum of their weights."""
        return float(data[self.weight].sum())


def _locus(here: xr.Dataset) -> str:
    """1:601-630, strongest rs3 with |z| 61.4."""
    pos, size = here["pos"].values, np.nanmax(np.abs(here["z"].values), axis=1)
    at = int(np.argmax(size))
    return (
        f"{here['chrom'].values[at]}:{pos[0]}-{pos[-1]}, strongest "
        f"{here['snp'].values[at]} with |z| {size[at]:.1f}"
    )


OBSERVATIONS = {
    "gwas_data": Observations("variant", "snp", ("chrom", "pos"), ("z", "n"), "weight", _locus)
}
"""Of the kinds that models take."""


def evaluated(data: xr.Dataset) -> NDArray[np.intp]:
    """Positions of the variants of a GwasData that the likelihood evaluates: of positive weight."""
    return OBSERVATIONS["gwas_data"].evaluated(data)


KINDS = {
    "sumstats": SUMSTATS,
    "reference": REFERENCE,
    "gwas_data": GWAS_DATA,
    "effects": EFFECTS,
}


def validate(ds: xr.Dataset, kind: str, name: str = "dataset") -> xr.Dataset:
    """Check that a dataset holds the variables of its kind, with their dims and types: the door by
    which data come in, saved ones of earlier versions among them.

    Parameters
    ----------
    ds
        The dataset.
    kind
        "sumstats", "reference" (one chromosome), "gwas_data" or "effects".
    name
        What to call it in the error.

    Returns
    -------
    xarray.Dataset
        `ds`, with the dimension `maf_s` where it had none (`along_s`).

    Raises
    ------
    InputError
        A variable is missing, or has other dims or another type than the registry says.
    """
    # what was built from genotypes holds all that is built
    built = kind == "reference" and "spectrum" in ds
    needs = [
        variable
        for variable, spec in KINDS[kind].items()
        if spec.required or (built and spec.given_by == _GENOTYPES)
    ]
    return require(ds, needs, f"a {kind} dataset has", kind, name)


def require(
    ds: xr.Dataset,
    needs: Iterable[str],
    what: str,
    kind: str = "gwas_data",
    name: str = "data",
) -> xr.Dataset:
    """Check that a dataset holds some variables of its kind, and that all of those of its kind that
    it holds have their dims and types.

    Parameters
    ----------
    ds
        The dataset.
    needs
        Names of what must be there.
    what
        Who needs them, for the error: "univariate_mixer needs".
    kind, name
        As of `validate`.

    Returns
    -------
    xarray.Dataset
        As `validate`.

    Raises
    ------
    InputError
        As `validate`.
    """
    needs = set(needs)
    ds = ds if kind == "sumstats" else along_s(ds, name)
    for variable, spec in KINDS[kind].items():
        if variable not in ds.variables:
            if variable in needs:
                raise InputError(
                    name,
                    f"no variable '{variable}' ({spec.meaning}), which {what}",
                    spec.given_by or "Make it with bayesmixer's own functions.",
                )
            continue
        v = ds[variable]
        if tuple(map(str, v.dims)) not in spec.dims:
            expected = " or ".join(str(d) for d in spec.dims)
            lost = sorted({*spec.dims[0]} - {*map(str, v.dims)})
            keep = f"Keep the dimension: {name}.isel({lost[0]}=[0])." if len(lost) == 1 else ""
            raise InputError(
                name, f"variable '{variable}' has dims {tuple(v.dims)}, expected {expected}", keep
            )
        if v.dtype.kind not in spec.kinds:
            raise InputError(
                name,
                f"variable '{variable}' has type {v.dtype}, expected one of kind "
                f"{'/'.join(spec.kinds)}",
            )
    return ds


def along_s(ds: xr.Dataset, name: str = "data") -> xr.Dataset:
    """A Reference or GwasData with the dimension `maf_s`, of size 1 where it had none (those that
    an earlier version saved, or of one exponent taken by `isel`), and `h_total` along it.

    Raises
    ------
    InputError
        `h_total` has values of exponents that the data no longer hold, and not which.
    """
    by_s = [v for v, spec in REFERENCE.items() if "maf_s" in spec.dims[0] and v in ds.variables]
    without = [v for v in by_s if "maf_s" not in ds[v].dims]
    given = "h_total" not in by_s and "h_total" in ds.attrs
    if not (without or given):
        return ds
    held = np.atleast_1d(np.asarray(ds["maf_s"].values if "maf_s" in by_s else 0.0, np.float64))
    flat = ds.drop_vars("maf_s", errors="ignore")
    made: dict[str, Any] = {v: flat[v].expand_dims("maf_s") for v in without if v != "maf_s"}
    if given:
        made["h_total"] = ("maf_s", _totals(ds, held, name))
    return ds.drop_vars(without).assign(made).assign_coords(maf_s=held)


def _totals(ds: xr.Dataset, held: NDArray[Any], name: str) -> NDArray[Any]:
    """H_total of each exponent held, of the attribute."""
    total = np.atleast_1d(np.asarray(ds.attrs["h_total"], np.float64))
    if total.size == held.size:
        return total
    known = np.atleast_1d(np.asarray(ds.attrs.get("maf_s", []), np.float64))
    place = [np.flatnonzero(np.abs(known - s) < 1e-9) for s in held]
    if known.size != total.size or not all(p.size for p in place):
        found = f"h_total has {total.size} values for {held.size} exponent(s) S"
        raise InputError(name, found, "Choose S by align(..., maf_s=...).")
    return total[[p[0] for p in place]]
