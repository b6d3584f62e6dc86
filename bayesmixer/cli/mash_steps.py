"""The steps of `bayesmixer mash`: effects from what was typed, the rows to learn from, loci."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

import bayesmixer as bm
from bayesmixer import aside
from bayesmixer.cli.output import check_inputs, say_wrapped
from bayesmixer.errors import InputError
from bayesmixer.io.posterior_tables import LOCI
from bayesmixer.mash.gwas import WAYS
from bayesmixer.mash.prior_covariances import DEFAULT, LEARNED, PLAIN
from bayesmixer.mash.runs import ERRORS, MANY, with_errors
from bayesmixer.mash.samples import LEARN
from bayesmixer.mash.streaming import posterior_blocks
from bayesmixer.mash.strong_effects import TOP, positions

if TYPE_CHECKING:
    import xarray as xr


class Near(NamedTuple):
    """What effects must not be of each other: within base pairs, or in LD in a reference."""

    distance: float | None
    reference: Path | None
    r2: float

    def apart(self, effects: xr.Dataset, **options: Any) -> Any:
        """Positions of effects apart from each other."""
        return bm.mash.thinned(
            effects, distance=self.distance, reference=self.reference, r2=self.r2, **options
        )


def on_disk(files: list[Path]) -> bool:
    """Whether effects are read block by block."""
    return files[0].suffix in (".npy", ".zarr")


class Asked(NamedTuple):
    """What was typed of tables of effects."""

    z: bool
    p: bool
    v: str | None
    alpha: float | None
    df: float | None
    baseline: str | None
    contrasts: Path | None


def errors_of(files: list[Path], asked: Asked, fitted: bool) -> Any:
    """The correlation of errors by what was asked for: a table, an estimate from the effects of
    files, or None. Without being asked, it is not estimated where a mixture is `fitted` already:
    these effects may be chosen ones, which tell none.
    """
    v = asked.v
    way = "independent" if v == "none" or (fitted and v is None) else v or "auto"
    if way not in ERRORS:
        check_inputs(Path(way))
        return Path(way)
    if v is None and way == "independent":
        return None
    effects = _opened(files, asked) if on_disk(files) else bm.read_effects(**_tables(files, asked))
    if "v" in effects:
        _refuse_v(asked, files)
    if on_disk(files) and way != "independent":
        effects = effects.isel(effect=bm.mash.random_rows(effects, LEARN)).load()
    return with_errors(effects, way)[1]


def _refuse_v(asked: Asked, files: list[Path]) -> None:
    if asked.v is not None:
        raise InputError("--v", f"'{asked.v}', but {files[0]} holds v", "Leave out one of them.")


def read(files: list[Path], asked: Asked, known: Any) -> xr.Dataset:
    """Effects of tables or arrays, under a `known` correlation of errors where they hold none."""
    if on_disk(files):
        if isinstance(known, Path):
            effects = _opened(files, asked, known)
        else:
            effects = _opened(files, asked)
            if known is not None and "v" not in effects:
                effects = effects.assign(v=known.drop_attrs())
    else:
        options = _tables(files, asked)
        estimated = known is not None and not isinstance(known, Path)
        if estimated and files[0].suffix == ".npz" and "v" in bm.read_effects(**options):
            _refuse_v(asked, files)
        elif known is not None:
            options["v"] = known
        effects = bm.read_effects(**options, baseline=asked.baseline, contrasts=asked.contrasts)
    if asked.v != "none" or "v" in effects:  # of contrasts
        return effects
    # errors that are independent, whatever a fit says
    names = effects["condition"].values
    v = (("condition", "condition_bis"), np.eye(len(names)))
    return effects.assign(v=v).assign_coords(condition_bis=names)


def _opened(files: list[Path], asked: Asked, v: Path | None = None) -> xr.Dataset:
    if asked != Asked(False, False, asked.v, asked.alpha, None, None, None):
        raise InputError("FILES", "of .npy and .zarr only effects and standard errors are read")
    return bm.mash.open_effects(*_two(files), v=v, alpha=asked.alpha)


def _tables(files: list[Path], asked: Asked) -> dict[str, Any]:
    """Arguments of `bayesmixer.read_effects`."""
    first, second = _two(files)
    options = {"alpha": 0.0 if asked.alpha is None else asked.alpha, "df": asked.df}
    if second is None:
        return options | {"z" if asked.z else "bhat": first}
    return options | {"bhat": first, "z" if asked.z else "p" if asked.p else "shat": second}


def _two(files: list[Path]) -> tuple[Path, Path | None]:
    if len(files) > 2:
        raise InputError(files[2], "a third file, expected effects and their standard errors")
    return files[0], files[1] if len(files) > 1 else None


def read_gwas(
    files: list[Path], reference: Path | None, ref_ld: str | None, w_ld: str | None,
    v: str | None, alpha: float | None, join: str, seed: int,
) -> xr.Dataset:  # fmt: skip
    """Effects of summary statistics."""
    known: Any = v or "auto"
    if known not in WAYS:
        known = Path(known)
        check_inputs(known)
    effects = bm.mash.read_gwas(
        files, reference=reference, ref_ld=ref_ld, w_ld=w_ld, v=known,
        alpha=1.0 if alpha is None else alpha, join=join, seed=seed,
    )  # fmt: skip
    n, k = effects.sizes["effect"], effects.sizes["condition"]
    say_wrapped(f"{n:,} variants of {k} traits on one list")
    return effects


def learned(
    effects: xr.Dataset, random: xr.Dataset | None, files: list[Path], kinds: str | None,
    components: int | None, strong: str | None, learn: int | None, near: Near | None,
    options: dict[str, Any],
) -> xr.DataTree:  # fmt: skip
    """The mixture: covariances learned from effects, weights from all of them, from some, or from
    `random` ones, beside which the effects are the strong ones.
    """
    asked = [one.strip() for one in kinds.split(",")] if kinds else [*DEFAULT]
    if kinds is None and effects.sizes["condition"] == 1:
        asked = [*PLAIN]
    if not {*LEARNED} & {*asked} and (strong or components):
        name = "--strong" if strong else "--components"
        raise InputError(name, "given, but no covariances are learned", "Leave it out.")
    if near is not None and near.reference is None and "pos" not in effects.coords:
        say_wrapped("no positions: effects to learn from are random, and may be in LD")
        near = None
    lazy = "source" in effects.attrs and on_disk(files)
    rows = np.zeros(0, dtype=int)
    if strong not in (None, "ash", "top"):
        check_inputs(Path(strong))
        rows = positions(np.array(Path(strong).read_text().split()), effects)
    elif {*LEARNED} & {*asked}:
        rule = strong or ("all" if random is not None else "top" if lazy else "ash")
        if rule == "all":
            rows = np.arange(effects.sizes["effect"])
        else:
            rows = bm.mash.largest(effects, TOP) if rule == "top" else bm.mash.strong(effects)
        if near is not None and len(rows):
            z = np.nanmax(np.abs((effects["bhat"] / effects["shat"]).values[rows]), axis=1)
            rows = near.apart(effects, order=rows[np.argsort(-z, kind="stable")])
        if not len(rows) and kinds is None:
            say_wrapped("no strong effect to learn covariances from: canonical ones alone")
            asked = [*PLAIN]
    source = effects
    if lazy:
        source, rows = effects.isel(effect=rows).load(), np.arange(len(rows))
    covariances = bm.mash.covariances(source, asked, strong=rows, n_components=components or 5)
    every = effects if random is None else random
    n = every.sizes["effect"]
    if near is not None:
        seed = int(options["seed"])
        chosen = near.apart(every, seed=seed)
        told = f"learning from {len(chosen):,} of {n:,} effects, apart from each other"
        if (most := learn or LEARN) < len(chosen):
            chosen = np.sort(np.random.default_rng(seed).choice(chosen, most, replace=False))
            told = f"learning from {most:,} of {n:,} effects, apart from each other, at random"
        say_wrapped(told)
        return bm.mash.fit_sample(every, covariances, rows=chosen, **options)
    count = learn if learn is not None else LEARN if n > MANY else n
    if count < n:
        say_wrapped(f"learning from {count:,} of {n:,} effects, drawn at random")
    return bm.mash.fit_sample(every, covariances, rows=count, **options)


def posterior(fit: xr.DataTree, effects: xr.Dataset) -> xr.Dataset:
    """Posteriors of all effects, with progress where they are many."""
    if effects.sizes["effect"] <= MANY:
        return bm.mash.posterior(fit, effects)
    import xarray as xr

    made = [block for _, block in posterior_blocks(fit, effects)]
    return xr.concat(made, "effect", combine_attrs="override")


def write_loci(
    posterior: xr.Dataset, path: Path, threshold: float, near: Near, known: list[Path] | None,
    replace: bool,
) -> None:  # fmt: skip
    """The table of loci."""
    found = bm.mash.loci(
        posterior, threshold=threshold, distance=near.distance, reference=near.reference,
        r2=near.r2, known=[str(one) for one in known or []],
    )  # fmt: skip
    text = found.to_csv(sep="\t", index=False, lineterminator="\n")
    aside.write(path, text, LOCI, replace=replace)
    say_wrapped(f"{len(found):,} loci: {path}")
