"""The table of variants: what is promised of its columns, on fits that need no sampler and on real
LD with known effects.
"""

import numpy as np
import pytest

import bayesmixer as bm
from bayesmixer.errors import InputError
from bayesmixer.ld.spectrum import nodes, spectrum_from_pairs
from bayesmixer.mixer.manhattan import plot_manhattan_causal
from bayesmixer.ops.given_z import given_z
from tests.models.small_gwas import K, panel
from tests.reporting.fabricate import make_data, make_fit

COLUMNS = {
    "snp", "chrom", "pos", "a1", "a2", "z", "n", "marginal_effect", "causal_effect", "p_causal",
    "tail_fdr_causal",
}  # fmt: skip


@pytest.fixture(scope="module")
def simulated():
    """Truth and what is said of it, of 30 GWAS through LD at the true parameters: (GWAS, variant)
    z, marginal and own effect in units of z, causal or not, whether some close one is; and Given.
    """
    rng = np.random.default_rng(8)
    h, r, root, spectrum, _ = panel()
    blocks, size = r.shape[:2]
    n, pi, beta, zero, repeats = 20_000, 0.02, 4e-4, 1.05, 30
    causal = rng.random((repeats, h.size)) < pi
    effect = causal * rng.normal(0, np.sqrt(beta), causal.shape) * np.sqrt(n * h)
    by_block = effect.reshape(repeats, blocks, size)
    signal = np.einsum("bij,rbj->rbi", r, by_block).reshape(repeats, -1)
    noise = np.einsum("bij,rbj->rbi", root, rng.standard_normal(by_block.shape))
    z = signal + np.sqrt(zero) * noise.reshape(repeats, -1)
    near = r**2 >= 0.1
    some = np.einsum("bij,rbj->rbi", near, causal.reshape(by_block.shape)).reshape(z.shape) > 0
    strength = (h.reshape(blocks, 1, size) * r**2)[near]
    count = near.sum(2).ravel()
    close = spectrum_from_pairs(np.concatenate([[0], np.cumsum(count)]), strength, K)
    wide = [np.tile(a, (repeats, 1)) for a in (spectrum, close)]
    found = given_z(
        z.ravel(), np.full(z.size, n), wide[0], nodes(K), np.tile(h, repeats),
        [(np.array([pi]), np.array([beta]), zero)], wide[1], np.tile(count, repeats),
    )  # fmt: skip
    return z, signal, effect, causal, some, found


def _calibrated(p, truth, bins=10):
    """Deciles of a probability against what was realised, in standard errors of GWAS by GWAS."""
    repeats = truth.shape[0]
    p = p.reshape(truth.shape)
    edge = np.quantile(p, np.linspace(0, 1, bins + 1)[1:-1])
    label = np.searchsorted(edge, p)
    for b in range(bins):
        off = np.array([(p[i] - truth[i])[label[i] == b].sum() for i in range(repeats)])
        yield off.mean() / (off.std(ddof=1) / np.sqrt(repeats) + 1e-9)


def test_probabilities_are_calibrated_through_ld(simulated):
    """Two probabilities in ten classes each: none more than four standard errors off."""
    *_, causal, some, found = simulated
    off = [*_calibrated(found.causal, causal), *_calibrated(found.close, some)]
    assert np.abs(off).max() < 4


def test_effects_are_unbiased_given_what_is_said_through_ld(simulated):
    """E[effect - said | said] = 0: the slope of the truth on the posterior mean is one."""
    z, signal, effect, _, _, found = simulated
    for truth, said in ((signal, found.signal), (effect, found.own)):
        said = said.reshape(z.shape)
        slope = (truth * said).sum(1) / (said**2).sum(1)
        error = slope.std(ddof=1) / np.sqrt(len(slope))
        assert abs(slope.mean() - 1) < 4 * error + 0.02
    assert ((found.signal - signal.ravel()) ** 2).mean() < 0.5 * ((z - signal) ** 2).mean()


def test_tail_probabilities_are_those_of_the_variants_beyond(simulated):
    """Over the variants whose |z| may be anything, P(not causal | |Z| >= c) is the share of those
    beyond c that are not.
    """
    z, *_, causal, some, found = simulated
    order = np.argsort(-np.abs(z).ravel())[:2000]
    c = np.abs(z).ravel()[order[-1]]
    at_edge = np.abs(np.abs(z).ravel() - c) < 0.05
    for said, truth in ((found.tail_causal, causal), (found.tail_close, some)):
        share = truth.ravel()[order].mean()
        # those at the edge stand for the variants of their LD, not for all those beyond
        assert said[at_edge].mean() == pytest.approx(share, abs=0.12)


