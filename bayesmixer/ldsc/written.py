"""Files of a regression beside each other under one prefix: JSON of everything, a tidy table, and
LDSC's own.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from bayesmixer import __version__, aside

HEAD = re.compile(r'\{"bayesmixer": "[^"]*", "files": (\{[^{}]*\})')
JSON = aside.Kind(
    "what an LD score regression found", lambda path: HEAD.match(_head(path)) is not None
)


def _head(path: Path) -> str:
    """The beginning of a file, which lists the files beside it."""
    with path.open("rb") as file:
        text = file.read(1 << 14)
        while b"}" not in text and (more := file.read(1 << 20)):  # of many pairs they are many
            text += more
    return text.decode("utf-8", "replace")


def tidy(rows: Sequence[Mapping[str, Any]]) -> str:
    """Rows as tab-separated text in full precision, NA where there is nothing."""
    columns = list(dict.fromkeys(name for row in rows for name in row))
    lines = ["\t".join(columns)]
    for row in rows:
        lines.append("\t".join(_cell(row.get(name)) for name in columns))
    return "\n".join(lines) + "\n"


def _cell(value: Any) -> str:
    if value is None or (isinstance(value, float | np.floating) and np.isnan(value)):
        return "NA"
    return repr(float(value)) if isinstance(value, float | np.floating) else str(value)


def _noted(prefix: Path) -> dict[str, str]:
    """Files that lie beside PREFIX.json by what it says, and their digests."""
    listed = Path(f"{prefix}.json")
    found = HEAD.match(_head(listed)) if listed.is_file() else None
    return {} if found is None else json.loads(found[1])


def _own(prefix: Path) -> aside.Kind:
    noted = _noted(prefix)
    return aside.Kind(
        "a file of an LD score regression",
        lambda path: noted.get(path.name) == hashlib.sha256(path.read_bytes()).hexdigest(),
    )


def check_places(prefix: Path, endings: Sequence[str], replace: bool) -> None:
    """Before the work: that each file can be written, and nothing is there that is to stay.

    Raises
    ------
    InputError
        It cannot, or something is.
    """
    own = _own(prefix)
    for ending in endings:
        place = Path(f"{prefix}{ending}")
        kind = JSON if ending == ".json" else own
        aside.place(place, kind, replace=replace, where="--out", argument="--force")


def write(
    prefix: Path, found: Mapping[str, Any], texts: Mapping[str, str], *, replace: bool
) -> list[Path]:
    """Write PREFIX.json of what was `found`, and a file of each ending in `texts`.

    Raises
    ------
    InputError
        One cannot be written, or something is there that is to stay.
    """
    own, out = _own(prefix), []
    content = {ending: aside.written(text).encode() for ending, text in texts.items()}
    names = {
        f"{prefix.name}{ending}": hashlib.sha256(data).hexdigest()
        for ending, data in content.items()
    }
    # those of an earlier run that lie beside stay this program's own
    names = {
        name: digest
        for name, digest in _noted(prefix).items()
        if (place := prefix.with_name(name)).is_file() and own.mine(place)
    } | names
    # each file is known as this program's own before it replaces one that was
    for ending, data in content.items():
        out.append(aside.write(Path(f"{prefix}{ending}"), data, own, replace=replace))
    whole = {"bayesmixer": __version__, "files": names, **found}
    try:
        text = json.dumps(whole, default=_plain, allow_nan=False)
    except ValueError:  # which JSON has no word for
        text = json.dumps(_finite(whole), default=_plain)
    return [*out, aside.write(Path(f"{prefix}.json"), text + "\n", JSON, replace=replace)]


def _finite(value: Any) -> Any:
    """None in place of numbers that are not finite."""
    if isinstance(value, Mapping):
        return {k: _finite(v) for k, v in value.items()}
    if isinstance(value, list):
        return [_finite(v) for v in value]
    return None if isinstance(value, float) and not np.isfinite(value) else value


def _plain(value: Any) -> Any:
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    raise TypeError(type(value).__name__)
