"""Finished parts of a long fit, kept on disk so that an interrupted one goes on where it was."""

from __future__ import annotations

import hashlib
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bayesmixer.errors import InputError


class Checkpoint:
    """Named sets of arrays in a folder; parts of another fit (other data, model, seed or settings) are not found again.

    Parameters
    ----------
    folder
        Where the parts lie; None keeps nothing.
    identity
        Everything the parts depend on; its hash is in their file names.

    Raises
    ------
    InputError
        The folder cannot be made.
    """

    def __init__(self, folder: str | os.PathLike[str] | None, identity: Any = None) -> None:
        self.folder = None if folder is None else Path(folder)
        self.key = hashlib.sha256(repr(identity).encode()).hexdigest()[:16]
        if self.folder is not None:
            try:
                self.folder.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise InputError("checkpoint", f"{folder} cannot be made ({error.strerror})", "Give a folder that can be written.") from None

    def _path(self, name: str) -> Path:
        assert self.folder is not None
        return self.folder / f"{self.key}-{name}.npz"

    def get(self, name: str) -> dict[str, NDArray[Any]] | None:
        """The part of that name, or None."""
        if self.folder is None or not self._path(name).exists():
            return None
        with np.load(self._path(name)) as file:
            return dict(file)

    def put(self, name: str, **arrays: NDArray[Any]) -> None:
        """Keep a part: written aside, then renamed."""
        if self.folder is None:
            return
        aside = self._path(name).with_suffix(f".{os.getpid()}.tmp")
        try:
            with aside.open("wb") as file:
                np.savez(file, **arrays)  # type: ignore[arg-type]
            os.replace(aside, self._path(name))
        finally:
            aside.unlink(missing_ok=True)

    def clear(self) -> None:
        """Remove the parts: the fit is finished."""
        if self.folder is not None:
            shutil.rmtree(self.folder, ignore_errors=True)
