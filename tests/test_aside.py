"""Writing aside: nothing half-written, nothing foreign replaced, nothing left behind, one writer at
a time.
"""

from __future__ import annotations

import copy
import errno
import os
import pickle
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from bayesmixer import aside
from bayesmixer.errors import InputError, reason

OURS = aside.Kind("a note", lambda path: path.read_text().startswith("ours"))
FOLDER = aside.Kind("a box", lambda path: (path / "mark").exists(), folder=True)


def names(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.iterdir())


def test_a_file_is_written_and_one_of_ours_replaced(tmp_path: Path) -> None:
    for text in ("ours 1", "ours 2"):
        assert aside.write(tmp_path / "note", text, OURS) == tmp_path / "note"
        assert (tmp_path / "note").read_text() == text
    assert names(tmp_path) == ["note"]


def test_a_folder_replaces_one_of_ours_whole(tmp_path: Path) -> None:
    for content in ("one", "two"):
        with aside.writing(tmp_path / "box", FOLDER) as beside:
            beside.mkdir()
            (beside / "mark").touch()
            (beside / content).touch()
    assert names(tmp_path) == ["box"]
    assert names(tmp_path / "box") == ["mark", "two"]


def test_what_is_not_ours_stays_whatever_is_asked(tmp_path: Path) -> None:
    (tmp_path / "note").write_text("a letter")
    (tmp_path / "box").mkdir()
    (tmp_path / "box/letter").touch()
    for replace in (True, False):
        with pytest.raises(InputError, match="not a note that bayesmixer wrote: it stays"):
            aside.write(tmp_path / "note", "ours", OURS, replace=replace)
        with (
            pytest.raises(InputError, match="not a box that bayesmixer wrote"),
            aside.writing(tmp_path / "box", FOLDER, replace=replace),
        ):
            pass
        for place, kind, found in (
            (tmp_path / "note", FOLDER, "is a file"),
            (tmp_path / "box", OURS, "is a folder"),
        ):
            with pytest.raises(InputError, match=found):
                aside.check(place, kind, replace=replace)
    assert (tmp_path / "note").read_text() == "a letter"
    assert names(tmp_path) == ["box", "note"]
    assert names(tmp_path / "box") == ["letter"]


def test_without_leave_one_of_ours_stays_and_the_remedy_names_the_argument(tmp_path: Path) -> None:
    aside.write(tmp_path / "note", "ours 1", OURS)
    with pytest.raises(InputError, match=r"is there already.*replace=True"):
        aside.write(tmp_path / "note", "ours 2", OURS, replace=False)
    with pytest.raises(InputError, match=r"^out: '.*note' is there already.*replace=True"):
        aside.check(tmp_path / "note", OURS, replace=False, where="out")
    assert (tmp_path / "note").read_text() == "ours 1"


def test_what_came_to_be_there_meanwhile_stays_and_the_new_one_is_kept_beside(
    tmp_path: Path,
) -> None:
    def write() -> None:
        with aside.writing(tmp_path / "note", OURS) as beside:
            beside.write_text("ours")
            (tmp_path / "note").write_text("a letter")

    with pytest.raises(InputError, match=r"came to be there.*note-1"):
        write()
    assert (tmp_path / "note").read_text() == "a letter"
    assert (tmp_path / "note-1").read_text() == "ours"


@pytest.mark.parametrize(
    "failure",
    [
        KeyboardInterrupt(),
        ZeroDivisionError(),
        OSError(errno.ENOSPC, "x"),
        RuntimeError("HDF5: errno = 28, ..."),
    ],
)
def test_a_failure_leaves_what_was_there_and_nothing_else(
    failure: BaseException, tmp_path: Path
) -> None:
    aside.write(tmp_path / "note", "ours 1", OURS)
    of_disk = bool(reason(failure))
    expected = InputError if of_disk else type(failure)

    def write() -> None:
        with aside.writing(tmp_path / "note", OURS) as beside:
            beside.write_text("half")
            raise failure

    with pytest.raises(expected, match="No space left on device" if of_disk else None):
        write()
    assert names(tmp_path) == ["note"]
    assert (tmp_path / "note").read_text() == "ours 1"


def test_what_a_killed_process_left_aside_is_removed_by_the_next(tmp_path: Path) -> None:
    code = (
        "import os, sys\nfrom bayesmixer import aside\nwith aside.writing('note') as p:\n    "
        "p.write_text('half'); os.kill(os.getpid(), 9)"
    )
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=False, timeout=60)
    assert len(names(tmp_path)) == 1
    (tmp_path / ".note.mine.aside").touch()  # of somebody else
    aside.write(tmp_path / "note", "ours", OURS)
    assert names(tmp_path) == [".note.mine.aside", "note"]


