"""The report in a headless Chromium: no complaint, every figure visible, nothing asked for, fits
narrow screens and paper.
"""

import re

import pytest

from tests.reporting.chromium import Browser, executable

pytestmark = pytest.mark.skipif(
    executable() is None, reason="no chromium on PATH (Debian: apt-get install chromium)"
)


@pytest.fixture(scope="module")
def browser(sampled_report):
    browser = Browser()
    try:
        browser.open(sampled_report)
        yield browser
    finally:
        browser.close()


def test_no_console_message_and_no_error(browser):
    assert browser.complaints() == []


def test_nothing_is_asked_for_but_the_file_itself(browser, sampled_report):
    assert browser.requests() == [sampled_report.resolve().as_uri()]


def test_the_check_would_notice_a_complaint_a_request_and_a_broken_image(tmp_path):
    """The three checks fail on a page made to fail them."""
    bad = tmp_path / "bad.html"
    bad.write_text(
        "<!doctype html><title>x</title><img "
        "src='https://example.invalid/a.png'><script>console.error('no'); "
        "undefined_name()</script>"
    )
    other = Browser()
    try:
        other.open(bad)
        assert len(other.complaints()) >= 2
        assert "https://example.invalid/a.png" in other.requests()
        assert other.evaluate("document.images[0].naturalWidth") == 0
    finally:
        other.close()


def test_every_figure_is_drawn_at_a_legible_size(browser):
    browser.resize(1280, 800)  # other tests, which may come first, make the window narrow
    sizes = browser.evaluate(
        "[...document.images].map(i => [i.complete, i.naturalWidth, "
        "i.getBoundingClientRect().width, i.getBoundingClientRect().height])"
    )
    assert len(sizes) == 9
    for complete, natural, width, height in sizes:
        assert complete
        assert natural > 300
        assert width > 300
        assert height > 100


def test_figures_hold_ink_and_not_a_blank_sheet(browser):
    """Share of dark pixels of every figure, drawn on a canvas."""
    script = """(async () => [...document.images].map(i => {
      const c = document.createElement('canvas'); c.width = 300; c.height = 200;
      const g = c.getContext('2d'); g.fillStyle = 'white'; g.fillRect(0, 0, 300, 200);
      g.drawImage(i, 0, 0, 300, 200);
      const d = g.getImageData(0, 0, 300, 200).data; let n = 0;
      for (let k = 0; k < d.length; k += 4) if (d[k] + d[k + 1] + d[k + 2] < 600) n++;
      return n / 60000; }))()"""
    assert min(browser.evaluate(script)) > 0.01


def test_text_is_dark_on_white(browser):
    colour = browser.evaluate(
        "getComputedStyle(document.body).color + '|' + "
        "getComputedStyle(document.body).backgroundColor"
    )
    assert colour == "rgb(26, 26, 26)|rgb(255, 255, 255)"


@pytest.mark.parametrize("width", [360, 800, 1600])
def test_page_never_scrolls_sideways(browser, width):
    browser.resize(width, 800)
    assert browser.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


def test_page_prints_on_some_sheets_of_a4(browser):
    pages = len(re.findall(rb"/Type\s*/Page\b", browser.pdf()))
    assert 4 <= pages <= 16
