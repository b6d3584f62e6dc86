"""LD scores of a reference as the files that LD score regression (bulik/ldsc) and its relatives
read.
"""

from __future__ import annotations

import gzip
import hashlib
import json
from pathlib import Path

import pandas as pd
import xarray as xr

from bayesmixer import aside
from bayesmixer.kinds import json_object

LIST = aside.Kind("the list of files of LD scores", lambda path: "bayesmixer" in json_object(path))


def write_ldsc_scores(
    reference: xr.DataTree, folder: str | Path, *, prefix: str = "", replace: bool = True
) -> list[Path]:
    """Write `CHROM.l2.ldscore.gz`, `CHROM.l2.M` and `CHROM.l2.M_5_50` of every chromosome.

    Parameters
    ----------
    reference
        What `open_reference` returns.
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
        The files, by chromosome. Columns CHR, SNP, BP, L2 (three decimals, as ldsc writes them); M
        counts the polymorphic variants of the panel, M_5_50 those with MAF above 5%.

    Raises
    ------
    InputError
        The folder cannot be made or written to, or holds files of these names that stay.
    """
    out = aside.make_folder(folder)
    from bayesmixer import __version__

    list_of_files = out / f"{prefix}l2.json"
    noted = json_object(list_of_files).get("files", {})
    ours = aside.Kind(
        "LD scores",
        lambda path: noted.get(path.name) == hashlib.sha256(path.read_bytes()).hexdigest(),
    )
    for chrom in reference.children:
        for ending in ("ldscore.gz", "M", "M_5_50"):
            aside.place(out / f"{prefix}{chrom}.l2.{ending}", ours, replace=replace)
    written: list[Path] = []
    for chrom, group in reference.children.items():
        ds = group.to_dataset()
        table = pd.DataFrame(
            {
                "CHR": chrom,
                "SNP": ds["snp"].to_numpy(),
                "BP": ds["pos"].to_numpy(),
                "L2": ds["ld_score"].to_numpy(),
            }
        )
        text = table.to_csv(sep="\t", index=False, float_format="%.3f", lineterminator="\n")
        stem = f"{prefix}{chrom}.l2"
        contents = {
            f"{stem}.ldscore.gz": gzip.compress(text.encode(), 6, mtime=0),
            f"{stem}.M": f"{group.attrs['n_reference']}\n".encode(),
            f"{stem}.M_5_50": f"{group.attrs['m_5_50']}\n".encode(),
        }
        noted |= {name: hashlib.sha256(data).hexdigest() for name, data in contents.items()}
        aside.write(
            list_of_files,
            json.dumps({"bayesmixer": __version__, "files": noted}, indent=1) + "\n",
            LIST,
        )
        written += [aside.write(out / name, data, ours) for name, data in contents.items()]
    return written
