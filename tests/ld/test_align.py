"""Align: what may not change the result, what each filter takes, what is recognised and named, and
bad input.
"""

import json
import warnings

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from bayesmixer.errors import DataWarning, InputError
from bayesmixer.io.sumstats import munge, read_sumstats
from bayesmixer.ld.align import align
from bayesmixer.ld.blocks import label_blocks, read_blocks
from bayesmixer.ld.builds import LANDMARKS
from bayesmixer.ld.gwas_data import contiguous_labels, gwas_data_from_arrays
from bayesmixer.ld.reference import build_reference
from bayesmixer.variables import validate
from tests.ld.align_panel import changed, columns, panel, sumstats

REFERENCE = panel()
PLAIN = sumstats(REFERENCE)
OTHER = dict(zip("ACGT", "TGCA", strict=True))


def filters(data: xr.Dataset) -> dict[str, int]:
    return json.loads(data.attrs["filters"])


def overlap(data: xr.Dataset) -> dict:
    return json.loads(data.attrs["overlap"])


def same_data(x: xr.Dataset, y: xr.Dataset) -> None:
    xr.testing.assert_equal(x, y)
    assert x.attrs["h_total"] == y.attrs["h_total"]


def swap(ds: xr.Dataset, rows: np.ndarray, strand: np.ndarray) -> xr.Dataset:
    """The same GWAS with effect and other allele exchanged in `rows`, and both written on the other
    strand in `strand`.
    """
    ds = ds.copy(deep=True)
    a1, a2 = ds["a1"].values.copy(), ds["a2"].values.copy()
    a1[rows], a2[rows] = a2[rows].copy(), a1[rows].copy()
    a1[strand], a2[strand] = [OTHER[v] for v in a1[strand]], [OTHER[v] for v in a2[strand]]
    z, eaf = ds["z"].values.copy(), ds["eaf"].values.copy()
    z[rows], eaf[rows] = -z[rows], 1 - eaf[rows]
    return ds.assign(a1=("variant", a1), a2=("variant", a2), z=("variant", z), eaf=("variant", eaf))


subsets = st.integers(0, 2**32 - 1).map(lambda s: np.random.default_rng(s).random(500) < 0.4)


@settings(max_examples=15, deadline=None)
@given(rows=subsets, strand=subsets)
def test_swapped_alleles_and_the_other_strand_change_nothing_once_aligned(rows, strand):
    aligned = align(swap(PLAIN, rows, strand), REFERENCE)
    same_data(aligned, align(PLAIN, REFERENCE))
    info, unclear = overlap(aligned)["traits"][0], _ambiguous(PLAIN)
    assert info["on_reference_chromosomes"] >= info["in_reference"] >= info["matched"] > 0
    assert info["swapped"] >= (rows & ~unclear).sum()
    assert info["strand_flipped"] == (strand & ~unclear).sum()


@settings(max_examples=10, deadline=None)
@given(rows=subsets)
def test_swapping_alleles_without_the_sign_flips_the_sign_and_nothing_else(rows):
    swapped = swap(PLAIN, rows, np.zeros(500, bool)).assign(z=PLAIN["z"])
    aligned, plain = align(swapped, REFERENCE), align(PLAIN, REFERENCE)
    turned = np.isin(plain["snp"].values, PLAIN["snp"].values[rows])
    assert np.array_equal(aligned["z"].values, np.where(turned[:, None], -1, 1) * plain["z"].values)
    same_data(aligned.drop_vars("z"), plain.drop_vars("z"))


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), by=st.sampled_from(["id", "position"]))
def test_order_of_rows_changes_nothing_even_with_duplicates(seed, by):
    # rows 3 and 9 come twice, row 9 with another z
    twice = xr.concat(
        [
            PLAIN,
            PLAIN.isel(variant=[3, 9]).assign(z=PLAIN["z"].isel(variant=[3, 9]) + np.array([0, 1])),
        ],
        "variant",
    )
    shuffled = twice.isel(variant=np.random.default_rng(seed).permutation(502))
    assert (
        overlap(align(shuffled, REFERENCE, by=by))["traits"]
        == overlap(align(twice, REFERENCE, by=by))["traits"]
    )
    same_data(align(shuffled, REFERENCE, by=by), align(twice, REFERENCE, by=by))


