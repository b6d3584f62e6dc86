"""Data that several tests read: the shared folder beside the repository, its panels unpacked once a session."""

from __future__ import annotations

import tarfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def root() -> Path:
    """Root of the repository."""
    return ROOT


@pytest.fixture(scope="session")
def shared() -> Path:
    """Folder of real genotypes and reference results beside the repository; tests that need it skip where it is absent."""
    path = ROOT.parent / "shared"
    if not (path / "data").is_dir():
        pytest.skip(f"no {path}: real genotypes and reference results are not beside this checkout")
    return path


def _unpack(archive: Path, folder: Path) -> Path:
    if not archive.is_file():
        pytest.skip(f"no {archive}")
    with tarfile.open(archive) as tar:
        tar.extractall(folder, filter="data")
    return folder


@pytest.fixture(scope="session")
def panel_343(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with `1000g_eur_hm3.chr{13..22}.{bed,bim,fam}`: 343 Europeans, 313,265 variants."""
    return _unpack(shared / "data/1000g_eur_hm3/panel.tar.xz", tmp_path_factory.mktemp("panel_343"))


@pytest.fixture(scope="session")
def panel_503(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with `g1000_eur_hm3_chr{21,22}.{bed,bim,fam}`: 503 Europeans, 34,958 variants."""
    return _unpack(shared / "data/1000g_eur_hm3_503/panel.tar.xz", tmp_path_factory.mktemp("panel_503"))


@pytest.fixture(scope="session")
def eur_w_ld_chr(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with LDSC's published European LD scores."""
    return _unpack(shared / "data/eur_w_ld_chr/eur_w_ld_chr.tar.xz", tmp_path_factory.mktemp("eur_w_ld_chr"))


@pytest.fixture(scope="session")
def example_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with the embedded data set as `data/` and the LD reference of half of it, chromosomes 1 to 6, as `panel.zarr`."""
    import bayesmixer as bm

    folder = tmp_path_factory.mktemp("example")
    example = bm.example_data(folder / "data")
    bm.build_reference(example.genotypes, folder / "panel.zarr", window=example.ld_blocks, r2_rule="plain", chromosomes=range(1, 7))
    return folder
