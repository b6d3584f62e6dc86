"""Nothing is half-written and nothing foreign replaced: every file and folder is written aside,
then renamed to its place.

What lies at a place already is replaced only where it is recognisably of the kind being written
(`bayesmixer.kinds`), and the caller lets it be.
"""

from __future__ import annotations

import errno
import hashlib
import itertools
import os
import re
import shutil
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bayesmixer.errors import InputError, reason

try:
    import fcntl
except ImportError:  # not on Windows: two of the same command at once are then not told from one
    fcntl = None  # type: ignore[assignment]

_numbers = itertools.count()
_claims = threading.local()
SPACE = "Free some space or choose another place."


@dataclass(frozen=True)
class Kind:
    """What the program writes, and how it knows it again.

    Attributes
    ----------
    name
        With its article, such as "a saved fit".
    mine
        Whether what lies at a path is of this kind and made by the program; called on paths that
        exist.
    folder
        Whether it is a folder.
    """

    name: str
    mine: Callable[[Path], bool]
    folder: bool = False


# a file in a folder that is the program's own, under a name of its own
OWN = Kind("a file of bayesmixer", lambda path: path.is_file())


def check(
    path: str | os.PathLike[str],
    kind: Kind,
    *,
    replace: bool = True,
    where: str = "",
    argument: str = "replace=True",
) -> Path:
    """Refuse, before any work, a place that cannot be written to or that holds what must stay.

    Parameters
    ----------
    path
        Where something is to be written.
    kind
        What.
    replace
        Whether one of that kind which is there already may be replaced.
    where
        Argument that the path came from, for the error; the path itself without.
    argument
        Of the Python function that lets it replace, for the error.

    Returns
    -------
    pathlib.Path
        The path, symbolic links followed.

    Raises
    ------
    InputError
        There is no such folder, it is read-only or full, or what lies there is of another kind or
        not to be replaced.
    """
    target = place(path, kind, replace=replace, where=where, argument=argument)
    probe = _name_aside(target)
    try:
        with probe.open("xb") as file:
            file.write(bytes(4096))
            _settle(file.fileno())
    except (OSError, UnicodeError) as error:
        shown = f"'{path}' " if where else ""
        raise InputError(
            where or path, f"{shown}cannot be written ({reason(error)})", SPACE
        ) from None
    finally:
        _drop(probe)
    return target


def place(
    path: str | os.PathLike[str],
    kind: Kind,
    *,
    replace: bool = True,
    where: str = "",
    argument: str = "replace=True",
) -> Path:
    """`check` without touching the disk: only what lies there is looked at."""
    target = Path(path)
    shown = f"'{path}' " if where else ""
    try:
        target = target.resolve() if target.is_symlink() else target
        if not target.parent.is_dir():
            raise InputError(
                where or path,
                f"the folder '{target.parent}' {f'of {shown}' if where else ''}does not exist",
                "Make it first.",
            )
        there = os.path.lexists(target)
    except OSError as error:
        raise InputError(
            where or path, f"{shown}cannot be written ({reason(error)})", "Choose another name."
        ) from None
    if not there:
        return target
    if target.is_dir() != kind.folder:
        found, expected = ("folder", "file") if target.is_dir() else ("file", "folder")
        raise InputError(
            where or path,
            f"{shown}is a {found}, expected the name of a {expected}",
            "Choose another name.",
        )
    if not _mine(kind, target):
        raise InputError(
            where or path,
            f"{shown}is there already and is not {kind.name} that bayesmixer wrote: it stays",
            "Choose another name, or remove it.",
        )
    if not replace:
        raise InputError(
            where or path, f"{shown}is there already", f"Choose another name, or give {argument}."
        )
    return target


def _mine(kind: Kind, path: Path) -> bool:
    """Whether `path` is of a kind; what cannot be read is not."""
    try:
        return kind.mine(path)
    except Exception:
        return False


@contextmanager
def writing(
    path: str | os.PathLike[str],
    kind: Kind = OWN,
    *,
    replace: bool = True,
    argument: str = "replace=True",
) -> Iterator[Path]:
    """Context manager that gives a name beside `path` to write to: renamed to `path` when the block
    ends well, removed when it fails.

    Parameters
    ----------
    path, kind, replace, argument
        As in `check`; a place that came to hold something else in the meantime is left alone, and
        what was written is kept beside it.

    Raises
    ------
    InputError
        As `check`, and where the block or the renaming fails for the disk's sake (full, read-only,
        ...).
    """
    target = place(path, kind, replace=replace, argument=argument)
    aside = _name_aside(target)
    try:
        _clear_up(target)
        yield aside
        if aside.is_file():
            with aside.open("rb") as file:
                _settle(file.fileno())
        try:
            place(path, kind, replace=replace, argument=argument)
        except InputError as error:
            kept = free_name(target)
            aside.rename(kept)
            raise InputError(
                path,
                f"came to be there while it was being written ({error.problem})",
                f"The new one is {kept}.",
            ) from None
        rename(aside, target)
    except InputError:
        raise
    except Exception as error:
        because = reason(error)
        if not because:
            raise
        raise InputError(path, f"cannot be written ({because})", SPACE) from error
    finally:
        _drop(aside)


