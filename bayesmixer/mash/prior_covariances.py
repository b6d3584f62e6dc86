"""Covariances of effects between conditions: given ones, and those that strong effects tell."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from bayesmixer.arguments import choice, whole_number
from bayesmixer.errors import InputError
from bayesmixer.io.effect_tables import numbers
from bayesmixer.mash.canonical_covariances import LISTS, carried, of_sets
from bayesmixer.mash.learned_covariances import WAYS, learned
from bayesmixer.mash.mixture import checked
from bayesmixer.mash.rows import Rows, rows_of, same_conditions
from bayesmixer.mash.sparse_factors import sparse
from bayesmixer.mash.strong_effects import positions
from bayesmixer.mash.strong_effects import strong as strong_rows

Array = NDArray[np.float64]
LEARNED = ("pca", "sparse", "ed")
KINDS = (*LISTS, "carried", *LEARNED)
PLAIN = ("canonical", "carried")
DEFAULT = (*PLAIN, "ed")  # bare principal components are of rank 1, and force signs


def covariances(
    effects: xr.Dataset,
    kinds: Sequence[str] = DEFAULT,
    *,
    strong: Any = None,
    n_components: int = 5,
    deconvolution: str = "regularised",
    sets: Any = None,
    more: Any = None,
) -> xr.Dataset:
    """Covariances for `fit` to mix.

    Parameters
    ----------
    effects
        What `bayesmixer.read_effects` returned.
    kinds
        "canonical": `identity`; one `only_CONDITION` each, effects in one condition alone; `equal`,
        the same effect in all; `correlated_0.25`, `_0.5`, `_0.75`. "carried": of contrasts, those
        of the conditions they were made of, as contrasts show them (`carried_only_CONDITION`, ...),
        where these are others, as in deviations from the mean. "pca": `pca_1`, ..., v v' of
        each right singular vector v of the strong effects (not centred), and `pca`, their
        covariance in the space of all these. "sparse": `sparse_1`, ..., v v' of sparse singular
        vectors, patterns of few conditions each (Lee et al. 2010), and `sparse`, their sum. "ed":
        learned from the strong effects by extreme deconvolution, which takes their errors into
        account. And those of meta-analyses: "fixed",
        `equal` alone; "random", also `correlated_0.75`, `_0.5` and `identity` (with a point mass
        what is called RE2); "binary", the same effect in every set of conditions, of at most ten;
        "bmalite", "random" and single conditions.
    strong
        Effects from which "pca", "sparse" and "ed" learn: positions, names or a mask; None takes
        `bayesmixer.mash.strong`.
    n_components
        Principal components, sparse factors, and covariances of "ed" beside that of all strong
        effects; fewer where there are fewer conditions or strong effects.
    deconvolution
        Of "ed". "regularised": of full rank, `ed_1`, ... and `ed`, with an inverse Wishart prior
        about the covariance of the errors, from effects in units of their standard errors.
        "rank_preserving": Bovy's, which starts at the matrices of "pca" and keeps their ranks,
        `ed_pca_1`, ..., `ed_pca` (mashr's adds 1/sqrt(number of strong effects) to the diagonals,
        whatever the units, and starts at variance 1, so that the units of the data move a little
        where the steps end). "truncated": from z-scores, eigenvalues below those of the errors cut,
        `ted_pca_1`, ...
    sets
        Named sets of conditions {name: conditions}: `equal_in_NAME`, the same effect in all of one
        and none elsewhere, and `identity_in_NAME`.
    more
        Further covariances: a dict {name: (condition, condition)}, or what this function returned.

    Returns
    -------
    xarray.Dataset
        `U` (covariance, condition, condition_bis), in the units of b / shat^alpha. Only their
        shapes matter to `fit`, which takes each at all scales. Coordinate `learned_from`
        (covariance): from how many strong effects, 0 where from none.

    Raises
    ------
    InputError
        An unknown kind, no strong effect, or a matrix that is no covariance.

    References
    ----------
    Urbut et al. 2019, Nature Genetics 51:187, Online Methods; Bovy, Hogg and Roweis 2011, Annals of
    Applied Statistics 5:1657; Lee, Shen, Huang and Marron 2010, Biometrics 66:1087.

    Examples
    --------
    >>> import bayesmixer as bm
    >>> effects = bm.read_effects([[0.5, 0.1], [-0.2, 0.4]], 0.1)
    >>> [str(name) for name in bm.mash.covariances(effects, ["canonical"])["covariance"].values][:4]
    ['identity', 'only_condition_1', 'only_condition_2', 'equal']
    """
    rows = rows_of(effects)
    conditions = [str(name) for name in effects["condition"].values]
    kinds = [*kinds] if isinstance(kinds, Iterable) and not isinstance(kinds, str) else [kinds]
    for kind in kinds:
        choice("kinds", kind, KINDS)
    choice("deconvolution", deconvolution, WAYS)
    found: dict[str, Array] = {}
    for kind in [one for one in LISTS if one in kinds]:
        found |= LISTS[kind](conditions)
    if "carried" in kinds and "contrast" in effects:
        through = effects["contrast"].values / np.median(rows.unit, 0)[:, None]
        read = [str(name) for name in effects["contrasted"].values]
        found |= carried(through, read, found.values())
    if sets is not None:
        found |= of_sets(sets, conditions)
    asked_none = {*found}
    chosen = np.zeros(0, dtype=np.intp)
    if {*LEARNED} & {*kinds}:
        n = whole_number("n_components", n_components, 1)
        chosen = strong_rows(effects) if strong is None else positions(strong, effects)
        components = principal(rows, chosen, n)
        if "pca" in kinds:
            found |= components
        if "sparse" in kinds:
            found |= sparse(rows, chosen, n)
        if "ed" in kinds:
            found |= learned(rows, chosen, components, deconvolution)
    number = {name: 0 if name in asked_none else len(chosen) for name in found}
    if more is not None:
        given, names = matrices(more, effects)
        found |= dict(zip(names, given, strict=True))
        number |= dict.fromkeys(names, 0)
    if not found:
        raise InputError("kinds", "none given, and no covariances in more")
    made = as_dataset(checked(np.array([*found.values()]), [*found]), [*found], conditions)
    return made.assign_coords(learned_from=("covariance", [*number.values()]))


def scarcely_learned(given: Any) -> NDArray[np.bool_] | None:
    """Which covariances were learned from hardly more effects than there are conditions, too few
    for a second line through 0 along which effects lie; None where that is not known.
    """
    given = named(given)
    if not isinstance(given, xr.Dataset) or "learned_from" not in given.coords:
        return None
    count = given["learned_from"].values
    few: NDArray[np.bool_] = (count > 0) & (count < 2 * given.sizes["condition"])
    return few


def principal(rows: Rows, chosen: NDArray[np.intp], n: int) -> dict[str, Array]:
    """v v' of the first right singular vectors of the chosen rows, and V D^2 V' / rows."""
    if not len(chosen):
        raise InputError(
            "strong", "no strong effects for principal components to learn from",
            "Name some with strong=, or ask for kinds='canonical'.",
        )  # fmt: skip
    _, d, vt = np.linalg.svd(rows.b[chosen], full_matrices=False)
    n = min(n, int((d > 1e-10 * d[0]).sum()))
    found = {f"pca_{i + 1}": np.outer(vt[i], vt[i]) for i in range(n)}
    found["pca"] = (vt[:n].T * d[:n] ** 2) @ vt[:n] / len(chosen)
    return found


def matrices(given: Any, effects: xr.Dataset) -> tuple[Array, list[str]]:
    """Covariances and their names, from a Dataset `U`, a dict of matrices or an array of them.

    Raises
    ------
    InputError
        They are of other conditions or shapes, or no covariances.
    """
    r = effects.sizes["condition"]
    given = named(given)
    if isinstance(given, xr.Dataset):
        if "U" not in given:
            raise InputError("covariances", "no variable U", "Make them with bm.mash.covariances.")
        same_conditions(effects, given["condition"].values, "covariances")
        return given["U"].values, [str(name) for name in given["covariance"].values]
    if isinstance(given, dict):
        names = [str(name) for name in given]
        given = [numbers(one, f"covariance {name!r}") for name, one in given.items()]
    else:
        given = numbers(given, "covariances")
        given = given[None] if given.ndim == 2 else given
        if given.ndim == 0:
            raise InputError("covariances", "none", "Make them with bm.mash.covariances.")
        names = [f"U_{i + 1}" for i in range(len(given))]
    for one, name in zip(given, names, strict=True):
        if one.shape != (r, r):
            raise InputError(f"covariance {name!r}", f"of shape {one.shape}, expected {(r, r)}")
    if not len(names):
        raise InputError("covariances", "none")
    return np.array(given), names


def named(given: Any) -> Any:
    """The variable `U` of such a Dataset, or of a fit, as the Dataset; another thing as it is."""
    if isinstance(given, xr.DataArray) and {"covariance", "condition"} <= set(given.coords):
        return given.to_dataset(name="U")
    return given


def as_dataset(u: Array, names: Sequence[str], conditions: Sequence[str]) -> xr.Dataset:
    """`U` (covariance, condition, condition_bis)."""
    return xr.Dataset(
        {"U": (("covariance", "condition", "condition_bis"), u)},
        coords={
            "covariance": list(names),
            "condition": list(conditions),
            "condition_bis": list(conditions),
        },
        attrs={"kind": "covariances"},
    )
