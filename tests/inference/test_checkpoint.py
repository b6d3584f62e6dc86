"""An interrupted fit goes on from its finished parts and ends with the numbers of an uninterrupted
one; other fits' parts are not used.
"""

from __future__ import annotations

import ctypes
import os
import signal

import numpy as np
import pytest

import bayesmixer as bm
from bayesmixer.checkpoint import Checkpoint
from bayesmixer.inference import density as density_module
from tests.models.small_gwas import simulate_gwas


@pytest.fixture(scope="module")
def model():
    return bm.models.infinitesimal(simulate_gwas(blocks=40))


def interrupt_after(monkeypatch, calls: int) -> list[int]:
    """Raise KeyboardInterrupt at the given evaluation of the density by LD block; counts them."""
    seen = [0]
    plain = density_module.LogDensity.value_and_blocks

    def counted(self, x):
        seen[0] += 1
        if seen[0] == calls:
            raise KeyboardInterrupt
        return plain(self, x)

    monkeypatch.setattr(density_module.LogDensity, "value_and_blocks", counted)
    return seen


def test_interrupted_laplace_goes_on_to_the_same_numbers(model, tmp_path, monkeypatch):
    whole = bm.fit(model, "laplace", draws=600)
    with monkeypatch.context() as m:
        interrupt_after(m, 450)
        with pytest.raises(KeyboardInterrupt):
            bm.fit(model, "laplace", draws=600, checkpoint=tmp_path / "parts")
    assert (
        len(list((tmp_path / "parts").glob("*.npz"))) == 4
    )  # 4 batches of 100, no half-written one
    assert not list((tmp_path / "parts").glob("*.tmp"))
    with monkeypatch.context() as m:
        seen = interrupt_after(m, -1)
        resumed = bm.fit(model, "laplace", draws=600, checkpoint=tmp_path / "parts")
    assert seen[0] < 250  # only what was missing
    np.testing.assert_array_equal(
        resumed["posterior"]["h2"].values, whole["posterior"]["h2"].values
    )
    np.testing.assert_array_equal(
        resumed["log_likelihood"]["z"].values, whole["log_likelihood"]["z"].values
    )
    assert not (tmp_path / "parts").exists()


@pytest.mark.filterwarnings("ignore:Chains disagree")  # few draws
def test_interrupted_nuts_keeps_finished_chains(model, tmp_path, monkeypatch):
    import nutpie

    options = {"draws": 60, "tune": 60, "chains": 2, "cores": 1}
    compiler, made = nutpie.compile_pymc_model, []

    def compiled_once(*args, **kwargs):  # the three fits whiten the same model at the same mode
        made[:] = made or [compiler(*args, **kwargs)]
        return made[0]

    monkeypatch.setattr(nutpie, "compile_pymc_model", compiled_once)
    whole = bm.fit(model, "nuts", **options)
    plain, seeds = nutpie.sample, []

    def second_is_interrupted(*args, **kwargs):
        seeds.append(kwargs["seed"])
        if len(seeds) == 2:
            raise KeyboardInterrupt
        return plain(*args, **kwargs)

    monkeypatch.setattr(nutpie, "sample", second_is_interrupted)
    with pytest.raises(KeyboardInterrupt):
        bm.fit(model, "nuts", checkpoint=tmp_path / "parts", **options)
    resumed = bm.fit(model, "nuts", checkpoint=tmp_path / "parts", **options)
    assert seeds == [0, 1, 1]
    np.testing.assert_array_equal(
        resumed["posterior"]["h2"].values, whole["posterior"]["h2"].values
    )


def test_parts_of_another_fit_are_not_found(tmp_path):
    Checkpoint(tmp_path / "parts", ("a", 1)).put("x", value=np.arange(3))
    assert Checkpoint(tmp_path / "parts", ("a", 2)).get("x") is None
    np.testing.assert_array_equal(
        Checkpoint(tmp_path / "parts", ("a", 1)).get("x")["value"], np.arange(3)
    )


def test_a_folder_that_cannot_be_made_is_refused_in_one_line(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(bm.InputError, match=r"checkpoint: .*cannot be made"):
        Checkpoint(tmp_path / "file" / "parts")


def test_a_finished_fit_removes_its_own_parts_alone(tmp_path):
    folder = tmp_path / "parts"
    one, other = Checkpoint(folder, "one"), Checkpoint(folder, "other")
    assert not folder.exists()  # a fit that fails at once leaves nothing
    one.put("a", x=np.arange(2))
    other.put("a", x=np.arange(3))
    one.clear()
    assert one.get("a") is None
    np.testing.assert_array_equal(other.get("a")["x"], np.arange(3))
    one.put("b", x=np.arange(2))
    other.clear()
    one.clear()
    assert not folder.exists()
    one.put("c", x=np.arange(2))  # the folder is made again where another fit removed it
    assert one.get("c") is not None


def test_whatever_else_lies_in_the_folder_stays_and_a_folder_that_was_there_too(tmp_path):
    (tmp_path / "thesis.tex").write_text("chapter 1")
    kept = Checkpoint(tmp_path, "one")
    kept.put("a", x=np.arange(2))
    kept.clear()
    assert [p.name for p in tmp_path.iterdir()] == ["thesis.tex"]
    (tmp_path / "empty").mkdir()
    kept = Checkpoint(tmp_path / "empty", "one")
    kept.put("a", x=np.arange(2))
    kept.clear()
    assert list((tmp_path / "empty").iterdir()) == []


def test_a_damaged_part_is_made_again(tmp_path):
    kept = Checkpoint(tmp_path / "parts", "one")
    kept.put("a", x=np.arange(2))
    (part,) = (tmp_path / "parts").glob("*.npz")
    for content in (b"", b"PK", part.read_bytes()[:50]):
        part.write_bytes(content)
        assert kept.get("a") is None


def test_parts_stay_until_the_caller_who_made_the_checkpoint_clears_it(model, tmp_path):
    parts = Checkpoint(tmp_path / "parts")
    bm.fit(model, "laplace", draws=100, checkpoint=parts)
    assert list((tmp_path / "parts").glob("*.npz"))
    parts.clear()
    assert not (tmp_path / "parts").exists()


def test_an_interruption_that_a_library_swallows_ends_the_fit(model, tmp_path, monkeypatch):
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    plain, seen = density_module.LogDensity.value_and_gradient, [0]

    def in_a_callback():
        os.kill(os.getpid(), signal.SIGINT)

    def swallowed(self, x):
        seen[0] += 1
        if seen[0] == 3:  # as in LLVM's word to numba that a function is compiled
            ctypes.CFUNCTYPE(None)(in_a_callback)()
        return plain(self, x)

    monkeypatch.setattr(density_module.LogDensity, "value_and_gradient", swallowed)
    try:
        with pytest.raises(KeyboardInterrupt):
            bm.fit(model, "map")
    finally:
        signal.signal(signal.SIGINT, before)
    assert seen[0] == 3
