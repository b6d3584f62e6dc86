"""Worker processes: errors arrive whole, none hangs, none outlives its parent, Ctrl-C is one matter
for all.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from bayesmixer.errors import InputError
from bayesmixer.workers import WorkerError, attempt, run
from tests import tasks


def test_results_arrive_from_all() -> None:
    assert sorted(run(tasks.number, [(n,) for n in range(4)], 2)) == [0, 1, 2, 3]


def test_an_error_of_ours_arrives_as_it_was_raised() -> None:
    with pytest.raises(InputError, match=r"^7.txt: no column of z. Name it.$") as caught:
        list(run(tasks.bad_file, [(7,), (7,)], 2))
    assert caught.value.remedy == "Name it."


def test_an_error_that_cannot_travel_comes_as_its_traceback() -> None:
    found, error = attempt(tasks.defect, (1,))
    assert found is None
    assert isinstance(error, WorkerError)
    assert "tasks.py" in str(error)
    assert "Unfit: this and that" in str(error)


@pytest.mark.parametrize(
    ("task", "how"),
    [
        (tasks.killed, "was killed, perhaps for want of memory"),
        (tasks.gone, "ended with exit code 3"),
    ],
)
def test_how_a_worker_ended_is_said(task: object, how: str) -> None:
    with pytest.raises(InputError, match=f"processes: one of 2 workers {how}"):
        list(run(task, [(1,), (1,)], 2))  # type: ignore[arg-type]


def alive(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().split(")")[1].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.skipif(
    not Path("/proc/self/stat").exists(), reason="needs /proc to see which processes live"
)
@pytest.mark.parametrize(
    ("sign", "code"), [(signal.SIGINT, 130), (signal.SIGKILL, -9)], ids=["Ctrl-C", "killed"]
)
def test_no_worker_outlives_its_parent_nor_says_a_word(sign: int, code: int, root: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "tests.tasks"],
        cwd=root,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as parent:
        assert parent.stdout is not None
        workers = [int(parent.stdout.readline()) for _ in range(2)]
        if sign == signal.SIGINT:
            os.killpg(parent.pid, sign)  # as the terminal does
        else:
            os.kill(parent.pid, sign)
        _, said = parent.communicate(timeout=30)
    assert parent.returncode == code
    limit = time.monotonic() + 10
    while any(map(alive, workers)) and time.monotonic() < limit:
        time.sleep(0.05)
    assert not any(map(alive, workers))
    if sign == signal.SIGINT:
        assert said == ""
    else:
        assert "Traceback" not in said