def test_by_identifier_and_by_position_agree():
    by_id, by_position = (align(PLAIN, REFERENCE, by=by) for by in ("id", "position"))
    same_data(by_id, by_position)


def _ambiguous(ds: xr.Dataset) -> np.ndarray:
    return np.array([OTHER[a] == b for a, b in zip(ds["a1"].values, ds["a2"].values, strict=True)])


def test_result_is_what_a_plain_loop_over_the_panel_gives():
    rng = np.random.default_rng(8)
    mixed = swap(PLAIN, rng.random(500) < 0.5, rng.random(500) < 0.5).isel(
        variant=rng.permutation(500)[:420]
    )
    data = validate(align(mixed, REFERENCE), "gwas_data")
    gwas = {s: i for i, s in enumerate(mixed["snp"].values)}
    panel_rows = {
        name: columns(REFERENCE, name)
        for name in ("snp", "chrom", "pos", "a1", "a2", "freq", "heterozygosity", "ld_score")
    }
    spectrum = np.concatenate([c["spectrum"].values[0] for c in REFERENCE.children.values()])
    expected, z = [], []
    for j, snp in enumerate(panel_rows["snp"]):
        i = gwas.get(snp)
        p1, p2 = panel_rows["a1"][j], panel_rows["a2"][j]
        if i is None or OTHER[p1] == p2:
            continue
        a1 = mixed["a1"].values[i]
        expected.append(j)
        z.append(mixed["z"].values[i] * (1 if a1 in (p1, OTHER[p1]) else -1))
    for name, values in panel_rows.items():
        assert np.array_equal(data[name].values, values[expected]), name
    assert np.array_equal(data["z"].values[:, 0], z)
    assert np.array_equal(data["spectrum"].values[0], spectrum[expected])
    assert data["spectrum"].dtype == np.float32


def test_filters_account_for_every_row_of_the_file():
    z, n, snp, a1 = (PLAIN[v].values.copy() for v in ("z", "n", "snp", "a1"))
    z[:7], n[7:12], n[12] = np.nan, np.nan, 0
    snp[20:25] = [f"rs_unknown{i}" for i in range(5)]
    unclear = _ambiguous(PLAIN)
    wrong = np.flatnonzero(~unclear[30:])[:6] + 30
    a1[wrong] = "ACGTACGT"
    dirty = PLAIN.assign(
        z=("variant", z), n=("variant", n), snp=("variant", snp), a1=("variant", a1)
    )
    doubled = xr.concat(
        [
            dirty,
            dirty.isel(variant=[40, 41, 42]).assign(
                z=("variant", z[[40, 41, 42]] + [0.0, 2.0, 0.0])
            ),
        ],
        "variant",
    )
    data = align(doubled, REFERENCE, by="id")
    counts = filters(data)
    assert counts["z_or_n_missing"] == 13
    assert counts["not_in_reference"] == 5
    assert counts["allele_mismatch"] == 6
    assert data.sizes["variant"] == 503 - sum(counts.values())
    clear = [v for v in (40, 41, 42) if not unclear[v] and v not in wrong]
    assert counts["duplicate"] == sum(2 if v == 41 else 1 for v in clear)


def test_monomorphic_variants_of_the_panel_are_dropped():
    rows = np.flatnonzero(~_ambiguous(PLAIN))[:4]
    h = REFERENCE["21"]["heterozygosity"].values.copy()
    h[rows[:3]], h[rows[3]] = 0, np.nan
    assert (
        filters(align(PLAIN, changed(REFERENCE, "21", heterozygosity=h)))[
            "monomorphic_in_reference"
        ]
        == 4
    )


def test_default_leaves_out_the_mhc_and_an_empty_list_keeps_it():
    reference = panel({"6": 400})
    gwas = sumstats(reference)
    inside = (
        (columns(reference, "pos") >= 25_000_000)
        & (columns(reference, "pos") <= 35_000_000)
        & ~_ambiguous(gwas)
    )
    assert inside.sum() > 30
    assert filters(align(gwas, reference))["region MHC"] == inside.sum()
    assert align(gwas, reference, exclude_regions=()).sizes["variant"] == (~_ambiguous(gwas)).sum()
    named = align(gwas, reference, exclude_regions="chr6:25,000,000-35,000,000")
    assert named.sizes["variant"] == (~_ambiguous(gwas) & ~inside).sum()


