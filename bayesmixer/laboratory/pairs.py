"""`fit_pairs`: every pair of many traits, each trait fitted once, in parallel and resumable."""

from __future__ import annotations

import hashlib
import json
import os
import re
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from itertools import combinations
from pathlib import Path
from typing import Any

import pandas as pd
import xarray as xr

from bayesmixer import aside, workers
from bayesmixer.arguments import choice, whole_number
from bayesmixer.card import Card, cards
from bayesmixer.errors import DataWarning, InputError
from bayesmixer.kinds import json_object
from bayesmixer.progress import bar

FOLDERS = ("sumstats", "traits", "pairs")
TABLE, FIGURE = "pairs.tsv", "pairs.png"
ALIGNMENT = ("join", "by", "ambiguous", "weights", "blocks", "dominant", "exclude_regions")
METHODS = ("map", "laplace", "nuts", "binned")
KEY = "pairs_key"  # attribute of a stored fit: what it was made of


@dataclass(frozen=True)
class Settings:
    """What every fit of a folder shares."""

    reference: str
    model: str
    method: str
    prior: str
    joint: bool
    alignment: dict[str, Any]
    seed: int


def models_of_pairs() -> tuple[str, ...]:
    """Names of the models of two traits that have a model of each, the first the usual one."""
    return tuple(card.name for card in cards().values() if card.traits == 2 and card.each)


def fit_pairs(
    sumstats: Mapping[str, Any] | Sequence[str | os.PathLike[str]],
    reference: str | os.PathLike[str],
    out: str | os.PathLike[str],
    *,
    pairs: Iterable[tuple[str, str]] | None = None,
    model: str | None = None,
    method: str = "laplace",
    prior: str = "weak",
    joint: bool = False,
    alignment: Mapping[str, Any] | None = None,
    seed: int = 0,
    processes: int | None = None,
    client: Any = None,
    progress: bool | None = None,
) -> pd.DataFrame:
    """Fit each of many traits once, and every pair of them.

    Every finished fit is kept in `out`; the same call goes on from there, also with more traits.
    A fit that is there is not made again; one of other data or settings is refused, never replaced.

    Parameters
    ----------
    sumstats
        Files of summary statistics, or {trait: file or Sumstats}; the name of a trait is otherwise
        that of its file up to the first dot.
    reference
        LD reference (`build_reference`).
    out
        Directory: `traits/NAME.nc` and `pairs/A__B.nc` for `bayesmixer.load`, and the table
        `pairs.tsv`.
    pairs
        Which pairs of traits; None for all.
    model
        Model of two traits; None for bivariate MiXeR.
    method, prior, seed
        As in `fit` and the model.
    joint
        False (default): what belongs to one trait is held at that trait's own fit, the same in
        every pair (Frei et al. 2019, Table 1). True: it is estimated anew in every pair.
    alignment
        Options of `align`: join, by, ambiguous, weights, blocks, dominant, exclude_regions.
    processes
        Worker processes, one thread each; None for one a core.
    client
        A dask.distributed Client to run on instead; its workers see `out` and the reference.
    progress
        Progress bar; None shows it on a terminal.

    Returns
    -------
    pandas.DataFrame
        One row a pair: `trait_1`, `trait_2`, every reported quantity (`_1`, `_2` where it has one
        for each trait), the ends of its 90% interval (`_low`, `_high`) where there are draws, and
        the `verdict`: of a pair that could not be fitted, why.

    Raises
    ------
    InputError
        Names of traits that are no names of files or stand twice, fewer than two traits, an unknown
        option, or a folder that holds fits of other data or settings.
    """
    known = models_of_pairs()
    model = known[0] if model is None else model
    choice("model", model, known)
    choice("method", method, METHODS)
    choice("prior", prior, ("weak", "flat"))
    options = dict(alignment or {})
    if unknown := set(options) - set(ALIGNMENT):
        raise InputError("alignment", f"{min(unknown)!r}, expected some of {', '.join(ALIGNMENT)}")
    settings = Settings(
        os.path.abspath(reference),
        model,
        method,
        prior,
        bool(joint),
        {k: str(v) if isinstance(v, os.PathLike) else v for k, v in options.items()},
        whole_number("seed", seed, 0),
    )
    traits = _named(sumstats)
    chosen = _chosen(list(traits), pairs)
    folder = Path(out)
    _same(folder, settings)
    for name in FOLDERS:
        aside.make_folder(folder / name)
    with aside.claimed(folder):
        aside.write(folder / "settings.json", json.dumps(asdict(settings), indent=1) + "\n")
        keys = {name: _key(settings, _digest(source)) for name, source in traits.items()}
        single = [(settings, str(folder), (name,), (keys[name],)) for name in traits]
        double = [(settings, str(folder), ab, tuple(keys[n] for n in ab)) for ab in chosen]
        with bar("fits", len(single) + len(double), progress) as show:
            show.describe("reading")
            for name, source in traits.items():
                _take(folder, name, source, keys[name])
            failed: dict[tuple[str, ...], str] = {}
            for jobs, what in ((single, "traits"), (double, "pairs")):
                show.describe(what)
                failed |= _without_their_traits(jobs, failed)
                todo = [
                    job
                    for job in jobs
                    if job[2] not in failed and not _done(_path(folder, job[2]), job[3])
                ]
                show.advance(len(jobs) - len(todo))
                for fitted, problem in workers.run(_fit, todo, processes, client):
                    show.advance()
                    if problem:
                        failed[fitted] = problem
        table = pd.DataFrame([_row(folder, ab, failed.get(ab, "")) for ab in chosen])
        aside.write(folder / TABLE, table.to_csv(sep="\t", index=False))
        return table


