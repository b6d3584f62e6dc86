"""mash of more effects than memory holds: learning on some of them, and posteriors block by block
into a Zarr store, from where a killed run goes on.
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
from bayesmixer.arguments import whole_number
from bayesmixer.errors import InputError
from bayesmixer.io.row_stores import begin, finish, put
from bayesmixer.io.stores import CHUNK_ROWS, beside
from bayesmixer.kinds import stored
from bayesmixer.mash.fits import fit
from bayesmixer.mash.likelihood import relative
from bayesmixer.mash.posteriors import posterior
from bayesmixer.mash.rows import rows_of
from bayesmixer.mash.strong_effects import positions
from bayesmixer.mash.trees import mixture_of
from bayesmixer.progress import bar

AT_ONCE = 4_000  # rows whose likelihoods under all components are held
LEARN = 20_000


def row_blocks(effects: xr.Dataset, size: int = CHUNK_ROWS) -> Iterator[tuple[slice, xr.Dataset]]:
    """Effects in memory, block by block."""
    n = effects.sizes["effect"]
    for first in range(0, n, size):
        part = slice(first, min(first + size, n))
        yield part, effects.isel(effect=part).load()


def random_rows(effects: xr.Dataset, n: int, seed: int = 0, without: Any = ()) -> np.ndarray:
    """Positions of n effects drawn at random, ascending; all there are where there are fewer.

    Parameters
    ----------
    effects
        What `bayesmixer.read_effects` or `open_effects` returned.
    n
        How many.
    seed
        Of the draw.
    without
        Effects to leave out (strong ones), by position, name or mask.

    Raises
    ------
    InputError
        There are no such effects to leave out.
    """
    n = whole_number("n", n, 1)
    left = np.ones(effects.sizes["effect"], dtype=bool)
    left[positions(without, effects)] = False
    candidates = np.flatnonzero(left)
    if n >= len(candidates):
        return candidates
    chosen = np.random.default_rng(seed).choice(len(candidates), n, replace=False)
    return candidates[np.sort(chosen)]


def largest(effects: xr.Dataset, n: int, progress: bool | None = None) -> np.ndarray:
    """Positions of the n effects with the largest |z| in any condition, ascending; read block by
    block.
    """
    top = np.empty(effects.sizes["effect"])
    with bar("Looking for strong effects", len(top), progress) as b:
        for part, block in row_blocks(effects):
            top[part] = np.nanmax(np.abs(block["bhat"].values / block["shat"].values), axis=1)
            b.advance(part.stop - part.start)
    n = min(whole_number("n", n, 1), len(top))
    return np.sort(np.argpartition(-top, n - 1)[:n])


def fit_sample(
    effects: xr.Dataset,
    covariances: Any,
    *,
    rows: Any = LEARN,
    seed: int = 0,
    others: bool = True,
    progress: bool | None = None,
    **options: Any,
) -> xr.DataTree:
    """The mixture learned from some effects, and how well it predicts the others.

    Parameters
    ----------
    effects
        What `bayesmixer.read_effects` or `open_effects` returned; read block by block.
    covariances
        As in `bayesmixer.mash.fit`.
    rows
        How many effects to learn from, drawn at random; or which, by position.
    seed
        Of the draw.
    others
        Whether the others are gone through.
    progress
        Show a progress bar; None shows it on a terminal.
    options
        Of `bayesmixer.mash.fit`.

    Returns
    -------
    xarray.DataTree
        As `bayesmixer.mash.fit`. With others, `estimate` also holds `n_others`,
        `log_likelihood_others`, the mean log-likelihood of an effect learned from
        (`mean_log_likelihood`) and of the others with its standard error
        (`mean_log_likelihood_others`, `_se`), and `gain_others`: the most, per effect, by which
        other weights could raise the latter (its duality gap, without the penalty).

    Raises
    ------
    InputError
        As `bayesmixer.mash.fit`.
    """
    n = effects.sizes["effect"]
    whole = isinstance(rows, (int, np.integer)) and not isinstance(rows, bool)
    chosen = random_rows(effects, int(rows), seed) if whole else np.sort(positions(rows, effects))
    sample = effects.isel(effect=chosen).load()
    found = fit(sample, covariances, **options)
    estimate = found["estimate"]
    estimate["mean_log_likelihood"] = float(estimate["log_likelihood"]) / len(chosen)
    found.attrs |= {"n_all": n, "seed": int(seed)}
    if not others or len(chosen) == n:
        return found
    mixture, _ = mixture_of(found)
    assert mixture.weights is not None
    left = np.ones(n, dtype=bool)
    left[chosen] = False
    total, squares, count = 0.0, 0.0, 0
    gradient = np.zeros(mixture.size)
    with bar("Predicting the other effects", n, progress) as b:
        for part, block in row_blocks(effects, AT_ONCE):
            own = np.flatnonzero(left[part])
            if len(own):
                matrix, top = relative(rows_of(block.isel(effect=own)), mixture)
                mixed = mixture.weights @ matrix
                height = np.log(mixed) + top
                gradient = gradient + matrix @ (1 / mixed)
                total += float(height.sum())
                squares += float(height @ height)
                count += len(own)
            b.advance(part.stop - part.start)
    mean = total / count
    estimate["n_others"] = count
    estimate["log_likelihood_others"] = total
    estimate["mean_log_likelihood_others"] = mean
    estimate["mean_log_likelihood_others_se"] = float(
        np.sqrt(max(squares / count - mean**2, 0) / count)
    )
    estimate["gain_others"] = float(np.log(max(gradient.max() / count, 1.0)))
    return found


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
            put(into, part, {str(k): v.values for k, v in block.data_vars.items()})
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
    parts += [] if contrasts is None else [np.asarray(contrasts)]
    parts += [effects["v"].values] if "v" in effects and effects["v"].ndim == 2 else []
    for one in parts:
        digest.update(np.ascontiguousarray(one, dtype=np.float64).tobytes())
    return digest.hexdigest()


def _taken_up(into: Path, mark: str) -> int:
    """Rows that an earlier run of the same finished; what is of another is removed."""
    try:
        held = json.loads((into / "rows.json").read_text(encoding="utf-8"))
        if held["mark"] == mark:
            return int(held["rows"])
    except (OSError, ValueError, KeyError, TypeError):
        pass
    if into.is_dir():
        shutil.rmtree(into)
    return 0


def _begin(into: Path, block: xr.Dataset, effects: xr.Dataset, dtype: str) -> None:
    """The store with its coordinates, and room for all effects."""
    n = effects.sizes["effect"]
    coords = {k: v for k, v in block.coords.items() if "effect" not in v.dims}
    coords |= {k: v for k, v in effects.coords.items() if v.dims == ("effect",)}
    arrays = {
        str(name): (tuple(map(str, one.dims)), (n, *one.shape[1:]), dtype)
        for name, one in block.data_vars.items()
    }
    begin(into, xr.Dataset(coords=coords, attrs=block.attrs), arrays)