def test_ambiguous_by_frequency_recovers_the_strand_that_the_letters_hide():
    unclear = _ambiguous(PLAIN)
    rng = np.random.default_rng(2)
    strand = unclear & (rng.random(500) < 0.5)
    hidden = swap(PLAIN, np.zeros(500, bool), strand)
    data = align(hidden, REFERENCE, ambiguous="frequency")
    freq, eaf = columns(REFERENCE, "freq"), PLAIN["eaf"].values
    resolvable = (np.abs(freq - 0.5) > 0.1) & (np.abs(eaf - 0.5) > 0.1)
    kept = ~unclear | resolvable
    assert np.array_equal(data["snp"].values, PLAIN["snp"].values[kept])
    assert np.array_equal(data["z"].values[:, 0], PLAIN["z"].values[kept])
    assert overlap(data)["traits"][0]["ambiguous_flipped"] == (strand & resolvable).sum()
    # letters as they stand would have got these wrong
    assert np.array_equal(
        align(hidden, REFERENCE, ambiguous="keep")["z"].values[:, 0],
        np.where(strand, -1, 1) * PLAIN["z"].values,
    )


def test_extreme_z_scores_pass_untouched():
    z = PLAIN["z"].values.copy()
    z[~_ambiguous(PLAIN)] *= 1e3
    assert np.abs(align(PLAIN.assign(z=("variant", z)), REFERENCE)["z"]).max() > 1000


def test_several_gwas_become_traits_of_the_variants_present_in_all():
    second = sumstats(REFERENCE, seed=5, trait="other", n=np.full(500, 3e4)).isel(
        variant=slice(100, 450)
    )
    data = align({"height": PLAIN, "weight": second}, REFERENCE)
    single = align(second, REFERENCE)
    assert data["trait"].values.tolist() == ["height", "weight"]
    assert np.array_equal(data["snp"].values, single["snp"].values)
    assert np.array_equal(data["z"].values[:, 1], single["z"].values[:, 0])
    full = align(PLAIN, REFERENCE)
    there = np.isin(full["snp"].values, data["snp"].values)
    assert np.array_equal(data["z"].values[:, 0], full["z"].values[there, 0])
    assert (
        filters(data)["height: not_in_all_traits"] == full.sizes["variant"] - data.sizes["variant"]
    )
    assert align([PLAIN, second], REFERENCE)["trait"].values.tolist() == ["made", "other"]
    with pytest.warns(DataWarning, match="made and trait2 have the same z-score at every variant"):
        assert align([PLAIN, PLAIN], REFERENCE)["trait"].values.tolist() == ["made", "trait2"]


def test_totals_are_summed_over_the_chromosomes_used_only():
    only_22 = PLAIN.isel(variant=PLAIN["chrom"].values == "22")
    data, both = align(only_22, REFERENCE), align(PLAIN, REFERENCE)
    h = {c: REFERENCE[c]["heterozygosity"].values for c in ("21", "22")}
    assert data.attrs["h_total"] == pytest.approx([h["22"].sum()])
    assert both.attrs["h_total"] == pytest.approx([h["21"].sum() + h["22"].sum()])
    assert data.attrs["n_reference"] == 200
    assert json.loads(data.attrs["chromosomes"]) == ["22"]
    assert overlap(data)["one_chromosome"]
    assert overlap(data)["few_ld_blocks"]
    assert not overlap(both)["one_chromosome"]
    assert float((both["h_bin_value"] * both["h_bin_count"]).sum()) == pytest.approx(
        h["21"].sum() + h["22"].sum()
    )
    assert int(both["h_bin_count"].sum()) == 500


def test_exponents_of_the_spectrum_are_kept_or_chosen():
    reference = panel(maf_s=(0.0, -0.25))
    every = validate(align(PLAIN, reference), "gwas_data")
    assert every["spectrum"].dims == ("maf_s", "variant", "node")
    one = align(PLAIN, reference, maf_s=-0.25)
    assert one["spectrum"].dims == ("maf_s", "variant", "node")
    assert np.array_equal(one["spectrum"], every["spectrum"].sel(maf_s=[-0.25]))
    assert one["h_total"].values.tolist() == one.attrs["h_total"]
    assert one.attrs["h_total"] == [every.attrs["h_total"][1]]


