"""Finished parts of a long run, kept on disk so that an interrupted one goes on where it was."""

from __future__ import annotations

import hashlib
import io
import os
import re
import zipfile
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bayesmixer import aside
from bayesmixer.errors import InputError

PART = re.compile(r"([0-9a-f]{16})-.+\.npz")
MADE = ".made_by_bayesmixer"  # in a folder that did not exist before


class Checkpoint:
    """Named sets of arrays in a folder; those of another fit (other data, model, seed or settings)
    are not found again, and stay.

    Parameters
    ----------
    folder
        Where the parts lie, made where need be; None keeps nothing.
    identity
        Everything the parts depend on; its hash is in their file names.

    Raises
    ------
    InputError
        The folder cannot be made or written to.
    """

    def __init__(self, folder: str | os.PathLike[str] | None, identity: Any = None) -> None:
        self.folder = None if folder is None else Path(folder)
        self.identify(identity)
        if (
            self.folder is not None
        ):  # made with the first part: a fit that fails at once leaves nothing
            there = next(
                p for p in (self.folder.absolute(), *self.folder.absolute().parents) if p.exists()
            )
            if not there.is_dir():
                raise InputError(
                    "checkpoint",
                    f"'{folder}' cannot be made ({there} is a file)",
                    "Give another folder.",
                )
            aside.check(there / f"{self.key}.npz", aside.OWN, where="checkpoint")

    def identify(self, identity: Any) -> None:
        """Say what the parts depend on, where that is known only after the folder was checked."""
        self.key = hashlib.sha256(repr(identity).encode()).hexdigest()[:16]

    def others(self) -> bool:
        """Whether parts of another run lie there."""
        return self.folder is not None and any(
            (found := PART.fullmatch(part.name)) and found[1] != self.key
            for part in self.folder.glob("*.npz")
        )

    def _make(self) -> None:
        assert self.folder is not None
        if not self.folder.is_dir():
            aside.make_folder(self.folder, "checkpoint")
            aside.write(self.folder / MADE, "")

    def _path(self, name: str) -> Path:
        assert self.folder is not None
        return self.folder / f"{self.key}-{name}.npz"

    def get(self, name: str) -> dict[str, NDArray[Any]] | None:
        """The part of that name, or None."""
        if self.folder is None:
            return None
        try:
            with np.load(self._path(name)) as file:
                return dict(file)
        except (
            OSError,
            ValueError,
            EOFError,
            KeyError,
            zipfile.BadZipFile,
        ):  # not there, or damaged: it is made again
            return None

    def put(self, name: str, **arrays: NDArray[Any]) -> None:
        """Keep a part: written aside, then renamed."""
        if self.folder is None:
            return
        packed = io.BytesIO()
        np.savez(packed, **arrays)  # type: ignore[arg-type]
        self._make()  # another fit that kept its parts here may have ended and removed it
        aside.write(self._path(name), packed.getvalue())

    def clear(self) -> None:
        """Remove the parts of this fit, which is finished, and the folder where it was made for
        such parts and holds no others.
        """
        if self.folder is None:
            return
        with suppress(OSError):
            for part in self.folder.glob(f"{self.key}-*.npz"):
                part.unlink(missing_ok=True)
            if [p.name for p in self.folder.iterdir()] == [MADE]:
                (self.folder / MADE).unlink()
                self.folder.rmdir()
