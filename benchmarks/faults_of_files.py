"""What every command leaves behind when the disk is full or read-only, when it is killed or
interrupted, and when it runs twice at once.

    python benchmarks/faults_of_files.py [verb ...] > benchmarks/results/faults_of_files.md

Each trial is a process of its own with the command line in it, on a small file system of its own
(tmpfs: needs root and Linux), forked from one that has imported everything, so that a trial costs
its work alone. Signals come at shares of the time that the command takes undisturbed. After each
trial every file of a final name must be whole, an earlier result must be there unchanged (`--force`
was given), and after a kill or Ctrl-C the same command must succeed and leave exactly the files of
an undisturbed run. Rows go to standard output as they are done; the last line says whether all is
well.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SHARES = (0.3, 0.8)
MODULES = (
    "arviz",
    "nutpie",
    "matplotlib.pyplot",
    "zarr",
    "h5netcdf",
    "polars",
    "bayesmixer.inference.fit",
    "bayesmixer.models",
    "bayesmixer.reporting.html",
    "bayesmixer.laboratory.coverage",
    "bayesmixer.cli.main",
)
CELL = "pi=0.01,n=100000,h2=0.02"


@dataclass
class Verb:
    """Words of the command line, given the folder of inputs and that of outputs, and whether they
    take --force.
    """

    words: Callable[[Path, Path], list[str]]
    force: bool = True


def _fit(i: Path, o: Path) -> list[str]:
    return (
        f"fit infinitesimal {i}/polygenic.txt.gz --reference {i}/panel.zarr --draws 100 "
        f"--out {o}/fit.nc --report {o}/fit.html --json {o}/fit.json --tsv {o}/fit.tsv "
        f"--save-data {o}/data.zarr"
    ).split()


VERBS = {
    "munge": Verb(lambda i, o: f"munge {i}/polygenic.txt.gz --out {o}/clean.sumstats.gz".split()),
    "ld build": Verb(
        lambda i, o: (
            f"ld build {i}/genotypes --out {o}/panel.zarr --window {i}/ld_blocks.bed "
            "--chromosomes 1,2"
        ).split()
    ),
    "ld scores": Verb(lambda i, o: f"ld scores {i}/panel.zarr --out {o}/scores".split()),
    "fit": Verb(_fit),
    "report": Verb(lambda i, o: f"report {i}/fit.nc --data {i}/data.nc --out {o}/fit.html".split()),
    "check": Verb(
        lambda i, o: (
            f"check {i}/fit.nc --data {i}/data.nc --json {o}/check.json --tsv {o}/check.tsv".split()
        )
    ),
    "compare": Verb(
        lambda i, o: (
            f"compare {i}/fit.nc {i}/other.nc --json {o}/compare.json --tsv {o}/compare.tsv".split()
        )
    ),
    "simulate": Verb(
        lambda i, o: (
            f"simulate {o}/sim --chromosomes 2 --chromosome-length 300000 --samples 100 --pi 0.2"
        ).split()
    ),
    "coverage": Verb(
        lambda i, o: (
            f"coverage {o}/study --genotypes {i}/genotypes --ld-blocks {i}/ld_blocks.bed "
            f"--reference {i}/plain.zarr --cell {CELL} "
            "--replicates 2 --processes 1"
        ).split(),
        force=False,
    ),
    "demo": Verb(lambda i, o: f"demo --out {o}/demo --draws 100".split()),
}


@dataclass
class Outcome:
    """Exit code (minus the signal), last lines of standard error, seconds."""

    code: int
    said: list[str]
    seconds: float


def fork(work: Callable[[], Any], log: Path) -> int:
    """Start a process that does `work`, with what it says in `log`."""
    sys.stdout.flush()
    process = os.fork()
    if process:
        return process
    os.setsid()
    signal.signal(
        signal.SIGINT, signal.default_int_handler
    )  # which a shell's background processes ignore
    handle = os.open(log, os.O_CREAT | os.O_WRONLY | os.O_TRUNC)
    os.dup2(handle, 1)
    os.dup2(handle, 2)
    code = 1
    try:
        work()
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 1
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        os._exit(code)


def command(words: list[str]) -> Callable[[], None]:
    """The command line as the process's own."""

    def work() -> None:
        from bayesmixer.cli.main import main

        sys.argv[:] = ["bayesmixer", *words]
        main()

    return work