def test_weights_follow_the_rule_asked_for():
    pruned = align(PLAIN, REFERENCE, seed=3)
    assert np.array_equal(pruned["weight"], align(PLAIN, REFERENCE, seed=3)["weight"])
    assert not np.array_equal(pruned["weight"], align(PLAIN, REFERENCE, seed=4)["weight"])
    assert set(align(PLAIN, REFERENCE, weights="none")["weight"].values) == {1.0}
    inverse = align(PLAIN, REFERENCE, weights="inverse_ld")
    assert np.array_equal(inverse["weight"].values, 1 / np.maximum(inverse["ld_score"].values, 1))


def test_pruning_sees_matched_variants_only():
    # with every second variant, neighbours are two steps apart (r^2 = 0.15): at 0.2 nobody is
    # anybody's neighbour
    half = PLAIN.isel(variant=np.arange(500) % 2 == 0)
    data = align(half, REFERENCE, prune_r2=0.2, ambiguous="keep")
    assert set(data["weight"].values) == {1.0}
    assert align(half, REFERENCE, ambiguous="keep")["weight"].sum() < 0.8 * half.sizes["variant"]


def test_blocks_come_from_the_argument_the_reference_or_the_gaps():
    def starts(data):
        label = data["ld_block"].values
        assert label[0] == 0
        assert set(np.diff(label)) <= {0, 1}
        return set(data["snp"].values[np.flatnonzero(np.diff(label, prepend=-1))])

    own = align(PLAIN, REFERENCE, ambiguous="keep")
    every_25th = {s for s in PLAIN["snp"].values if int(s[-5:]) % 25 == 0}
    assert overlap(own)["ld_blocks_from"] == "reference"
    assert starts(own) == every_25th
    unlabelled = align(PLAIN, panel(ld_block=False), ambiguous="keep")
    assert overlap(unlabelled)["ld_blocks_from"] == "gaps"
    assert starts(unlabelled) <= every_25th  # the hand-made panel has its gaps there
    assert 1 < overlap(unlabelled)["ld_blocks"] < 20
    named = align(PLAIN, REFERENCE, blocks="eur_hg19")
    expected = label_blocks(named["chrom"].values, named["pos"].values, read_blocks("eur_hg19"))
    assert np.array_equal(np.diff(named["ld_block"].values) > 0, np.diff(expected) > 0)


def test_auto_takes_what_matches_more_and_says_which():
    half = PLAIN["snp"].values.copy()
    half[::2] = "."
    without_ids = align(PLAIN.assign(snp=("variant", half)), REFERENCE)
    assert overlap(without_ids)["traits"][0]["matched_by"] == "position"
    without_positions = align(PLAIN.assign(pos=PLAIN["pos"] * 0), REFERENCE)
    assert overlap(without_positions)["traits"][0]["matched_by"] == "id"
    same_data(without_ids, without_positions)


def test_another_build_is_named_and_matched_by_identifier():
    shift = {"21": LANDMARKS["rs63750847"][1], "22": LANDMARKS["rs4680"][1]}
    pos = np.array(
        [
            p + shift[c][2] - shift[c][1]
            for c, p in zip(PLAIN["chrom"].values, PLAIN["pos"].values, strict=True)
        ]
    )
    moved = PLAIN.assign(pos=("variant", pos))
    with pytest.warns(
        DataWarning,
        match=r"made.txt: 500 of 500 .* positions look like GRCh38 while the reference is GRCh37",
    ):
        data = align(moved, REFERENCE)
    same_data(data, align(PLAIN, REFERENCE))
    assert overlap(data)["traits"][0]["builds"] == ["GRCh38", "GRCh37"]
    assert len(overlap(data)["warnings"]) == 1
    with pytest.raises(
        InputError, match=r"499 of 500 .* GRCh38 while the reference is GRCh37.*by='id'"
    ):
        align(moved, _one_position_shared(moved), by="position")


def _one_position_shared(moved: xr.Dataset) -> xr.DataTree:
    """The panel with one variant at the position of the other build, so that not nothing but nearly
    nothing meets.
    """
    pos = REFERENCE["22"]["pos"].values.copy()
    pos[-1] = moved["pos"].values[-1]
    return changed(REFERENCE, "22", pos=pos)


