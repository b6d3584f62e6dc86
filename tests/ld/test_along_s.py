"""Every dataset has the dimension of the exponents S; those saved without it give the same
numbers.
"""

from __future__ import annotations

import json
import shutil
import warnings
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

import bayesmixer as bm
from bayesmixer.errors import DataWarning
from bayesmixer.ld.exponents import exponents, totals
from bayesmixer.variables import along_s, validate
from tests.fixtures.make_one_s import aligned, blocks

FIXTURES = Path(__file__).parents[1] / "fixtures"
BY_S = {"spectrum": ("maf_s", "variant", "node"), "ld_score_h": ("maf_s", "variant")}


@pytest.fixture(scope="module")
def numbers():
    return json.loads((FIXTURES / "one_s.json").read_text())


def opened_as_saved(name):
    with xr.open_dataset(FIXTURES / name, engine="h5netcdf") as file:
        return file.load()


def test_data_saved_without_the_dimension_open_with_it_and_give_the_same_likelihood(numbers):
    assert opened_as_saved("one_s.nc")["spectrum"].dims == ("variant", "node")
    data = bm.load(FIXTURES / "one_s.nc")
    assert {name: data[name].dims for name in BY_S} == BY_S
    assert exponents(data).tolist() == [0.0]
    assert totals(data).tolist() == data.attrs["h_total"]
    np.testing.assert_allclose(blocks(data), numbers["one_s"], rtol=1e-12)


def test_data_of_several_exponents_saved_before_give_the_same_likelihood(numbers):
    data = bm.load(FIXTURES / "several_s.nc")
    assert totals(data).tolist() == data.attrs["h_total"]
    for what, s in (("held", -0.75), ("between", -0.4)):
        np.testing.assert_allclose(blocks(data, s), numbers["several_s"][what], rtol=1e-9)


def test_a_reference_built_before_aligns_to_the_same_numbers(numbers, tmp_path):
    shutil.unpack_archive(FIXTURES / "one_s_reference.zip", tmp_path / "r.zarr")
    reference = bm.open_reference(tmp_path / "r.zarr")
    assert reference["21"]["h_total"].dims == ("maf_s",)
    assert not reference["21"].to_dataset()["spectrum"].variable._in_memory
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DataWarning)  # 57 variants
        data = aligned(reference)
    known = numbers["reference"]
    assert data.attrs["h_total"] == data["h_total"].values.tolist() == known["h_total"]
    assert data["spectrum"].values.sum(dtype=float) == pytest.approx(known["spectrum"], rel=1e-12)
    np.testing.assert_allclose(blocks(data), known["blocks"], rtol=1e-12)


def test_data_in_todays_form_pass_the_door_unchanged_and_one_exponent_comes_back_with_its_own():
    data = bm.load(FIXTURES / "several_s.nc")
    assert validate(data, "gwas_data") is data
    for i, s in enumerate((-0.75, 0.0, 0.25)):
        one = along_s(data.isel(maf_s=i))
        xr.testing.assert_identical(one, data.isel(maf_s=[i]))
        assert exponents(one).tolist() == [s]


def test_a_saved_file_of_today_opens_as_it_was(tmp_path):
    data = bm.load(FIXTURES / "one_s.nc")
    xr.testing.assert_identical(bm.load(bm.save(data, tmp_path / "d.nc")), data)