def finish(process: int, log: Path, began: float, sign: int = 0, after: float = 0.0) -> Outcome:
    """Wait for a process, sending it a signal after some seconds."""
    sent = False
    while True:
        ended, status = os.waitpid(process, os.WNOHANG)
        now = time.monotonic() - began
        if ended:
            lines = [
                line
                for line in log.read_text(errors="replace").splitlines()
                if line.startswith(("error", "stopped", "Traceback"))
            ]
            return Outcome(os.waitstatus_to_exitcode(status), lines, now)
        if sign and not sent and now >= after:
            os.kill(process, sign)
            sent = True
        if now > 600:
            os.kill(process, signal.SIGKILL)
        time.sleep(0.005)


def run(words: list[str], log: Path, sign: int = 0, after: float = 0.0) -> Outcome:
    """Run the command line."""
    began = time.monotonic()
    return finish(fork(command(words), log), log, began, sign, after)


def broken(folder: Path) -> list[str]:
    """Files of a final name that are not whole."""
    found = []
    for path in sorted(folder.rglob("*")):
        inside = path.relative_to(folder)
        if (
            any(p.startswith(".") or (p.endswith(".zarr") and p != path.name) for p in inside.parts)
            or "c" in inside.parts
        ):
            continue
        try:
            whole(path)
        except Exception as error:
            found.append(f"{inside} ({type(error).__name__}: {str(error)[:80]})")
    return found


def whole(path: Path) -> None:
    """Read a file to its end."""
    import bayesmixer as bm
    from bayesmixer.kinds import root_attributes

    if path.suffix == ".zarr":
        if (root_attributes(path) or {}).get("kind") == "reference":
            try:
                for group in bm.open_reference(path).children.values():
                    group.to_dataset().load()
            except bm.InputError as error:
                if "not finished" not in str(
                    error
                ):  # which it says itself, and the same command goes on
                    raise
        elif path.is_dir() and any(p for p in path.iterdir() if not p.name.startswith(".")):
            bm.load(path)
    elif path.is_dir():
        return
    elif path.suffix == ".nc":
        bm.load(path)
    elif path.suffix == ".html":
        assert path.read_text(encoding="utf-8").rstrip().endswith("</html>")
    elif path.suffix == ".json":
        json.loads(path.read_text(encoding="utf-8"))
    elif path.suffix == ".gz":
        with gzip.open(path) as file:
            assert file.read().endswith(b"\n")
    elif path.suffix == ".parquet":
        import pandas as pd

        pd.read_parquet(path)
    else:
        assert path.stat().st_size > 0


def elsewhere(work: Callable[[Path], Any], folder: Path, log: Path) -> Any:
    """What `work` returns, done in another process: this one must start no threads."""
    answer = log.with_suffix(".answer")

    def save() -> None:
        answer.write_text(json.dumps(work(folder)))

    end = finish(fork(save, log), log, time.monotonic())
    assert end.code == 0, log.read_text()
    return json.loads(answer.read_text())


def names(folder: Path) -> list[str]:
    """Everything that lies in a folder, the insides of Zarr arrays left out; no names of parts that
    checksums make.
    """
    return sorted(
        str(p.relative_to(folder))
        for p in folder.rglob("*")
        if p.suffix != ".npz" and not any(part.endswith(".zarr") for part in p.parent.parts)
    )


def prints(folder: Path) -> dict[str, str]:
    """Checksum of every file."""
    return {
        str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest()
        for p in sorted(folder.rglob("*"))
        if p.is_file()
    }


