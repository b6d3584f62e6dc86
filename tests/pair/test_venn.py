"""Areas of the Venn diagram."""

import numpy as np
import pytest

from bayesmixer.errors import InputError
from bayesmixer.pair.venn import RADIUS, distance_of, lens, plot_venn, plot_venns
from tests.pair.fabricate import make_pair_fit
from tests.reporting.fabricate import make_fit


@pytest.mark.parametrize(("d", "r1", "r2"), [(1.0, 0.8, 0.5), (0.4, 0.8, 0.5), (0.9, 0.5, 0.5)])
def test_lens_is_the_area_of_points_within_both_circles(d, r1, r2):
    x, y = np.random.default_rng(0).uniform(-1.5, 1.5, (2, 400_000))
    both = (np.hypot(x, y) < r1) & (np.hypot(x - d, y) < r2)
    assert lens(d, r1, r2) == pytest.approx(9 * both.mean(), abs=0.01)


def test_lens_of_circles_apart_and_within_one_another():
    assert lens(1.31, 0.8, 0.5) == 0
    assert lens(0.3, 0.8, 0.5) == pytest.approx(np.pi * 0.25)
    assert lens(1e-9, 0.5, 0.5) == pytest.approx(np.pi * 0.25)


@pytest.mark.parametrize("share", [0.0, 1e-4, 0.3, 0.999, 1.0, 1.2])
def test_distance_gives_back_the_area(share):
    r1, r2 = 0.7, 0.4
    whole = np.pi * r2**2
    assert lens(distance_of(share * whole, r1, r2), r1, r2) == pytest.approx(
        min(share, 1) * whole, abs=1e-9
    )


@pytest.mark.parametrize("kind", ["n_causal", "n90"])
def test_areas_are_true_to_the_medians(pair_fit, kind):
    ax = plot_venn(pair_fit, kind=kind)
    one, _, two, *_ = ax.patches
    posterior = pair_fit["posterior"]
    n1, n2 = posterior[kind].median(("chain", "draw")).values
    shared = float(posterior["n_shared" if kind == "n_causal" else "n90_shared"].median())
    assert one.radius == pytest.approx(RADIUS)
    assert (two.radius / one.radius) ** 2 == pytest.approx(n2 / n1)
    distance = two.center[0] - one.center[0]
    assert lens(distance, one.radius, two.radius) == pytest.approx(shared / n1, rel=1e-6)


def test_faint_circles_stand_at_the_ends_of_the_interval(pair_fit):
    ax = plot_venn(pair_fit)
    one, low, high = ax.patches[0], ax.patches[4], ax.patches[5]
    n1 = float(pair_fit["posterior"]["n_causal"].isel(trait=0).median())
    ends = np.quantile(pair_fit["posterior"]["n_shared"].values, (0.05, 0.95))
    for circle, end in zip((low, high), ends, strict=True):
        apart = circle.center[0] - one.center[0]
        assert lens(apart, one.radius, circle.radius) == pytest.approx(end / n1, rel=1e-6)


def test_medians_and_intervals_are_printed(pair_fit):
    said = " ".join(text.get_text() for text in plot_venn(pair_fit).texts)
    assert "height alone" in said
    assert " to " in said


def test_many_pairs_have_one_scale(pair_data):
    few = make_pair_fit(pair_data, pi=np.array([0.001, 0.0005]), draws=50)
    many = make_pair_fit(pair_data, draws=50)
    axes = plot_venns({"few": few, "many": many}, columns=2)
    small, large = (ax.patches[0].radius for ax in axes)
    assert (small / large) ** 2 == pytest.approx(0.25, rel=0.1)
    assert len({ax.get_xlim() for ax in axes}) == 1
    assert [ax.get_title() for ax in axes] == ["few", "many"]


def test_a_fit_of_one_trait_and_an_unknown_kind_are_refused(data, pair_fit):
    with pytest.raises(InputError, match="of two"):
        plot_venn(make_fit(data))
    with pytest.raises(InputError, match="kind: 'pi', expected one of n_causal, n90"):
        plot_venn(pair_fit, kind="pi")