def write(
    path: str | os.PathLike[str],
    content: bytes | str,
    kind: Kind = OWN,
    *,
    replace: bool = True,
    argument: str = "replace=True",
) -> Path:
    """Write one file (text as UTF-8) aside and rename it (see `writing`); returns the path."""
    data = written(content).encode() if isinstance(content, str) else content
    with writing(path, kind, replace=replace, argument=argument) as aside:
        aside.write_bytes(data)
    return Path(path)


def written(text: str) -> str:
    """Text that UTF-8 can hold: names of files in another encoding are read with stand-ins, which
    it cannot.
    """
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def make_folder(path: str | os.PathLike[str], where: str = "") -> Path:
    """Make a folder and its parents where need be.

    Raises
    ------
    InputError
        A file is in the way, or it cannot be made.
    """
    try:
        Path(path).mkdir(parents=True, exist_ok=True)
    except (OSError, UnicodeError) as error:
        shown = f"the folder '{path}' " if where else ""
        raise InputError(
            where or path, f"{shown}cannot be made ({reason(error)})", "Choose another folder."
        ) from None
    return Path(path)


def free_name(path: Path) -> Path:
    """`path`, or where it is taken a like name that is not: fit-1.nc, fit-2.nc, ..."""
    names = itertools.chain(
        [path], (path.with_name(f"{path.stem}-{i}{path.suffix}") for i in itertools.count(1))
    )
    return next(name for name in names if not os.path.lexists(name))


@contextmanager
def claimed(path: str | os.PathLike[str], *, where: str = "") -> Iterator[None]:
    """Context manager of being the only process that writes `path`: the second of two at once is
    refused in one line.

    The claim is a locked file beside `path`, which ends with the process however that ends.

    Raises
    ------
    InputError
        Another process is writing there.
    """
    target = Path(os.path.abspath(path))
    lock = target.with_name(f".{_short(target.name)}.lock")
    held = _claims.__dict__.setdefault("held", set())
    key = os.path.abspath(lock)
    handle = None if key in held else _lock(lock, where or str(path))
    if handle is None:  # claimed by ourselves further up, or locks do not work there
        yield
        return
    held.add(key)
    try:
        yield
    finally:
        held.discard(key)
        _drop(lock)
        os.close(handle)


def _lock(lock: Path, where: str) -> int | None:
    """A locked handle, None where files cannot be locked."""
    if fcntl is None:
        return None
    while True:
        try:
            handle = os.open(lock, os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), 0o666)
        except (OSError, UnicodeError):
            return None  # read-only or full: whatever is written next says so
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if lock.exists() and os.fstat(handle).st_ino == lock.stat().st_ino:
                os.truncate(handle, 0)
                os.write(handle, f"{os.getpid()}\n".encode())
                return handle
            os.close(handle)  # the one before removed it as it ended: another time
        except BlockingIOError:
            process = os.read(handle, 32).decode(errors="replace").strip()
            os.close(handle)
            raise InputError(
                where,
                f"another process{f' ({process})' if process else ''} is writing there",
                "Wait until it ends, or choose another place.",
            ) from None
        except OSError:
            _drop(lock)  # full: not even a number can be written
            os.close(handle)
            return None


def _short(name: str) -> str:
    """A name, or a digest where with what is put around it it would be longer than file systems
    allow.
    """
    return (
        name
        if len(os.fsencode(name)) <= 120
        else hashlib.sha256(os.fsencode(name)).hexdigest()[:24]
    )


def _host() -> str:
    return hashlib.sha256(socket.gethostname().encode("utf-8", "replace")).hexdigest()[:6]


def _name_aside(path: Path) -> Path:
    """A name of this process's own; its ending is that of `path`, which writers look at."""
    return path.with_name(
        f".{_short(path.name)}.{_host()}-{os.getpid()}-{next(_numbers)}.aside{path.suffix[:16]}"
    )


def _clear_up(path: Path) -> None:
    """Remove what processes of this machine that were killed left aside of `path`."""
    pattern = re.compile(re.escape(f".{_short(path.name)}.{_host()}-") + r"(\d+)-\d+\.aside")
    with os.scandir(path.parent) as entries:
        left = [
            Path(e.path)
            for e in entries
            if (m := pattern.match(e.name)) and not _alive(int(m.group(1)))
        ]
    for one in left:
        _drop(one)


def _alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


def _settle(handle: int) -> None:
    """Make sure that the disk took it: some file systems say only now that there is no space."""
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise


def rename(aside: Path, target: Path) -> None:
    """Rename a file or a folder; a folder that is there is moved away first and removed last."""
    if not (aside.is_dir() and target.is_dir()):
        aside.replace(target)
        return
    earlier = _name_aside(target)
    target.rename(earlier)
    try:
        aside.rename(target)
    except BaseException:
        earlier.rename(target)
        raise
    _drop(earlier)


def _drop(path: Path) -> None:
    """Remove what this module made, if it is there."""
    try:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
    except (OSError, UnicodeError):
        pass  # a disk that has become read-only: there is an error under way already
