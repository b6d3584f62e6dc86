"""What the package uses of PyTensor's inside is there and does what it is used for; what fails here
after an upgrade is what PyTensor changed.
"""

import pytensor
import pytensor.tensor as pt
import pytest
from pytensor.link.numba.dispatch.basic import numba_funcify_and_cache_key

from bayesmixer.ops import pytensor_doors
from bayesmixer.ops.likelihood import MixtureLogLik
from bayesmixer.ops.maf import MafMixtureLogLik


@pytest.mark.parametrize("name", pytensor_doors.DOORS)
def test_pytensor_has_it(name):
    assert callable(pytensor_doors.door(name))


def test_what_pytensor_has_no_more_is_named_with_its_version(monkeypatch):
    gone = {"x": ("pytensor.graph.rewriting.basic", "NoSuchTable")}
    monkeypatch.setattr(pytensor_doors, "DOORS", gone)
    with pytest.raises(
        ImportError, match=rf"PyTensor {pytensor.__version__} has no .*basic\.NoSuchTable, which"
    ):
        pytensor_doors.door("x")


def test_tables_of_rewrites_are_found_and_emptied():
    x = pt.vector("x")
    pytensor.function([x], pt.exp(x).sum(), mode="FAST_RUN")
    sizes = lambda: [  # noqa: E731
        t.get_trackers.cache_info().currsize for t in pytensor_doors.rewrite_tables()
    ]
    assert sum(sizes()) > 0
    pytensor_doors.forget_ops()
    assert sum(sizes()) == 0


@pytest.mark.parametrize("op", [MixtureLogLik, MafMixtureLogLik])
def test_numba_compiles_the_likelihoods_by_our_own_functions(op):
    assert numba_funcify_and_cache_key.dispatch(op).__module__ == op.__module__