def _named(sumstats: Any) -> dict[str, Any]:
    """{name: source}, in the order given."""
    if isinstance(sumstats, (str, os.PathLike)):
        raise InputError("sumstats", "one file, expected two or more", "Give a list of files.")
    named = (
        [(str(name), source) for name, source in sumstats.items()]
        if isinstance(sumstats, Mapping)
        else [(Path(path).name.split(".")[0], path) for path in sumstats]
    )
    names = [name for name, _ in named]
    for name in names:
        if names.count(name) > 1:
            raise InputError("sumstats", f"two traits named '{name}'", "Name them: {name: file}.")
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9.+-]*(_[A-Za-z0-9.+-]+)*", name):
            raise InputError(
                "sumstats",
                f"trait '{name}', expected letters, digits and . + - with single _ between them",
                "Name it: {name: file}.",
            )
    if len(names) < 2:
        raise InputError("sumstats", f"{len(names)} traits, expected two or more")
    return dict(named)


def _chosen(names: list[str], pairs: Any) -> list[tuple[str, str]]:
    """The pairs asked, in the order of the traits, each once."""
    every = list(combinations(names, 2))
    if pairs is None:
        return every
    asked = [tuple(pair) for pair in pairs]
    for pair in asked:
        if len(pair) != 2 or len(set(pair)) != 2 or not {*pair} <= {*names}:
            raise InputError("pairs", f"{pair}, expected two of {', '.join(names)}")
    return [ab for ab in every if ab in asked or ab[::-1] in asked]


