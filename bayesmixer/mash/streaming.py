"""Posteriors of more effects than memory holds, block by block into a Zarr store, from where a
killed run goes on.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from bayesmixer import aside
from bayesmixer.errors import InputError
from bayesmixer.io.row_stores import begin, finish, put
from bayesmixer.io.stores import beside
from bayesmixer.kinds import root_attributes, stored
from bayesmixer.mash.posteriors import posterior
from bayesmixer.mash.samples import row_blocks
from bayesmixer.mash.trees import mixture_of, under_errors
from bayesmixer.progress import bar


def posterior_blocks(
    fit: xr.DataTree, effects: xr.Dataset, *, first: int = 0, progress: bool | None = None,
    **options: Any,
) -> Iterator[tuple[slice, xr.Dataset]]:  # fmt: skip
    """Posteriors of `bayesmixer.mash.posterior`, block by block, from the effect `first` on."""
    n = effects.sizes["effect"]
    with bar("Posteriors", n, progress) as b:
        b.advance(first)
        for part, block in row_blocks(effects.isel(effect=slice(first, None))):
            yield slice(first + part.start, first + part.stop), posterior(fit, block, **options)
            b.advance(part.stop - part.start)


def posterior_to(
    fit: xr.DataTree,
    effects: xr.Dataset,
    path: str | os.PathLike[str],
    *,
    contrasts: Any = None,
    dtype: str = "float64",
    replace: bool = True,
    progress: bool | None = None,
) -> Path:
    """Posteriors of any number of effects as a Zarr store, in memory that does not grow with them.

    A run that was killed goes on from where it was, in `PATH.partial`.

    Parameters
    ----------
    fit, effects, contrasts
        As in `bayesmixer.mash.posterior`; effects from `bayesmixer.mash.open_effects` are read
        block by block.
    path
        The store, ending in .zarr.
    dtype
        "float64", or "float32" for half the size.
    replace
        Whether posteriors that were stored there before are replaced.
    progress
        Show a progress bar; None shows it on a terminal.

    Returns
    -------
    pathlib.Path
        The store: `bayesmixer.load` reads it whole, `xarray.open_zarr` as needed.

    Raises
    ------
    InputError
        As `bayesmixer.mash.posterior`, or the store cannot be written.
    """
    what = stored("mash_posterior", path)
    if not what.folder or dtype not in ("float64", "float32"):
        name, found = ("path", path) if not what.folder else ("dtype", dtype)
        raise InputError(name, f"'{found}', expected a .zarr of float64 or float32")
    aside.place(path, what, replace=replace)
    into, mark = beside(Path(path)), _mark(fit, effects, contrasts, dtype)
    with aside.claimed(path):
        first = _taken_up(into, mark)
        for part, block in posterior_blocks(
            fit, effects, first=first, progress=progress, contrasts=contrasts
        ):
            if part.start == 0:
                _begin(into, block, effects, dtype)
            put(into, part, _values(block, effects.isel(effect=part)))
            aside.write(into / "rows.json", json.dumps({"mark": mark, "rows": part.stop}))
        finish(into)
        (into / "rows.json").unlink()
        target = Path(os.path.realpath(path))
        aside.place(path, what, replace=replace)
        aside.rename(into, target)
    return Path(path)


def _mark(fit: xr.DataTree, effects: xr.Dataset, contrasts: Any, dtype: str) -> str:
    """What a run must be the same in, to go on from another."""
    mixture, _ = mixture_of(fit)
    digest = hashlib.sha256(repr((effects.sizes, effects.attrs, dtype)).encode())
    n = effects.sizes["effect"]
    some = effects.isel(effect=np.unique(np.linspace(0, n - 1, 1000).astype(int)))
    parts = [mixture.u, mixture.grid, mixture.weights, some["bhat"].values, some["shat"].values]
    parts += [] if mixture.alone is None else [*mixture.alone]
    parts += [] if contrasts is None else [np.asarray(contrasts)]
    v = under_errors(fit, some).get("v")
    parts += [] if v is None else [v.values]
    for one in parts:
        digest.update(np.ascontiguousarray(one, dtype=np.float64).tobytes())
    return digest.hexdigest()


def _taken_up(into: Path, mark: str) -> int:
    """Rows that an earlier run of the same finished; what is of another run is removed, and what no
    run has made is refused.
    """
    ours = (root_attributes(into) or {}).get("kind") == "mash_posterior"
    try:
        held = json.loads((into / "rows.json").read_text(encoding="utf-8"))
        ours |= "mark" in held
        if held["mark"] == mark:
            return int(held["rows"])
    except (OSError, ValueError, KeyError, TypeError):
        pass
    if into.is_dir() and not ours and any(into.iterdir()):
        raise InputError(
            into, "a folder that bayesmixer has not made", "Move it away, or give another path."
        )
    if into.is_dir():
        shutil.rmtree(into)
    return 0


def _along(effects: xr.Dataset) -> dict[str, xr.DataArray]:
    """Names of the effects, and what else is known of each."""
    return {str(k): v for k, v in effects.coords.items() if v.dims == ("effect",)}


def _values(block: xr.Dataset, named: xr.Dataset) -> dict[str, Any]:
    """What to write of a block, text as text."""
    found: dict[str, Any] = {str(k): v.values for k, v in block.data_vars.items()}
    for name, one in _along(named).items():
        found[name] = one.values.astype(str) if one.dtype.kind == "O" else one.values
    return found


def _begin(into: Path, block: xr.Dataset, effects: xr.Dataset, dtype: str) -> None:
    """The store with what does not grow, and room for all effects."""
    n = effects.sizes["effect"]
    arrays: dict[str, Any] = {
        str(name): (tuple(map(str, one.dims)), (n, *one.shape[1:]), dtype)
        for name, one in block.data_vars.items()
    }
    for name, one in _along(effects).items():
        kind = one.values.astype(str).dtype if one.dtype.kind == "O" else one.dtype
        arrays[name] = (("effect",), (n,), kind)
    coords = {k: v for k, v in block.coords.items() if "effect" not in v.dims}
    beside_names = " ".join(name for name in _along(effects) if name != "effect")
    attrs = block.attrs | ({"coordinates": beside_names} if beside_names else {})
    begin(into, xr.Dataset(coords=coords, attrs=attrs), arrays)