def test_landmarks_lie_where_published_ld_scores_have_them(eur_w_ld_chr):
    published = {}
    for path in eur_w_ld_chr.rglob("*.l2.ldscore*"):
        table = pd.read_csv(path, sep=r"\s+", usecols=["CHR", "SNP", "BP"])
        table = table[table["SNP"].isin(LANDMARKS)]
        published |= {snp: (str(c), bp) for c, snp, bp in table.itertuples(index=False)}
    assert len(published) > 25
    assert published == {snp: (c, at[1]) for snp, (c, at) in LANDMARKS.items() if snp in published}
    # two landmarks of one stretch must have moved by the same amount: between them the table checks
    # itself
    moved = {snp: at[2] - at[1] for snp, (_, at) in LANDMARKS.items()}
    assert moved["rs13266634"] == pytest.approx(moved["rs6983267"], abs=50)
    assert moved["rs7903146"] == pytest.approx(moved["rs1057910"], abs=50)


def test_positions_counted_from_zero_are_named_as_such():
    with pytest.warns(DataWarning, match="off by one"):
        align(PLAIN.assign(pos=PLAIN["pos"] - 1), REFERENCE)


def test_a_build_without_identifiers_is_an_error_that_names_it():
    # a dense panel around two landmarks, seen from the other build, without identifiers
    reference = panel({"19": 4000, "22": 4000})
    for c, snp in (("19", "rs4420638"), ("22", "rs4680")):
        centre = LANDMARKS[snp][1][1]
        pos = np.sort(
            np.random.default_rng(1).choice(
                np.arange(centre - 200_000, centre + 200_000), 4000, replace=False
            )
        )
        reference = changed(reference, c, pos=pos)
    gwas = sumstats(reference, snp=np.full(8000, "."))
    for c, snp in (("19", "rs4420638"), ("22", "rs4680")):
        _, (_, b37, b38) = LANDMARKS[snp]
        gwas["pos"] = gwas["pos"] + xr.where(gwas["chrom"] == c, b38 - b37, 0)
    with pytest.raises(
        InputError, match="positions look like GRCh38 while the reference is GRCh37"
    ):
        align(gwas, reference)


def test_frequencies_of_the_other_allele_are_noticed():
    with pytest.warns(DataWarning, match="correlation -1.00.*not the effect allele"):
        data = align(PLAIN.assign(eaf=1 - PLAIN["eaf"]), REFERENCE)
    assert overlap(data)["traits"][0]["frequency_correlation"] < -0.9


def test_frequencies_of_another_population_are_noticed():
    far = PLAIN.assign(
        eaf=(
            "variant",
            np.clip(PLAIN["eaf"].values + np.random.default_rng(1).normal(0, 0.3, 500), 0, 1),
        )
    )
    with pytest.warns(DataWarning, match="allele frequencies differ by more than 0.2"):
        align(far, REFERENCE)


def test_good_input_gives_no_warning():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        align(PLAIN, REFERENCE)


def _ids(kind):
    return np.array([f"{kind}{i}" for i in range(500)], dtype=object)


