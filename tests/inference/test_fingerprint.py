"""Fingerprints of data: what changes them, what does not, and how a difference is put into
words.
"""

import numpy as np
import pytest
import xarray as xr

from bayesmixer.fingerprint import differences, fingerprint, same_weights


def changed(data, name, row, value):
    values = data[name].values.copy()
    values[row] = value
    return data.assign({name: (data[name].dims, values)})


def test_one_other_z_changes_the_hash_of_its_block_alone_and_is_named(small):
    a, row = fingerprint(small), 47  # LD block 1 of 30 variants each
    b = fingerprint(changed(small, "z", row, small["z"].values[row] + 1e-12))
    assert np.flatnonzero(a["data_hash"].values != b["data_hash"].values).tolist() == [1]
    assert (a["variant_hash"] == b["variant_hash"]).all() and same_weights(a, b)
    text = differences(a, b)
    pos = small["pos"].values
    assert (
        text.startswith("z or N differ in 1 of 60 LD blocks")
        and f"{pos[30] / 1e6:.3f}-{pos[59] / 1e6:.3f} Mb" in text
    )
    assert "\n" not in text


def test_the_order_of_variants_changes_nothing(small):
    shuffled = small.isel(variant=np.random.default_rng(0).permutation(small.sizes["variant"]))
    xr.testing.assert_identical(fingerprint(shuffled), fingerprint(small))


@pytest.mark.parametrize("name", ["n", "snp"])
def test_another_sample_size_or_identifier_is_another_data_set(small, name):
    other = changed(small, name, 0, 7.0 if name == "n" else "rs7")
    text = differences(fingerprint(small), fingerprint(other))
    assert ("z or N differ" in text) == (name == "n")
    assert "1 of 60" in text


def test_weights_are_kept_apart_from_the_data(small):
    a, b = fingerprint(small), fingerprint(changed(small, "weight", slice(0, 5), 0.0))
    assert differences(a, b, model=False) == "" and not same_weights(a, b)
    assert int(b["n_weighted"][0]) == 25 and int(b["n_variants"][0]) == 30


def test_dropped_variants_and_blocks_are_named_with_their_counts(small):
    a = fingerprint(small)
    fewer = fingerprint(small.isel(variant=np.r_[0:10, 12:1800]))
    assert "variants differ in 1 of 60 LD blocks" in differences(
        a, fewer
    ) and "30 against 28 variants" in differences(a, fewer)
    short = fingerprint(small.isel(variant=slice(0, 1770)))
    assert "only the first has its 30 variants" in differences(a, short)
    assert "only the second has its 30 variants" in differences(short, a)


def test_the_same_variants_in_other_ld_blocks_are_told_from_other_variants(small):
    coarser = small.assign(ld_block=("variant", (small["ld_block"].values // 2).astype(np.int32)))
    assert (
        differences(fingerprint(small), fingerprint(coarser))
        == "the same 1,800 variants are cut into 60 LD blocks and into 30"
    )


def test_order_within_a_block_nan_and_minus_zero_do_not_matter(small):
    z = small["z"].values.copy()
    z[3], z[4], z[5] = np.nan, 0.0, -0.0
    data = small.assign(z=(("variant", "trait"), z))
    order = np.r_[29:-1:-1, 30:1800]
    shuffled = data.isel(variant=order)
    z2 = shuffled["z"].values.copy()
    z2[z2 == 0] *= -1
    shuffled = shuffled.assign(z=(("variant", "trait"), z2))
    assert differences(fingerprint(data), fingerprint(shuffled)) == ""


def test_variants_without_identifiers_are_known_by_their_position(small):
    nameless = small.assign(snp=("variant", np.full(small.sizes["variant"], "")))
    moved = changed(nameless, "pos", 5, int(nameless["pos"].values[6]))
    assert differences(fingerprint(nameless), fingerprint(nameless)) == ""
    assert "1 of 60" in differences(fingerprint(nameless), fingerprint(moved))


def test_fingerprint_survives_a_file(small, tmp_path):
    a = fingerprint(small)
    for engine, path in (("h5netcdf", tmp_path / "a.nc"), ("zarr", tmp_path / "a.zarr")):
        a.to_netcdf(path, engine=engine) if engine == "h5netcdf" else a.to_zarr(path)
        b = xr.open_dataset(path, engine=engine).load()
        assert differences(a, b) == "" and same_weights(a, b)
        assert b["data_hash"].dtype == np.uint64
