"""Told once a machine: numba's compilation of the likelihood, and JAX only where it is used."""

import subprocess
import sys

import numpy as np
import pytest

from bayesmixer.ops import compiling, kernel
from bayesmixer.ops.likelihood import log_density


class Screen:
    """Standard error that is a terminal and remembers."""

    def __init__(self):
        self.text = ""

    def isatty(self):
        return True

    def write(self, text):
        self.text += text

    def flush(self):
        pass


class Kernel:
    """A compiled function that is nowhere yet."""

    signatures = ()

    class _cache:
        class _cache_file:
            _index_path = "/nowhere/at/all.nbi"


@pytest.fixture
def screen(monkeypatch):
    monkeypatch.setattr(compiling, "_SAID", set())
    monkeypatch.setattr(compiling, "is_quiet", lambda: False)
    return Screen()


def test_a_compilation_is_announced_once(screen, monkeypatch):
    monkeypatch.setattr(sys, "stderr", screen)  # here: pytest has its own between fixture and test
    compiling.announce(Kernel, "the likelihood")
    compiling.announce(Kernel, "the likelihood")
    assert screen.text.count("Compiling the likelihood for this machine, once") == 1


def test_nothing_is_said_of_what_is_on_disk_or_where_nobody_looks(screen, monkeypatch):
    monkeypatch.setattr(sys, "stderr", screen)
    compiling.announce(kernel.cosine_blocks, "what the session has compiled")
    monkeypatch.setattr(screen, "isatty", lambda: False)
    compiling.announce(Kernel, "another")
    assert screen.text == ""


def test_numba_still_says_where_its_cache_lies():
    """The private door: without it compilations are never announced."""
    assert kernel.cosine_blocks._cache._cache_file._index_path.endswith(".nbi")


def test_jax_waits_until_something_imports_its_backend_and_then_knows_the_likelihood():
    pytest.importorskip("jax")
    code = """
import sys
import bayesmixer as bm
from bayesmixer.ops.likelihood import MixtureLogLik
from bayesmixer.ops.maf import MafMixtureLogLik
bm.fit
assert "jax" not in sys.modules
from pytensor.link.jax.dispatch.basic import jax_funcify
known = [jax_funcify.dispatch(op) is not jax_funcify.dispatch(object)
         for op in (MixtureLogLik, MafMixtureLogLik)]
assert known == [True, True]
"""
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_rows_that_a_line_serves_need_no_saddle_point(monkeypatch):
    """Its compilation is left to the few data sets that have rows beyond the line's reach."""
    monkeypatch.setattr(kernel, "saddle_rows", None)
    z = np.array([0.5, 7.0, -9.0])
    found = log_density(
        z, np.full(3, 1e5), np.full((3, 2), [2.0, 3.0]), [1.0, 0.0], [0.01], [1e-4], 1.0
    )
    assert np.isfinite(found).all() and (np.diff(found) < 0).all()