def test_the_place_behind_a_link_is_written_to_and_the_link_stays(tmp_path: Path) -> None:
    (tmp_path / "far").mkdir()
    (tmp_path / "note").symlink_to(tmp_path / "far/note")
    aside.write(tmp_path / "note", "ours", OURS)
    assert (tmp_path / "note").is_symlink()
    assert (tmp_path / "far/note").read_text() == "ours"


def test_long_and_odd_names_can_be_written(tmp_path: Path) -> None:
    for name in ("x" * 250 + ".html", "größe " * 20 + ".nc", os.fsdecode(b"h\xf6he.nc")):
        aside.write(tmp_path / name, "ours", OURS)
        assert (tmp_path / name).read_text() == "ours"


def test_text_with_names_in_another_encoding_is_written_as_utf_8(tmp_path: Path) -> None:
    aside.write(tmp_path / "note", "ours: " + os.fsdecode(b"h\xf6he.txt"))
    assert (tmp_path / "note").read_text(
        encoding="utf-8"
    ) == "ours: h\N{REPLACEMENT CHARACTER}he.txt"


def test_places_that_cannot_be_written_are_refused_before_the_work(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for place, message in (
        (tmp_path / "no/note", "folder .*no' does not exist. Make it first"),
        (tmp_path / "file/note", "does not exist|Not a directory"),
        (Path("/proc/note"), "cannot be written|does not exist"),
        (tmp_path / ("x" * 300), "File name too long"),
    ):
        with pytest.raises(InputError, match=message):
            aside.check(place, OURS)


def test_the_second_of_two_writers_is_refused_in_one_line_and_the_claim_ends_with_its_owner(
    tmp_path: Path,
) -> None:
    code = (
        "import sys\nfrom bayesmixer import aside\nwith aside.claimed('note'):\n    print('mine', "
        "flush=True); sys.stdin.read()"
    )
    for end in ("close", "kill"):
        with subprocess.Popen(
            [sys.executable, "-c", code],
            cwd=tmp_path,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        ) as other:
            assert other.stdout is not None
            assert other.stdout.readline() == b"mine\n"
            with (
                pytest.raises(
                    InputError, match=rf"note: another process \({other.pid}\) is writing there"
                ),
                aside.claimed(tmp_path / "note"),
            ):
                pass
            if end == "kill":
                other.kill()
            other.communicate()
        with aside.claimed(tmp_path / "note"), aside.claimed(tmp_path / "note"):  # also from within
            pass
    assert names(tmp_path) == []


def test_a_folder_is_claimed_by_the_same_lock_before_and_after_it_is_made(tmp_path: Path) -> None:
    (
        tmp_path / ".store.lock"
    ).touch()  # of a killed process, which made the folder after it claimed the place
    with aside.claimed(tmp_path / "store"):
        (tmp_path / "store").mkdir()
        with aside.claimed(tmp_path / "store"):
            pass
    assert names(tmp_path) == ["store"]
    assert names(tmp_path / "store") == []


class Odd(InputError):
    """An error of ours made with other arguments."""

    def __init__(self, number: int) -> None:
        super().__init__("odd", f"{number} found", "Give another.")
        self.number = number


@pytest.mark.parametrize(
    "error",
    [InputError("file", "empty", "Give another."), InputError("file", "empty"), Odd(3)],
    ids=["whole", "short", "odd"],
)
def test_errors_of_ours_are_the_same_after_a_journey(error: InputError) -> None:
    for again in (
        *(pickle.loads(pickle.dumps(error, n)) for n in range(6)),
        copy.copy(error),
        copy.deepcopy(error),
    ):
        assert type(again) is type(error)
        assert (str(again), again.args, again.__dict__) == (str(error), error.args, error.__dict__)


def test_reasons_of_the_disk_are_found_in_what_libraries_raise() -> None:
    @contextmanager
    def wrapped() -> Iterator[None]:
        try:
            raise OSError(errno.EROFS, "x")
        except OSError as error:
            raise RuntimeError("codec failed") from error

    with pytest.raises(RuntimeError) as caught, wrapped():
        pass
    assert reason(caught.value) == "Read-only file system"
    assert (
        reason(ExceptionGroup("workers", [ValueError(), OSError(errno.EIO, "x")]))
        == "Input/output error"
    )
    assert (
        reason(Exception("parquet: No space left on device (os error 28)"))
        == "No space left on device"
    )
    assert reason(ValueError("errno of nothing")) == ""
    defect = KeyError("a defect on the way")
    defect.__context__ = FileNotFoundError(errno.ENOENT, "x")
    assert reason(defect) == ""