def _digest(source: Any) -> str:
    """Hash of a file or of Sumstats."""
    if isinstance(source, xr.Dataset):
        h = hashlib.sha256()
        for name in sorted(map(str, source.data_vars)):
            values = source[name].values
            h.update(name.encode())
            h.update("\0".join(map(str, values)).encode() if values.dtype.kind in "OUT"
                     else values.tobytes())  # fmt: skip
        return h.hexdigest()
    try:
        with open(source, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise InputError(source, f"cannot be read ({error.strerror})") from None


def _key(settings: Settings, *digests: str) -> str:
    """What a fit is made of."""
    told = json.dumps([asdict(settings), *digests], sort_keys=True)
    return hashlib.sha256(told.encode()).hexdigest()[:24]


def _same(folder: Path, settings: Settings) -> None:
    """Refuse a folder of fits of other settings."""
    there, here = json_object(folder / "settings.json"), json.loads(json.dumps(asdict(settings)))
    if not there:
        if folder.is_dir() and any(
            os.path.lexists(folder / name) for name in (*FOLDERS, TABLE, FIGURE)
        ):
            raise InputError(
                folder, "holds files of these names that are not ours", "Give another directory."
            )
        return
    for k, value in here.items():
        if there.get(k) != value:
            raise InputError(
                folder,
                f"holds fits with {k} = {there.get(k)!r}, asked is {value!r}",
                "Give another directory.",
            )


def _path(folder: Path, traits: Sequence[str]) -> Path:
    return folder / ("traits" if len(traits) == 1 else "pairs") / f"{'__'.join(traits)}.nc"


def _load(path: Path) -> xr.DataTree:
    import bayesmixer as bm

    tree: xr.DataTree = bm.load(path)
    return tree


def _done(path: Path, keys: Sequence[str]) -> bool:
    """Whether a fit is there.

    Raises
    ------
    InputError
        What is there is of other data.
    """
    if not os.path.lexists(path):
        return False
    found = _load(path).attrs.get(KEY)
    if found != "-".join(keys):
        raise InputError(path, "is of other summary statistics", "Give another directory.")
    return True


def _take(folder: Path, name: str, source: Any, key: str) -> None:
    """Keep a trait's summary statistics where every worker finds them, read once."""
    import bayesmixer as bm

    path = folder / "sumstats" / f"{name}.nc"
    if _done(path, (key,)):
        return
    one = source if isinstance(source, xr.Dataset) else bm.read_sumstats(source, trait=name)
    bm.save(one.assign_attrs({KEY: key}), path, replace=False)


@lru_cache(maxsize=1)
def _reference(path: str) -> xr.DataTree:
    import bayesmixer as bm

    return bm.open_reference(path)


@lru_cache(maxsize=4)
def _sumstats(path: str) -> xr.Dataset:
    import bayesmixer as bm

    one: xr.Dataset = bm.load(path)
    return one


def _without_their_traits(
    jobs: Sequence[tuple[Any, ...]], failed: Mapping[tuple[str, ...], str]
) -> dict[tuple[str, ...], str]:
    """Pairs one of whose traits could not be fitted, and why."""
    return {
        job[2]: f"{name}: {failed[name,]}" for job in jobs for name in job[2] if (name,) in failed
    }


def _fit(
    settings: Settings, folder: str, traits: tuple[str, ...], keys: tuple[str, ...]
) -> tuple[tuple[str, ...], str]:
    """Fit one trait, or two, and save it; which, and why it could not be: one that cannot does not
    stop the others.
    """
    try:
        with warnings.catch_warnings():  # of each fit its verdict tells, and the fit keeps them
            warnings.simplefilter("ignore", DataWarning)
            _fit_and_save(settings, folder, traits, keys)
    except InputError as error:
        return traits, str(error)
    return traits, ""


def _fit_and_save(
    settings: Settings, folder: str, traits: tuple[str, ...], keys: tuple[str, ...]
) -> None:
    import bayesmixer as bm

    where, card = Path(folder), cards()[settings.model]
    files = {name: str(where / "sumstats" / f"{name}.nc") for name in traits}
    data = bm.align(
        {name: _sumstats(file) for name, file in files.items()},
        _reference(settings.reference),
        seed=settings.seed,
        progress=False,
        **(settings.alignment | ({"join": "inner"} if len(traits) == 1 else {})),
    )
    made = getattr(bm.models, _model(card, traits))(
        data, prior=settings.prior, **_held(settings, card, where, traits)
    )
    results = bm.fit(made, method=settings.method, seed=settings.seed, cores=1, progress=False)
    bm.verdict(results, data, progress=False).store(results)
    results.attrs[KEY] = "-".join(keys)
    bm.save(results, _path(where, traits), replace=False)


def _model(card: Card, traits: Sequence[str]) -> str:
    assert card.each is not None
    return card.each[0] if len(traits) == 1 else card.name


def _held(settings: Settings, card: Card, folder: Path, traits: Sequence[str]) -> dict[str, Any]:
    """The option that holds a pair at the fits of its traits."""
    if len(traits) == 1 or settings.joint or card.each is None:
        return {}
    return {card.each[1]: [_load(_path(folder, (name,))) for name in traits]}


def _row(folder: Path, traits: tuple[str, str], problem: str) -> dict[str, Any]:
    """A pair as one row."""
    import bayesmixer as bm

    row: dict[str, Any] = dict(zip(("trait_1", "trait_2"), traits, strict=True))
    if problem:
        return row | {"verdict": f"not fitted: {problem}"}
    results = _load(_path(folder, traits))
    table = bm.summary(results)
    ends = [c for c in table.columns if c.startswith("eti")]
    place = {f"[{name}]": f"_{i}" for i, name in enumerate(traits, 1)}
    for label, values in table.iterrows():
        name = str(label)
        for of, suffix in place.items():
            name = name.replace(of, suffix)
        row[name] = values["map"]
        if ends:
            row |= {f"{name}_low": values[ends[0]], f"{name}_high": values[ends[-1]]}
        elif "se" in table.columns:
            row[f"{name}_se"] = values["se"]
    row["verdict"] = bm.verdict(results).level
    return row
