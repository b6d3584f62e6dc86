"""A small made-up GWAS and its rendering in the columns of many programs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from scipy.stats import norm

PAIRS = [
    ("A", "C"),
    ("A", "G"),
    ("C", "A"),
    ("C", "T"),
    ("G", "A"),
    ("G", "T"),
    ("T", "C"),
    ("T", "G"),
]


def gwas(rows: int = 60, seed: int = 0) -> pd.DataFrame:
    """Truth: unambiguous SNPs of chromosome 2 with effect allele ea, other allele oa, beta, se, z =
    beta / se, P, frequency and N.
    """
    rng = np.random.default_rng(seed)
    pairs = rng.integers(0, len(PAIRS), rows)
    se = rng.uniform(0.01, 0.05, rows).round(7)
    beta = (rng.standard_normal(rows) * 2 * se).round(7)
    z = beta / se
    return pd.DataFrame(
        {
            "rsid": [f"rs{1000 + i}" for i in range(rows)],
            "chrom": 2,
            "pos": 100_000 + 1_000 * np.arange(rows),
            "ea": [PAIRS[k][0] for k in pairs],
            "oa": [PAIRS[k][1] for k in pairs],
            "beta": beta,
            "se": se,
            "z": z,
            "p": 2 * norm.sf(np.abs(z)),
            "freq": rng.uniform(0.1, 0.9, rows).round(4),
            "n": rng.integers(90_000, 100_000, rows),
            "info": rng.uniform(0.95, 1.0, rows).round(4),
        }
    )


def exact(values: pd.Series) -> list[str]:
    """Numbers as text that gives the same double back."""
    return [repr(float(v)) for v in values]


def write(path: Path, columns: dict[str, object], separator: str = "\t", before: str = "") -> Path:
    """Write columns as delimited text under a header line."""
    frame = pd.DataFrame(
        {
            name: (exact(c) if isinstance(c, pd.Series) and c.dtype.kind == "f" else c)
            for name, c in columns.items()
        }
    )
    path.write_text(before + frame.to_csv(sep=separator, index=False))
    return path


def plain(path: Path, **changes: object) -> Path:
    """A usual table (SNP CHR BP A1 A2 BETA SE P N) of `gwas()`, columns replaced, or left out where
    None.
    """
    g = gwas()
    columns: dict[str, object] = {
        "SNP": g.rsid, "CHR": g.chrom, "BP": g.pos, "A1": g.ea, "A2": g.oa, "BETA": g.beta,
        "SE": g.se, "P": g.p, "N": g.n,
    }  # fmt: skip
    columns |= changes
    return write(path, {name: c for name, c in columns.items() if c is not None})
