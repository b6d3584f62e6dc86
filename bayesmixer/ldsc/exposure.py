"""GwasData as LD score regression sees them: the LD score in place of the sum of strengths, and M
in place of its total, so that what is known of the infinitesimal model holds for it too.

With effects of one variance for standardised variants, E z_j^2 = b + N_j h2 l_j / M, where the
infinitesimal model has N_j h2 (sum_i H_i r_ij^2) / H_total.
"""

from __future__ import annotations

import numpy as np
import xarray as xr

from bayesmixer.errors import InputError


def exposed(data: xr.Dataset) -> xr.Dataset:
    """The data with `ld_score_h` (maf_s=1, variant) the LD scores and `h_total` (maf_s=1) M.

    Raises
    ------
    InputError
        They do not say M.
    """
    if data.attrs.get("exposure") == "ld_score":
        return data
    m = data.attrs.get("m_5_50")
    if m is None and "m_5_50" in data:
        m = float(data["m_5_50"].values.sum())
    if m is None or not float(m) > 0:
        raise InputError(
            "data",
            "no m_5_50, the number of reference variants of MAF above 5%",
            "Align with LD scores that have .l2.M_5_50 files beside them, or a reference of ours.",
        )
    by_s = [name for name, v in data.variables.items() if "maf_s" in v.dims]
    of_all = "ld_score" if "ld_score" in data else "annotation_ld_score"
    score = data[of_all].values.astype(float)
    score = score.sum(axis=1) if score.ndim == 2 else score
    return (
        data.drop_vars(by_s)
        .assign(
            ld_score_h=(("maf_s", "variant"), score[None]),
            h_total=("maf_s", np.array([float(m)])),
        )
        .assign_coords(maf_s=[0.0])
        .assign_attrs(exposure="ld_score")
    )
