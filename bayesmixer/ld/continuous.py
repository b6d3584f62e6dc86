"""Values of variants cut into bins, an annotation a bin (of several files, one of every
combination), under the names that LDSC's --cts-bin gives.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise, product
from pathlib import Path

import numpy as np
import pandas as pd

from bayesmixer.errors import InputError


def binned(
    files: Sequence[str | Path],
    breaks: Sequence[Sequence[float]],
    names: Sequence[str] | None = None,
) -> pd.DataFrame:
    """Annotations of variants by the bins that their values fall into.

    Parameters
    ----------
    files
        Of variants and values, two columns with blanks between and no header; of the same variants.
    breaks
        Of each file where bins end: a value of exactly a break is in the bin below it. The first
        bin begins at the least value, the last ends at the largest.
    names
        Of the files' values; ANNOT0, ANNOT1 and so on without.

    Returns
    -------
    pandas.DataFrame
        Columns SNP, and of each bin, such as DAF_min_0.1, or combination of bins (DAF_min_0.1_
        AGE_5.0_max) whether a variant is in it.

    Raises
    ------
    InputError
        A file cannot be read, the files are of other variants, there is another number of lists of
        breaks or names, or all breaks lie beyond the values.
    """
    names = [f"ANNOT{i}" for i in range(len(files))] if names is None else list(names)
    for what, given in (("cts_breaks", breaks), ("cts_names", names)):
        if len(given) != len(files):
            raise InputError(what, f"{len(given)} for {len(files)} files, expected one a file")
    snp: pd.Series | None = None
    places: list[np.ndarray] = []
    labels: list[list[str]] = []
    for file, cuts in zip(files, breaks, strict=True):
        table = _read(Path(file))
        if snp is not None and not snp.equals(table["SNP"]):
            raise InputError(file, f"other variants than in {files[0]}, or in another order")
        snp = table["SNP"]
        place, label = _bins(table["value"].to_numpy(float), cuts, file)
        places.append(place)
        labels.append([f"{names[len(labels)]}_{one}" for one in label])
    assert snp is not None
    columns = {
        "_".join(label[i] for label, i in zip(labels, chosen, strict=True)): np.logical_and.reduce(
            [place == i for place, i in zip(places, chosen, strict=True)]
        ).astype(np.int8)
        for chosen in product(*(range(len(label)) for label in labels))
    }
    return pd.DataFrame({"SNP": snp, **columns})


def _read(file: Path) -> pd.DataFrame:
    try:
        table = pd.read_csv(
            file, sep=r"\s+", header=None, names=["SNP", "value"], dtype={"SNP": str}
        )
        table["value"] = table["value"].astype(float)
    except (OSError, ValueError) as error:
        said = " ".join(str(error).split())[:120]
        raise InputError(
            file, f"cannot be read ({said})", "Two columns, variant and number, no header."
        ) from None
    if not len(table) or table["value"].isna().any():
        raise InputError(file, "a value is missing" if len(table) else "no variants in it")
    return table


def _bins(
    values: np.ndarray, breaks: Sequence[float], file: str | Path
) -> tuple[np.ndarray, list[str]]:
    """(J,) the bin of each value, and the bins' names."""
    cuts, low, high = sorted(map(float, breaks)), values.min(), values.max()
    if not cuts or cuts[0] >= high or cuts[-1] <= low:
        raise InputError(
            "cts_breaks", f"{cuts} for the values {low:g} to {high:g} of {file}: none between them"
        )
    # the names of the ends are the same for every chromosome
    inner = cuts[1:] if cuts[0] < low else cuts
    inner = inner[:-1] if cuts[-1] > high else inner
    ends = ["min", *map(str, inner), "max"]
    return np.searchsorted(inner, values, side="left"), [f"{a}_{b}" for a, b in pairwise(ends)]
