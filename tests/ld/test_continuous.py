"""Values of variants as annotations of bins."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from bayesmixer.errors import InputError
from bayesmixer.ld.continuous import binned

VALUES = np.array([0.0, 0.1, 0.1001, 0.25, 0.3, 0.4, 0.45, 0.9])


def written(path: Path, values: np.ndarray) -> Path:
    path.write_text("".join(f"rs{i} {v}\n" for i, v in enumerate(values)))
    return path


def test_bins_are_those_of_pandas_cut_under_ldscs_names(tmp_path: Path) -> None:
    found = binned([written(tmp_path / "daf", VALUES)], [[0.1, 0.25, 0.4]], ["DAF"])
    assert list(found.columns) == [
        "SNP", "DAF_min_0.1", "DAF_0.1_0.25", "DAF_0.25_0.4", "DAF_0.4_max",
    ]  # fmt: skip
    expected = pd.cut(VALUES, [-1, 0.1, 0.25, 0.4, 2], labels=False)
    np.testing.assert_array_equal(np.argmax(found.iloc[:, 1:].to_numpy(), axis=1), expected)
    assert (found.iloc[:, 1:].sum(axis=1) == 1).all()


def test_bins_of_two_files_are_combined(tmp_path: Path) -> None:
    files = [written(tmp_path / "a", VALUES), written(tmp_path / "b", -VALUES)]
    found = binned(files, [[0.25], [-0.3]])
    assert list(found.columns[1:]) == [
        "ANNOT0_min_0.25_ANNOT1_min_-0.3",
        "ANNOT0_min_0.25_ANNOT1_-0.3_max",
        "ANNOT0_0.25_max_ANNOT1_min_-0.3",
        "ANNOT0_0.25_max_ANNOT1_-0.3_max",
    ]
    assert list(found.iloc[:, 1:].sum()) == [0, 4, 4, 0]


def test_a_break_beyond_the_values_ends_the_last_bin(tmp_path: Path) -> None:
    found = binned([written(tmp_path / "a", VALUES)], [[-1.0, 0.25, 2.0]])
    assert list(found.columns[1:]) == ["ANNOT0_min_0.25", "ANNOT0_0.25_max"]


def test_what_cannot_be_binned_is_one_line(tmp_path: Path) -> None:
    file = written(tmp_path / "a", VALUES)
    with pytest.raises(InputError, match="none between them"):
        binned([file], [[5.0]])
    with pytest.raises(InputError, match="expected one a file"):
        binned([file], [[0.1], [0.2]])
    other = tmp_path / "b"
    other.write_text("rs1 0.5\n")
    with pytest.raises(InputError, match="other variants"):
        binned([file, other], [[0.1], [0.2]])
    other.write_text("SNP value\nrs1 x\n")
    with pytest.raises(InputError, match="cannot be read"):
        binned([other], [[0.1]])