BAD = {
    "unknown by": (
        lambda: (PLAIN, REFERENCE, {"by": "rsid"}),
        "by: 'rsid', expected one of auto, id, position",
    ),
    "unknown ambiguous": (lambda: (PLAIN, REFERENCE, {"ambiguous": "guess"}), "ambiguous: 'guess'"),
    "unknown weights": (lambda: (PLAIN, REFERENCE, {"weights": "ldsc"}), "weights: 'ldsc'"),
    "a path for sumstats": (lambda: ("height.txt", REFERENCE, {}), "read_sumstats"),
    "no sumstats": (lambda: ([], REFERENCE, {}), "empty"),
    "a list of numbers": (lambda: ([3], REFERENCE, {}), "int, expected a Sumstats dataset"),
    "sumstats without z": (lambda: (PLAIN.drop_vars("z"), REFERENCE, {}), "no variable 'z'"),
    "no rows": (lambda: (PLAIN.isel(variant=[]), REFERENCE, {}), "no variant in it"),
    "N missing everywhere": (
        lambda: (PLAIN.assign(n=PLAIN["n"] * np.nan), REFERENCE, {}),
        "no variant has a sample size",
    ),
    "z missing everywhere": (
        lambda: (PLAIN.assign(z=PLAIN["z"] * np.nan), REFERENCE, {}),
        "none of its 500 variants has both",
    ),
    "other chromosomes": (
        lambda: (
            PLAIN.assign(
                chrom=("variant", np.full(500, "1", dtype=object)), snp=("variant", _ids("x"))
            ),
            REFERENCE,
            {},
        ),
        "none of its 500 usable variants matches the 500 of the reference: it holds "
        "chromosomes 1, the reference 21, 22",
    ),
    "alleles as numbers": (
        lambda: (
            PLAIN.assign(a1=("variant", np.full(500, "1")), a2=("variant", np.full(500, "2"))),
            REFERENCE,
            {},
        ),
        "500 meet by id but their alleles differ .first: 1/2",
    ),
    "other ids, no positions": (
        lambda: (
            PLAIN.assign(snp=("variant", _ids("chr21:")), pos=PLAIN["pos"] * 0),
            REFERENCE,
            {},
        ),
        "no positions, .*chr21:0",
    ),
    "position asked, ids match": (
        lambda: (PLAIN.assign(pos=PLAIN["pos"] * 0), REFERENCE, {"by": "position"}),
        "500 do by id. Use by='id'",
    ),
    "frequency without eaf": (
        lambda: (PLAIN.drop_vars("eaf"), REFERENCE, {"ambiguous": "frequency"}),
        "no allele frequency",
    ),
    "region without numbers": (
        lambda: (PLAIN, REFERENCE, {"exclude_regions": "6:a-b"}),
        "exclude_regions: '6:a-b'",
    ),
    "region backwards": (
        lambda: (PLAIN, REFERENCE, {"exclude_regions": ["6:9-5"]}),
        "ends before it starts",
    ),
    "everything excluded": (
        lambda: (PLAIN, REFERENCE, {"exclude_regions": ["21:1-90000000", "22:1-90000000"]}),
        "no variant is left",
    ),
    "no such exponent": (
        lambda: (PLAIN, REFERENCE, {"maf_s": 0.5}),
        "maf_s: 0.5, but the reference holds 0",
    ),
    "pruning below the store's cut-off": (
        lambda: (PLAIN, REFERENCE, {"prune_r2": 0.05}),
        "holds neighbours from r.2 = 0.1 only",
    ),
    "no rounds of pruning": (
        lambda: (PLAIN, REFERENCE, {"prune_iterations": 0}),
        "prune_iterations: 0",
    ),
    "reference is no tree": (
        lambda: (PLAIN, PLAIN, {}),
        "reference: Dataset, expected an LD reference",
    ),
    "empty reference": (lambda: (PLAIN, xr.DataTree(), {}), "no chromosome in it"),
    "blocks nowhere": (
        lambda: (PLAIN, REFERENCE, {"blocks": "nowhere.bed"}),
        "nowhere.bed: no such file",
    ),
    "traits without a common variant": (
        lambda: (
            {"a": PLAIN.isel(variant=slice(0, 200)), "b": PLAIN.isel(variant=slice(300, 500))},
            REFERENCE,
            {},
        ),
        "left in every trait .*Give files of the same chromosomes",
    ),
    "damaged neighbour lists": (
        lambda: (PLAIN, _damaged("neighbour_indptr"), {}),
        "neighbour lists do not fit",
    ),
    "reference out of order": (
        lambda: (PLAIN, _damaged("pos"), {}),
        "chromosome 21 are not in order",
    ),
    "reference without totals": (
        lambda: (PLAIN, _damaged("h_total"), {}),
        "no variable 'h_total'",
    ),
}


def _damaged(part):
    reference = panel()
    if part == "h_total":
        del reference["21"].attrs["h_total"]
    else:
        reference["21"][part] = reference["21"][part][::-1]
    return reference


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_one_line_that_names_the_cause(case):
    make, words = BAD[case]
    gwas, reference, options = make()
    with pytest.raises(InputError, match=words) as error:
        align(gwas, reference, **options)
    assert "\n" not in str(error.value)


