"""Starting points: moments that recover the truth, thinning that keeps the weight, and every local
maximum of the scan along pi.
"""

import numpy as np
import pytest
from scipy.special import expit

from bayesmixer.mixer import starts
from bayesmixer.mixer.cards import TWO_COMPONENT, UNIVARIATE
from bayesmixer.models import infinitesimal, two_component_mixer, univariate_mixer
from bayesmixer.models.common import bound_of
from tests.models.small_gwas import simulate_gwas

BOUNDS = {one.name: one.box for card in (UNIVARIATE, TWO_COMPONENT) for one in card.free}


def test_moments_recover_h2_and_sigma2_0_of_infinitesimal_data():
    found = np.array(
        [
            starts.moments_h2(
                simulate_gwas(h2=0.1, pi=1.0, sigma2_0=1.1, n=10_000, seed=s, blocks=100)
            )
            for s in range(40)
        ]
    )
    mean, error = found.mean(0), found.std(0, ddof=1) / np.sqrt(len(found))
    assert (error < [0.005, 0.03]).all()  # the test would notice a bias of a tenth
    assert abs(mean[0] - 0.1) < 4 * error[0]
    assert abs(mean[1] - 1.1) < 4 * error[1]


def test_moments_stay_usable_where_there_is_no_signal_and_where_there_is_nothing_but_one_locus():
    data = simulate_gwas(h2=1e-9, sigma2_0=0.9)
    h2, zero = starts.moments_h2(data)
    assert h2 >= 1e-4
    assert 0.5 <= zero <= 5
    data["z"][:] = 0.0
    data["z"][5] = 300.0
    assert np.isfinite(starts.moments_h2(data)).all()


@pytest.mark.parametrize("most", [10, 123, 400, 10_000])
def test_thinning_keeps_the_total_weight_the_ld_blocks_and_at_most_twice_the_variants_asked_for(
    most,
):
    data = simulate_gwas(blocks=50)
    data["weight"][::3] = 0.0
    part = starts.thin(data, most)
    weighted = int((part["weight"] > 0).sum())
    assert float(part["weight"].sum()) == pytest.approx(float(data["weight"].sum()))
    assert weighted <= max(2 * most, 0) or weighted == int((data["weight"] > 0).sum()) < 2 * most
    assert weighted >= min(most, int((data["weight"] > 0).sum()))
    assert set(part["ld_block"].values) <= set(data["ld_block"].values)


def test_every_local_maximum_of_the_scan_is_a_start_best_first(monkeypatch):
    record = bound_of(univariate_mixer(simulate_gwas(blocks=5)))
    logit = np.linspace(-10, 2, 13)
    value = np.array([1.0, 3, 2, 2, 5, 4, 0, 1, 0.5, 0, 0, -1, 7])
    monkeypatch.setattr(starts, "scan_pi", lambda _: (logit, value, (0.2, 1.05)))
    found = [point["logit_pi"] for point in starts.mixer_starts(record)]
    assert found == [logit[i] for i in (12, 4, 1)]  # 7, 5, 3; the peak of 1 is the fourth


def test_scan_has_its_maximum_near_the_true_pi():
    data = simulate_gwas(h2=0.4, pi=0.01, n=50_000, blocks=100)
    logit, value, _ = starts.scan_pi(bound_of(univariate_mixer(data)))
    assert 0.002 < expit(logit[np.argmax(value)]) < 0.05


@pytest.mark.parametrize("build", [infinitesimal, univariate_mixer, two_component_mixer])
@pytest.mark.parametrize("h2", [1e-6, 0.3, 5.0])
def test_every_start_names_the_free_parameters_and_lies_inside_the_search_box(build, h2):
    record = bound_of(build(simulate_gwas(h2=h2, blocks=20)))
    points = record.starts()
    assert points
    for point in points:
        assert set(point) == set(record.free)
        assert all(BOUNDS[name][0] <= v <= BOUNDS[name][1] for name, v in point.items())