def size(folder: Path) -> int:
    """Bytes in whole pages."""
    return sum(-(-p.stat().st_size // 4096) * 4096 for p in folder.rglob("*"))


@contextmanager
def disk(at: Path, room: int) -> Iterator[Path]:
    """A file system of `room` bytes."""
    at.mkdir(exist_ok=True)
    subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={max(room, 4096)}", "tmpfs", str(at)], check=True
    )
    try:
        yield at
    finally:
        subprocess.run(["umount", "-l", str(at)], check=True)


def inputs(folder: Path, log: Path) -> None:
    """Panel, data, fits: two chromosomes of the embedded data set."""

    def make() -> None:
        import bayesmixer as bm

        example = bm.example_data(folder)
        plain = {"window": example.ld_blocks, "chromosomes": [1, 2]}
        panel = bm.build_reference(example.genotypes, folder / "panel.zarr", **plain)
        bm.build_reference(
            example.genotypes, folder / "plain.zarr", r2_rule="plain", window=example.ld_blocks
        )
        data = bm.align(
            bm.read_sumstats(example.sumstats["polygenic"]), panel, blocks=example.ld_blocks
        )
        bm.save(data, folder / "data.nc")
        for name, seed in (("fit", 1), ("other", 2)):
            bm.save(
                bm.fit(bm.models.infinitesimal(data), draws=200, seed=seed), folder / f"{name}.nc"
            )

    end = finish(fork(make, log), log, time.monotonic())
    assert end.code == 0, log.read_text()


class Trials:
    """All trials of one verb."""

    def __init__(self, name: str, scratch: Path) -> None:
        self.name, self.verb, self.scratch, self.log = name, VERBS[name], scratch, scratch / "log"
        self.wrong: list[str] = []
        with disk(scratch / "disk", 2**29) as out:
            end = run(self.words(out), self.log)
            assert end.code == 0, self.log.read_text()
            self.names, self.size = names(out), size(out)
            self.earlier = scratch / "earlier"
            shutil.rmtree(self.earlier, ignore_errors=True)
            shutil.copytree(out, self.earlier, symlinks=True)
        with disk(
            scratch / "disk", 2**29
        ) as out:  # once more: the first has compiled what the others find
            self.seconds = run(self.words(out), self.log).seconds

    def words(self, out: Path, force: bool = False) -> list[str]:
        return self.verb.words(self.scratch / "in", out) + (
            ["--force"] if force and self.verb.force else []
        )

    def row(self, fault: str, what: str, ok: bool) -> None:
        """Print one row of the table."""
        if not ok:
            self.wrong.append(f"{self.name}, {fault}: {what}")
        print(f"| `{self.name}` | {fault} | {what} | {'yes' if ok else '**no**'} |", flush=True)

    def left(self, out: Path) -> tuple[str, bool]:
        """What lies there, in words, and whether all of it is whole."""
        damaged = elsewhere(broken, out, self.log)
        found = names(out)
        hidden = [n for n in found if any(p.startswith(".") for p in Path(n).parts)]
        final = [n for n in found if n not in hidden and not (out / n).is_dir()]
        text = (
            f"{len(final)} of {len([n for n in self.names if '.' in n])} whole"
            if final
            else "nothing"
        )
        text += f", {len(hidden)} hidden" if hidden else ""
        return (f"broken: {'; '.join(damaged)}" if damaged else text), not damaged

    def disk_full(self, share: float, what: str) -> None:
        """No room, or room for a part of the output."""
        with disk(self.scratch / "disk", int(self.size * share)) as out:
            if share == 0:
                with (out / "filler").open("wb", buffering=0) as file, suppress(OSError):
                    while True:
                        file.write(bytes(4096))
            end = run(self.words(out), self.log)
            (out / "filler").unlink(missing_ok=True)
            text, good = self.left(out)
        one_line = end.code == 2 and len(end.said) == 1 and "space" in end.said[0]
        self.row(what, f"code {end.code}, {len(end.said)} line; left: {text}", good and one_line)

    def read_only(self) -> None:
        """An earlier result on a disk that has become read-only."""
        with disk(self.scratch / "disk", 2**29) as out:
            shutil.copytree(self.earlier, out, dirs_exist_ok=True)
            before = prints(out)
            subprocess.run(["mount", "-o", "remount,ro", str(out)], check=True)
            end = run(self.words(out, force=True), self.log)
            same = prints(out) == before
        refused = end.code == 2 and len(end.said) == 1
        what = (
            f"code {end.code}, {len(end.said)} line; earlier result "
            f"{'unchanged' if same else 'changed'}"
        )
        self.row("read-only", what, same and refused)

    def stopped(self, sign: int, what: str) -> None:
        """A signal at several moments, over an earlier result and over none; then the same command
        again.
        """
        words, good, codes = [], True, []
        for share in SHARES:
            for over in (False, True) if share == SHARES[-1] and self.verb.force else (False,):
                with disk(self.scratch / "disk", 2**29) as out:
                    if over:
                        shutil.copytree(self.earlier, out, dirs_exist_ok=True)
                    end = run(self.words(out, force=over), self.log, sign, share * self.seconds)
                    text, fine = self.left(out)
                    good &= (
                        fine
                        and end.code in (-9, 130, 0)
                        and not any(line.startswith("Traceback") for line in end.said)
                    )
                    codes.append(end.code)
                    words.append(f"at {share:.0%}{' over an earlier one' if over else ''}: {text}")
                    again = run(self.words(out, force=True), self.log)
                    fine = again.code == 0 and names(out) == self.names
                    good &= fine
                    if not fine:
                        words[-1] += (
                            f", THEN code {again.code} {' '.join(again.said)} "
                            f"{sorted(set(names(out)) ^ set(self.names))[:4]}"
                        )
        good &= any(codes)  # a signal that came too late shows nothing
        self.row(
            what,
            f"codes {', '.join(map(str, codes))}; {'; '.join(words)}; the same command then "
            "completes it",
            good,
        )

    def twice(self) -> None:
        """Two of the same command at once."""
        with disk(self.scratch / "disk", 2**29) as out:
            began = time.monotonic()
            logs = [self.scratch / f"log{i}" for i in range(2)]
            processes = [fork(command(self.words(out)), log) for log in logs]
            ends = [finish(p, log, began) for p, log in zip(processes, logs, strict=True)]
            text, good = self.left(out)
            same = names(out) == self.names
        codes = sorted(end.code for end in ends)
        said = next((" ".join(end.said) for end in ends if end.code == 2), "")
        good &= same and codes in ([0, 0], [0, 2]) and said.count("error:") == (codes == [0, 2])
        error = said.partition(": ")[2].replace(str(self.scratch / "disk"), "OUT")[:110]
        line = f' (the second: "{error}")' if said else ""
        self.row("twice at once", f"codes {codes[0]}, {codes[1]}{line}; left: {text}", good)

    def all(self) -> list[str]:
        """Every fault; what went wrong."""
        self.disk_full(0, "disk full before")
        self.disk_full(0.5, "disk full on the way")
        self.read_only()
        self.stopped(signal.SIGKILL, "SIGKILL")
        self.stopped(signal.SIGINT, "Ctrl-C")
        self.twice()
        return self.wrong


def main() -> None:
    """Run the trials of the verbs named, or of all."""
    if os.name != "posix" or os.geteuid() != 0:
        sys.exit("needs root, to mount file systems that can be filled")
    os.environ |= {
        "NUMBA_NUM_THREADS": "1",
        "POLARS_MAX_THREADS": "1",
        "OMP_NUM_THREADS": "1",
        "MPLBACKEND": "agg",
    }
    warnings.simplefilter("ignore")
    scratch = Path(tempfile.mkdtemp(prefix="faults-"))
    try:
        (scratch / "in").mkdir()
        inputs(scratch / "in", scratch / "log")
        for module in MODULES:
            __import__(module)
        print("| command | fault | what was seen | as promised |\n|---|---|---|---|", flush=True)
        wrong = [line for name in sys.argv[1:] or VERBS for line in Trials(name, scratch).all()]
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    print("\n" + ("\n".join(wrong) if wrong else "All as promised."))
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