def test_arrays_make_valid_gwas_data_with_the_stated_defaults():
    rng = np.random.default_rng(0)
    h, spectrum = rng.uniform(0.01, 0.5, 450), rng.random((450, 5)).astype(np.float32)
    data = gwas_data_from_arrays(
        rng.standard_normal(450), 1e4, spectrum, np.linspace(0.5, 0, 5), h, trait="height"
    )
    assert data.attrs["h_total"] == pytest.approx([h.sum()])
    assert data.attrs["n_reference"] == 450
    assert np.allclose(data["ld_score_h"][0], spectrum.sum(1))
    assert np.allclose(2 * data["freq"] * (1 - data["freq"]), h)
    assert np.bincount(data["ld_block"]).tolist() == [200, 200, 50]
    assert float((data["h_bin_value"] * data["h_bin_count"]).sum()) == pytest.approx(h.sum())
    everyone = gwas_data_from_arrays(
        np.zeros((450, 2)),
        [1e4, 2e4],
        spectrum,
        np.linspace(0.5, 0, 5),
        h,
        reference_heterozygosity=np.append(h, [0.5, 0]),
    )
    assert everyone.attrs["n_reference"] == 451
    assert everyone["n"].values[7].tolist() == [1e4, 2e4]
    assert align(PLAIN, REFERENCE).data_vars.keys() == data.data_vars.keys()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"z": np.zeros(9)}, "z: shape"),
        ({"z": np.full(10, np.nan)}, "z: 10 value"),
        ({"n": 0.0}, "n: smallest value 0"),
        ({"n": np.ones(3)}, "n: shape"),
        ({"heterozygosity": np.zeros(10)}, "monomorphic"),
        ({"node_x": np.ones(4)}, "node_x: shape"),
        ({"weight": -np.ones(10)}, "weight: 10 negative"),
        ({"ld_block": [0, 1] * 5}, "ld_block: label 0 comes back"),
        ({"pos": np.arange(10)[::-1]}, "pos: position falls at variant 2"),
        ({"spectrum": np.ones((2, 10, 3))}, "spectrum: shape"),
        ({"trait": ["a", "b"]}, "trait: names"),
        ({"h_total": [1.0, 2.0]}, "h_total"),
        ({"z": ["x"] * 10}, "z: not numbers"),
    ],
)
def test_arrays_that_do_not_fit_are_errors(change, words):
    given_ = {
        "z": np.zeros(10),
        "n": 1e4,
        "spectrum": np.ones((10, 3)),
        "node_x": [0.5, 0.1, 0],
        "heterozygosity": np.full(10, 0.3),
    }
    with pytest.raises(InputError, match=words):
        gwas_data_from_arrays(**{**given_, **change})


def test_labels_are_renumbered_in_the_order_in_which_they_come():
    assert contiguous_labels([7, 7, 2, 2, 2, 9]).tolist() == [0, 0, 1, 1, 1, 2]
    with pytest.raises(InputError, match="comes back"):
        contiguous_labels([1, 2, 1])


@pytest.mark.slow
def test_uk_biobank_height_on_a_real_panel_is_what_a_join_by_hand_gives(
    shared, panel_343, tmp_path
):
    reference = build_reference(
        panel_343 / "1000g_eur_hm3.chr22",
        tmp_path / "chr22.zarr",
        window="eur_hg19",
        r2_rule="plain",
        workers=1,
    )
    source = shared / "data/sumstats/real/ukb_height_chr22.fastGWA.gz"
    data = align(read_sumstats(source), tmp_path / "chr22.zarr")
    raw = pd.read_csv(source, sep="\t").drop_duplicates("SNP")
    bim = pd.read_csv(
        panel_343 / "1000g_eur_hm3.chr22.bim",
        sep="\t",
        header=None,
        names=["chrom", "snp", "cm", "pos", "b1", "b2"],
    )
    joined = bim.merge(raw, left_on="snp", right_on="SNP")
    joined = joined[[OTHER[a] != b for a, b in zip(joined["A1"], joined["A2"], strict=True)]]
    sign = np.where(joined["A1"] == joined["b1"], 1, np.where(joined["A1"] == joined["b2"], -1, 0))
    assert len(joined) == 14_883  # as the data's README counts them
    assert (sign != 0).all()
    assert data["snp"].values.tolist() == joined["snp"].tolist()
    assert np.allclose(data["z"].values[:, 0], sign * joined["BETA"] / joined["SE"])
    assert np.array_equal(data["n"].values[:, 0], joined["N"])
    assert overlap(data)["traits"][0]["frequency_correlation"] > 0.98
    assert overlap(data)["ld_blocks"] == 24
    assert overlap(data)["one_chromosome"]
    assert data.attrs["h_total"] == reference["22"].attrs["h_total"]
    # no two variants that are kept in every round are neighbours
    always = np.flatnonzero(
        np.isin(reference["22"]["snp"].values, data["snp"].values[data["weight"].values == 1])
    )
    indptr = reference["22"]["neighbour_indptr"].values
    index = reference["22"]["neighbour_index"].values
    assert len(always) > 100
    assert not any(np.isin(index[indptr[i] : indptr[i + 1]], always).any() for i in always)


