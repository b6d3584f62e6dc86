"""What makes a calibration itself uncertain: a sentence each, with what to do."""

from __future__ import annotations

import numpy as np
import xarray as xr

from bayesmixer.inference.density import Array
from bayesmixer.inference.information import Information, influence

FEWEST_BLOCKS = 200
DOMINANT = 0.5  # share of one LD block in a parameter's variance that is worth a word


def concerns(
    info: Information, names: list[str], at_bound: list[str], data: xr.Dataset | None = None
) -> list[str]:
    """What makes the calibrated covariance itself uncertain, with a remedy."""
    said = []
    n = len(info.blocks)
    if n < FEWEST_BLOCKS:
        said.append(
            f"{n} LD blocks (at least {FEWEST_BLOCKS} wanted): the calibrated widths are "
            "themselves uncertain; use more chromosomes."
        )
    j = np.linalg.cond(_scaled(info.variability + info.prior, info.hessian))
    if j > 1e6:
        said.append(
            f"The variability of the score is nearly singular (condition {j:.0e}): a parameter "
            "is not determined; fix it, or use a simpler model."
        )
    share = influence_share(info)
    heavy = [
        f"{name} ({s:.0%})" for name, s in zip(names, share.max(0), strict=True) if s > DOMINANT
    ]
    if heavy:
        row = int(np.argmax(share.max(1)))
        said.append(
            f"{place_of(info.blocks[row], data)} makes up much of the variance of "
            f"{', '.join(heavy)}: the estimate hangs on one locus; "
            "compare a fit without it (its weight 0), or calibrate(..., adjust='bootstrap')."
        )
    if at_bound:
        said.append(
            f"Not calibrated in {', '.join(at_bound)}: the mode is at the edge of the search "
            "box; read the other parameters only."
        )
    return said


def place_of(block: int, data: xr.Dataset | None) -> str:
    """An LD block by its number, place and strongest variant."""
    if data is None:
        return f"LD block {block}"
    here = data.isel(
        variant=np.flatnonzero((data["ld_block"].values == block) & (data["weight"].values > 0))
    )
    pos, z = here["pos"].values, here["z"].values[:, 0]
    at = int(np.argmax(np.abs(z)))
    return (
        f"LD block {block} ({here['chrom'].values[at]}:{pos[0]}-{pos[-1]}, strongest "
        f"{here['snp'].values[at]} with |z| {abs(z[at]):.1f})"
    )


def influence_share(info: Information) -> Array:
    """(L, P) share of each LD block in the variance of each parameter; 0 for one that no block
    tells of.
    """
    move = influence(info) ** 2
    total = move.sum(0)
    return np.asarray(move / np.where(total > 0, total, 1.0))


def _scaled(j: Array, h: Array) -> Array:
    """J in units of H's diagonal."""
    d = 1 / np.sqrt(np.diag(h))
    return np.asarray(d[:, None] * j * d)


def far_from_gaussian(draws: Array, names: list[str]) -> list[str]:
    """A warning where the raw posterior is so skewed that an affine map says little of its
    tails.
    """
    flat = draws.reshape(-1, draws.shape[-1])
    away = (flat - flat.mean(0)) / np.maximum(flat.std(0), 1e-12)
    skew = (away**3).mean(0)
    bad = [f"{name} ({s:+.1f})" for name, s in zip(names, skew, strict=True) if abs(s) > 1.5]
    if not bad:
        return []
    return [
        f"The posterior is far from Gaussian (skewness {', '.join(bad)}): its tails are rough; "
        "compare adjust='curvature' or 'bootstrap'."
    ]