@pytest.fixture(scope="module")
def data():
    return make_data(m=600, blocks=60)


@pytest.mark.parametrize(
    ("model", "method"),
    [
        ("univariate_mixer", "laplace"),
        ("univariate_mixer", "map"),
        ("two_component_mixer", "laplace"),
        ("infinitesimal", "laplace"),
    ],
)
def test_table_has_a_row_a_variant_that_joins_to_the_input(data, model, method):
    table = bm.variants(make_fit(data, model, method, draws=40), data, draws=5)
    frame = table.to_dataframe()
    assert set(frame) == COLUMNS
    assert len(frame) == data.sizes["variant"]  # also those of weight 0
    assert frame["snp"].tolist() == data["snp"].values.tolist()
    assert frame["z"].tolist() == data["z"].values[:, 0].tolist()
    assert np.isfinite(frame["p_causal"]).all()
    assert table.attrs["left_out"].startswith("p_partner")
    assert table.attrs["draws"] == (1 if method == "map" else 5)


def test_infinitesimal_model_has_every_variant_causal_and_shrinks_by_the_share_of_signal(data):
    fit = make_fit(data, "infinitesimal", draws=1, spread=0)
    table = bm.variants(fit, data, draws=1)
    np.testing.assert_allclose(table["p_causal"], 1, atol=1e-9)
    posterior = fit["posterior"]
    beta = float(posterior["h2"].mean()) / float(data["h_total"][0])
    signal = data["n"].values[:, 0] * data["ld_score_h"].values[0] * beta
    shrink = signal / (signal + float(posterior["sigma2_0"].mean()))
    z, n = data["z"].values[:, 0], data["n"].values[:, 0]
    np.testing.assert_allclose(table["marginal_effect"], shrink * z / np.sqrt(n), atol=1e-9)


def test_variants_without_a_z_score_are_left_out(data):
    holed = data.copy(deep=True)
    row = int(np.flatnonzero(data["weight"].values == 0)[0])
    holed["z"].values[row] = np.nan
    table = bm.variants(make_fit(holed, draws=2), holed, draws=1)
    assert data["snp"].values[row] not in set(table["snp"].values)
    assert table.sizes["variant"] == data.sizes["variant"] - 1


def test_other_data_are_refused(data):
    with pytest.raises(InputError, match="not what this fit"):
        bm.variants(make_fit(data, draws=2), make_data(m=600, blocks=60, seed=2))


def test_no_draws_are_refused(data):
    with pytest.raises(InputError, match="draws"):
        bm.variants(make_fit(data, draws=2), data, draws=0)


def test_manhattan_of_a_probability_draws_in_the_given_axes_and_refuses_other_columns(data):
    from matplotlib.figure import Figure

    table = bm.variants(make_fit(data, draws=2), data, draws=1)
    ax = Figure().subplots()
    assert plot_manhattan_causal(table, ax) is ax
    drawn = np.concatenate([line.get_ydata() for line in ax.lines])
    assert drawn.max() == float(table["p_causal"].max())
    with pytest.raises(InputError, match="column: 'p_partner', expected one of p_causal"):
        plot_manhattan_causal(table, column="p_partner")


def test_with_the_reference_partners_are_spoken_of(example_folder):
    example = bm.example_data(example_folder / "data")
    reference = bm.open_reference(example_folder / "panel.zarr")
    data = bm.align(bm.read_sumstats(next(iter(example.sumstats.values()))), reference)
    fit = bm.fit(bm.models.univariate_mixer(data), method="map", calibrate=False)
    table = bm.variants(fit, data, reference, draws=1)
    assert set(table) == COLUMNS | {"p_partner", "tail_fdr_partner"}
    assert table.attrs["r2_min"] == 0.1
    # some partner is causal where the variant is; 24 nodes tell both apart to 1e-4
    assert (table["p_partner"] >= table["p_causal"] - 1e-4).all()
    closer = bm.variants(fit, data, example_folder / "panel.zarr", r2_min=0.8, draws=1)
    assert (closer["p_partner"] <= table["p_partner"] + 1e-4).all()
