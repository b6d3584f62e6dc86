"""What `align` is given, checked: the GWAS by trait, the regions to leave out, the reference's
chromosomes and its exponents S.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
import xarray as xr

from bayesmixer.errors import InputError
from bayesmixer.io.chromosomes import chromosome_name, chromosome_rank
from bayesmixer.io.regions import Regions
from bayesmixer.variables import validate


def traits_of(sumstats: object) -> dict[str, xr.Dataset]:
    """Trait name -> Sumstats."""
    if isinstance(sumstats, xr.Dataset):
        sumstats = [sumstats]
    if isinstance(sumstats, Mapping):
        named = {str(k): v for k, v in sumstats.items()}
    elif isinstance(sumstats, Sequence) and not isinstance(sumstats, str):
        named = {}
        for i, ds in enumerate(sumstats, start=1):
            trait = str(ds.attrs.get("trait") or "") if isinstance(ds, xr.Dataset) else ""
            named[trait if trait and trait not in named else f"trait{i}"] = ds
    else:
        raise InputError(
            "sumstats",
            f"{type(sumstats).__name__}, expected a Sumstats dataset, a list or a dict of them",
            "Read the file with read_sumstats.",
        )
    if not named:
        raise InputError("sumstats", "empty, expected at least one Sumstats dataset")
    for trait, ds in named.items():
        if not isinstance(ds, xr.Dataset):
            raise InputError(
                f"sumstats, trait {trait}",
                f"{type(ds).__name__}, expected a Sumstats dataset",
                "Read the file with read_sumstats.",
            )
        validate(ds, "sumstats", f"sumstats, trait {trait}")
        if ds.sizes["variant"] == 0:
            raise InputError(source_of(trait, ds), "no variant in it")
    return named


def source_of(trait: str, ds: xr.Dataset) -> str:
    """What to call a GWAS in messages: its file, or its trait."""
    return str(ds.attrs.get("source") or f"sumstats, trait {trait}")


def regions_of(items: str | Path | Iterable[str | Path]) -> dict[str, Regions]:
    """Regions to leave out, by the words they were given in."""
    try:
        return {str(r): Regions([r]) for r in ([items] if isinstance(items, str | Path) else items)}
    except InputError as error:
        if error.where != "exclude":
            raise
        raise InputError("exclude_regions", str(error).removeprefix("exclude: ")) from None


def chromosomes_of(reference: object) -> tuple[xr.DataTree, dict[str, xr.Dataset]]:
    """The reference and its chromosomes in genome order."""
    if isinstance(reference, str | Path):
        from bayesmixer.ld.reference import open_reference

        reference = open_reference(reference)
    if not isinstance(reference, xr.DataTree):
        raise InputError(
            "reference",
            f"{type(reference).__name__}, expected an LD reference",
            "Open it with open_reference.",
        )
    found = {chromosome_name(k): child.to_dataset() for k, child in reference.children.items()}
    if not found:
        raise InputError("reference", "no chromosome in it", "Build it with build_reference.")
    for name, ds in found.items():
        found[name] = validate(ds, "reference", f"reference, chromosome {name}")
        if "spectrum" in ds and "n_reference" not in ds.attrs:
            raise InputError(
                f"reference, chromosome {name}",
                "no attribute 'n_reference'",
                "Build it with build_reference.",
            )
    return reference, {
        c: found[c] for c in sorted(found, key=chromosome_rank) if found[c].sizes["variant"]
    }


def exponents_of(
    chromosomes: dict[str, xr.Dataset], wanted: float | Sequence[float] | str | None
) -> dict[float, int]:
    """Exponent S -> its place in the reference; none where that holds nothing of an S."""
    if not chromosomes:
        raise InputError(
            "reference", "no variant in any chromosome", "Build it with build_reference."
        )
    first = next(iter(chromosomes.values()))
    if "maf_s" not in first.variables:  # LD scores alone have no S
        return {}
    held = np.asarray(first["maf_s"].values, np.float64).tolist()
    if isinstance(wanted, str) and wanted != "all":
        raise InputError("maf_s", f"'{wanted}', expected numbers or 'all'")
    chosen = (
        held
        if wanted is None or isinstance(wanted, str)
        else [float(v) for v in np.atleast_1d(wanted)]
    )
    for s in chosen:
        if s not in held:
            raise InputError(
                "maf_s",
                f"{s:g}, but the reference holds {', '.join(f'{v:g}' for v in held)}",
                "Build the reference with this exponent.",
            )
    return {s: held.index(s) for s in chosen}
