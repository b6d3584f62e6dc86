"""LD scores of a reference as the files that LD score regression (bulik/ldsc) and its relatives read."""

from __future__ import annotations

import gzip
import os
from pathlib import Path

import pandas as pd
import xarray as xr

from bayesmixer.errors import InputError


def write_ldsc_scores(reference: xr.DataTree, folder: str | Path, *, prefix: str = "") -> list[Path]:
    """Write `CHROM.l2.ldscore.gz`, `CHROM.l2.M` and `CHROM.l2.M_5_50` of every chromosome.

    Parameters
    ----------
    reference
        What `open_reference` returns.
    folder
        Where to write; made if its parent exists.
    prefix
        Put before each name, such as "eur." for eur.22.l2.ldscore.gz.

    Returns
    -------
    list of pathlib.Path
        The files, by chromosome. Columns CHR, SNP, BP, L2 (three decimals, as ldsc writes them); M counts the polymorphic
        variants of the panel, M_5_50 those with MAF above 5%.

    Raises
    ------
    InputError
        The folder cannot be made or written to.
    """
    out = Path(folder)
    try:
        out.mkdir(exist_ok=True)
    except OSError as error:
        raise InputError(out, f"cannot be made ({error.strerror})", "Name a folder to write to, in one that exists.") from None
    if not os.access(out, os.W_OK):
        raise InputError(out, "cannot be written to", "Choose another folder.")
    written: list[Path] = []
    for chrom, group in reference.children.items():
        ds = group.to_dataset()
        table = pd.DataFrame({"CHR": chrom, "SNP": ds["snp"].to_numpy(), "BP": ds["pos"].to_numpy(), "L2": ds["ld_score"].to_numpy()})
        text = table.to_csv(sep="\t", index=False, float_format="%.3f", lineterminator="\n")
        stem = f"{prefix}{chrom}.l2"
        contents = {
            f"{stem}.ldscore.gz": gzip.compress(text.encode(), 6, mtime=0),
            f"{stem}.M": f"{group.attrs['n_reference']}\n".encode(),
            f"{stem}.M_5_50": f"{group.attrs['m_5_50']}\n".encode(),
        }
        for name, data in contents.items():
            aside = out / f".{name}.tmp"
            aside.write_bytes(data)
            os.replace(aside, out / name)
            written.append(out / name)
    return written
