"""Data that several tests read: the shared folder beside the repository, its panels unpacked once a
session; and the embedded data set.
"""

from __future__ import annotations

import fcntl
import os
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

pytest_plugins = ["pytester", "tests.skips"]
ROOT = Path(__file__).resolve().parents[1]
Once = Callable[[str, Callable[[Path], object]], Path]


def pytest_configure() -> None:
    """No LD scores are kept in the user's cache. Where Python is told to leave no bytecode beside
    sources, the tests' processes share some of their own: each would compile PyMC anew (5 CPU s).
    """
    os.environ["BAYESMIXER_CACHE"] = "off"
    if os.environ.pop("PYTHONDONTWRITEBYTECODE", None):
        os.environ["PYTHONPYCACHEPREFIX"] = sys.pycache_prefix = str(
            ROOT / ".pytest_cache/bytecode"
        )
        sys.dont_write_bytecode = False


@pytest.fixture(scope="session")
def root() -> Path:
    """Root of the repository."""
    return ROOT


@pytest.fixture(scope="session")
def shared() -> Path:
    """Folder of real genotypes and reference results beside the repository; tests that need it skip
    where it is absent.
    """
    path = ROOT.parent / "shared"
    if not (path / "data").is_dir():
        pytest.skip(f"no {path}: real genotypes and reference results are not beside this checkout")
    return path


@pytest.fixture(scope="session")
def once(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Once:
    """`once(name, make)`: a folder that `make(folder)` fills, once for all processes of the
    session; whoever comes second waits for it.
    """
    base = tmp_path_factory.getbasetemp()
    if hasattr(request.config, "workerinput"):
        base = base.parent  # each worker of pytest-xdist has a folder of its own in it

    def get(name: str, make: Callable[[Path], object]) -> Path:
        folder, done = base / name, base / f"{name}.done"
        with (base / f"{name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not done.exists():
                folder.mkdir()
                make(folder)
                done.touch()
        return folder

    return get


def _compile(folder: Path) -> None:
    from tests.ops.likelihood_cases import compile_kernel

    compile_kernel()


@pytest.fixture(scope="session")
def kernel(once: Once) -> None:
    """Nothing: the likelihood's kernel is compiled, and on numba's disk cache, so that two
    processes do not do it at once (20 CPU seconds, once a machine).
    """
    once("kernel", _compile)


def _unpack(once: Once, name: str, archive: Path) -> Path:
    if not archive.is_file():
        pytest.skip(f"no {archive}: it is not beside this checkout")

    def make(folder: Path) -> None:
        with tarfile.open(archive) as tar:
            tar.extractall(folder, filter="data")

    return once(name, make)


@pytest.fixture(scope="session")
def panel_343(shared: Path, once: Once) -> Path:
    """Folder with `1000g_eur_hm3.chr{13..22}.{bed,bim,fam}`: 343 Europeans, 313,265 variants."""
    return _unpack(once, "panel_343", shared / "data/1000g_eur_hm3/panel.tar.xz")


@pytest.fixture(scope="session")
def panel_503(shared: Path, once: Once) -> Path:
    """Folder with `g1000_eur_hm3_chr{21,22}.{bed,bim,fam}`: 503 Europeans, 34,958 variants."""
    return _unpack(once, "panel_503", shared / "data/1000g_eur_hm3_503/panel.tar.xz")


@pytest.fixture(scope="session")
def eur_w_ld_chr(shared: Path, once: Once) -> Path:
    """Folder with LDSC's published European LD scores."""
    return _unpack(once, "eur_w_ld_chr", shared / "data/eur_w_ld_chr/eur_w_ld_chr.tar.xz")


def _example(folder: Path) -> None:
    import bayesmixer as bm

    example = bm.example_data(folder / "data")
    bm.build_reference(
        example.genotypes,
        folder / "panel.zarr",
        window=example.ld_blocks,
        r2_rule="plain",
        chromosomes=range(1, 7),
    )


@pytest.fixture(scope="session")
def example_folder(once: Once) -> Path:
    """Folder with the embedded data set as `data/` and the LD reference of half of it, chromosomes
    1 to 6, as `panel.zarr`.
    """
    return once("example", _example)
