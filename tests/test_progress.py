"""Bars that show what there is to show."""

from __future__ import annotations

import pytest

from bayesmixer.progress import bar, track


def test_nothing_to_do_shows_no_bar(capsys: pytest.CaptureFixture[str]) -> None:
    assert list(track([], "climbing", show=True)) == []
    with bar("reading", 0, show=True) as shown:
        shown.advance(0)
    assert capsys.readouterr().err == ""
    assert list(track([1, 2], "climbing", show=True)) == [1, 2]
    assert "2/2" in capsys.readouterr().err