def test_an_identifier_of_several_names_matches_by_any_of_them():
    names = PLAIN["snp"].values.copy()
    plain = align(PLAIN, REFERENCE, by="id")
    for make in (lambda s: f"rs1,{s}", lambda s: f"{s};rs1", lambda s: f"{s}|esv7"):
        odd = PLAIN.assign(
            snp=("variant", np.where(np.arange(500) % 3 == 0, [make(s) for s in names], names))
        )
        same_data(align(odd, REFERENCE, by="id"), plain)
    there = changed(
        REFERENCE, "21", snp=np.array([f"rs7;{s}" for s in REFERENCE["21"]["snp"].values], object)
    )
    assert np.array_equal(align(PLAIN, there, by="id")["z"].values, plain["z"].values)


def test_alleles_behind_an_rs_number_do_no_harm():
    numbers = np.array([f"rs{i + 1}" for i in range(500)], object)
    reference = changed(changed(REFERENCE, "21", snp=numbers[:300]), "22", snp=numbers[300:])
    plain = align(PLAIN.assign(snp=("variant", numbers)), reference, by="id")
    longer = np.array(
        [
            f"{s}:{a}:{b}"
            for s, a, b in zip(numbers, PLAIN["a2"].values, PLAIN["a1"].values, strict=True)
        ],
        object,
    )
    same_data(align(PLAIN.assign(snp=("variant", longer)), reference, by="id"), plain)


@pytest.mark.parametrize("other", ["X", "22"])
def test_identifiers_on_another_chromosome_than_in_the_reference_are_warned_of(other):
    moved = PLAIN.assign(
        chrom=("variant", np.where(np.arange(500) < 20, other, PLAIN["chrom"].values))
    )
    with pytest.warns(
        DataWarning,
        match=(
            rf"20 of \d+ variants matched by identifier lie on another chromosome .*{other} here "
            rf"and 21 there"
        ),
    ):
        aligned = align(moved, REFERENCE, by="id")
    assert overlap(aligned)["traits"][0]["chromosomes_differ"] > 0
    with warnings.catch_warnings():
        warnings.simplefilter("error", DataWarning)
        align(PLAIN, REFERENCE, by="id")
        align(
            PLAIN.assign(
                chrom=("variant", np.full(500, "", object)),
                pos=("variant", np.zeros(500, np.int64)),
            ),
            REFERENCE,
            by="id",
        )


def test_alleles_taken_the_wrong_way_round_are_seen_after_munge_since_it_keeps_the_frequency(
    tmp_path,
):
    # A2 is the effect allele, and FRQ its frequency, as MungeSumstats writes them
    v = {name: PLAIN[name].values for name in ("snp", "a1", "a2", "z", "eaf")}
    table = pd.DataFrame(
        {
            "SNP": v["snp"],
            "A1": v["a2"],
            "A2": v["a1"],
            "FRQ": v["eaf"],
            "BETA": v["z"] / 100,
            "SE": 0.01,
            "N": 50_000,
        }
    )
    table.to_csv(tmp_path / "a.tsv", sep="\t", index=False)
    munge(tmp_path / "a.tsv", tmp_path / "b.sumstats.gz", keep_ambiguous=True)
    with pytest.warns(DataWarning, match="a1 is probably not the effect allele"):
        align(read_sumstats(tmp_path / "b.sumstats.gz"), REFERENCE)
    munge(tmp_path / "a.tsv", tmp_path / "c.sumstats.gz", a1="A2")
    right = align(read_sumstats(tmp_path / "c.sumstats.gz"), REFERENCE)
    assert overlap(right)["traits"][0]["frequency_correlation"] > 0.9
