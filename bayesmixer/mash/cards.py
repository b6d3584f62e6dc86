"""Cards of the models of a mixture's weights: effects in many conditions, and in one."""

from __future__ import annotations

from dataclasses import replace

from bayesmixer.card import Card, Free, Prior, Quantity

NULL_MASS = Free(
    "null_mass",
    (-30.0, 30.0),
    (-1.0, 3.0),
    Prior("dirichlet", (10.0, 1.0), "between 69% and all effects are exactly 0"),
)
GROUP_SHARE = Free(
    "group_share",
    (-1e6, 1e6),
    (-1.0, 1.0),
    Prior("dirichlet", (5.0,), "5 in all, in equal parts: a few groups, whatever their number"),
)
SCALE_SHARE = Free(
    "scale_share",
    (-1e6, 1e6),
    (-1.0, 1.0),
    Prior("dirichlet", (5.0,), "5 in all, in equal parts: a few scales, whatever their number"),
)
PI0 = Quantity("pi0", "share of effects that are exactly 0", shown=True)
NEAR_NULL = Quantity(
    "near_null",
    "share of effects that are 0, or of a scale below half a median standard error",
    shown=True,
)
EFFECT_SD = Quantity(
    "effect_sd",
    "root mean square of all effects, from the mode, in each condition: their scale",
)
COVARIANCE_WEIGHT = Quantity("covariance_weight", "share of effects of each covariance")
SIDE_WEIGHT = Quantity("side_weight", "share of effects on each side of the mode")

MASH = Card(
    name="mash",
    title="mash",
    verb="",
    summary="Weights of a mixture of covariances and scales that effects in many conditions are "
    "from.",
    free=(NULL_MASS, GROUP_SHARE, SCALE_SHARE),
    reported=(PI0, NEAR_NULL, EFFECT_SD, COVARIANCE_WEIGHT),
    kind="effects",
    unit="effect",
    wing="bayesmixer.mash",
    options=("grid", "point_mass", "independent", "null", "concentration"),
)
ASH = replace(
    MASH,
    name="ash",
    title="adaptive shrinkage",
    summary="Weights of a mixture around one mode that effects in one condition are from.",
    reported=(PI0, NEAR_NULL, EFFECT_SD, SIDE_WEIGHT),
    options=("mixture", "mode", "df", "grid", "gridmult", "point_mass", "null", "concentration"),
)
