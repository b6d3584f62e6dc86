"""Posteriors that no sampler should be sent to are refused by name, and chains that nobody asked
for are bounded and announced.
"""

import warnings

import numpy as np
import pytest

import bayesmixer as bm
from bayesmixer.errors import DataWarning, InputError
from bayesmixer.inference import proper, sampling
from bayesmixer.inference.density import LogDensity
from tests.inference import toys
from tests.models.small_gwas import simulate_gwas


@pytest.fixture(scope="module")
def infinitesimal_trait():
    return simulate_gwas(h2=0.5, pi=1.0, n=5_000, seed=1, blocks=25)


@pytest.fixture(scope="module")
def noise():
    return simulate_gwas(h2=1e-9, pi=1.0, n=100, seed=2, blocks=25)


@pytest.mark.filterwarnings("ignore::bayesmixer.errors.DataWarning")
@pytest.mark.parametrize("method", ["laplace", "nuts", "binned"])
def test_flat_prior_on_an_infinitesimal_trait_is_refused_with_the_parameter_and_what_to_do(
    infinitesimal_trait, method
):
    with pytest.raises(InputError) as caught:
        bm.fit(
            bm.models.univariate_mixer(infinitesimal_trait, prior="flat"),
            method,
            profile=False,
            calibrate=False,
            progress=False,
        )
    words = str(caught.value)
    assert words.startswith("prior: flat for logit_pi, and the posterior is improper: ")
    assert words.endswith("Use prior='weak', or method='map' for the estimate alone.")
    assert "\n" not in words


@pytest.mark.filterwarnings("ignore::bayesmixer.errors.DataWarning")
def test_flat_prior_without_heritability_is_refused_for_nuts_and_map_still_serves(noise):
    model = bm.models.infinitesimal(noise, prior="flat")
    with pytest.raises(InputError, match=r"^prior: flat for log_h2, and the posterior is improper"):
        bm.fit(model, "nuts", progress=False)
    assert bm.fit(model, "map", progress=False).attrs["method"] == "map"


def test_flat_prior_where_the_likelihood_falls_everywhere_is_not_refused():
    model = bm.models.infinitesimal(simulate_gwas(h2=0.5, pi=1.0, n=4_000, seed=3), prior="flat")
    density = LogDensity(model)
    mode = bm.fit(model, "map", calibrate=False, progress=False)["estimate"]["mode"].values
    bounds = np.array([[np.log(1e-6), np.log(20)], [np.log(0.3), np.log(20)]])
    assert [density.names[i] for i in proper.flat(density)] == ["log_h2", "log_sigma2_0"]
    proper.refuse(density, mode, np.diag([0.01, 0.001]), bounds)


def test_only_parameters_without_a_prior_count():
    assert proper.flat(LogDensity(bm.models.infinitesimal(simulate_gwas(blocks=5)))) == []
    assert proper.flat(LogDensity(toys.gaussian())) == [0, 1]
    assert proper.flat(LogDensity(toys.constrained())) == []


def test_chains_in_place_of_laplace_are_announced_before_they_begin_and_bounded(monkeypatch):
    heard: list[str] = []

    class Begun(Exception):
        pass

    def run(density, mode, covariance, **settings):
        assert settings["draws"] == 1000
        assert settings["depth"] == 5
        assert any(
            "sampled by NUTS instead, 4 chains of 1000 draws and at most 161,200 gradients" in words
            for words in heard
        )
        raise Begun

    monkeypatch.setattr(sampling, "run", run)
    with warnings.catch_warnings():
        warnings.simplefilter("always", DataWarning)
        monkeypatch.setattr(
            warnings, "showwarning", lambda message, *_, **__: heard.append(str(message))
        )
        with pytest.raises(Begun):
            bm.fit(toys.heavy_tailed(), draws=300, seed=1, progress=False)
