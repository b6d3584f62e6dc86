"""The LD reference against brute force on a small panel."""

from __future__ import annotations

import filecmp
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import bayesmixer as bm
from bayesmixer.errors import DataWarning
from bayesmixer.io import stores
from bayesmixer.ld.ldsc_files import write_ldsc_scores
from bayesmixer.ld.spectrum import cardinal, nodes
from bayesmixer.variables import REFERENCE, validate
from tests.ld.small_panel import make_panel, unbiased, write_bed, write_pgen

N = 83


@pytest.fixture(scope="module")
def panel():
    return make_panel()


@pytest.fixture(scope="module")
def bed(panel, tmp_path_factory):
    return write_bed(panel, tmp_path_factory.mktemp("small") / "chr21")


@pytest.fixture(scope="module")
def blocks(panel):
    edges = [
        0,
        *(int(panel.bim.pos.iloc[i]) for i in (70, 71, 220, 330)),
        int(panel.bim.pos.iloc[-1]),
    ]
    return pd.DataFrame({"chrom": "21", "start": edges[:-1], "stop": edges[1:]})


def within(panel, window, blocks):
    """(variant, variant) whether each pair is in the window, by its definition."""
    keep = panel.polymorphic
    b = panel.bim[keep]
    if window == "blocks":
        label = np.array(
            [
                next(
                    i
                    for i, (s, e) in enumerate(zip(blocks.start, blocks.stop, strict=True))
                    if s < p <= e
                )
                for p in b.pos
            ]
        )
        return label[:, None] == label
    value, what = {
        "0.4cM": (0.4, b.cm.to_numpy()),
        "150kb": (150_000, b.pos.to_numpy()),
        "30variants": (30, np.arange(len(b))),
    }[window]
    return np.abs(what[:, None] - what) <= value + 1e-9


def brute(panel, near, maf_s=0.0, rule="plain"):
    """r^2, LD score, strengths (variant, partner) and H of the polymorphic variants."""
    keep = panel.polymorphic
    r2 = panel.r()[np.ix_(keep, keep)] ** 2
    n = panel.shared()[np.ix_(keep, keep)]
    h = panel.h()[keep]
    ld = (unbiased(r2, n) * near).sum(1)
    x = h ** (1 + maf_s) * (unbiased(r2, n) if rule == "unbiased" else r2) * near
    return r2, ld, x, h


@pytest.mark.parametrize("window", ["0.4cM", "150kb", "30variants", "blocks"])
def test_plain_ld_scores_spectra_and_neighbours_equal_brute_force_in_every_window(
    panel, bed, blocks, tmp_path, window
):
    maf_s = (0.0, -0.25, 0.5)
    chosen = blocks if window == "blocks" else window
    ref = bm.build_reference(bed, tmp_path / "r.zarr", window=chosen, r2_rule="plain", maf_s=maf_s)[
        "21"
    ].to_dataset()
    near = within(panel, window, blocks)
    keep = panel.polymorphic
    r2, ld, _, h = brute(panel, near)
    np.testing.assert_array_equal(ref.snp, panel.bim.snp[keep])
    np.testing.assert_allclose(ref.freq, np.nanmean(panel.g, 0)[keep] / 2, rtol=1e-12)
    np.testing.assert_allclose(ref.heterozygosity, h, rtol=1e-12)
    np.testing.assert_allclose(ref.ld_score, ld, rtol=2e-5)
    for i, s in enumerate(maf_s):
        x = brute(panel, near, s)[2]
        expected = np.stack(
            [np.where(near[j], x[j], 0) @ cardinal(x[j], 24, 0.5**0.75) for j in range(len(x))]
        )
        np.testing.assert_allclose(ref.spectrum[i], expected, atol=3e-5)
        np.testing.assert_allclose(ref.ld_score_h[i], x.sum(1), rtol=1e-5)
        assert ref.attrs["h_total"][i] == pytest.approx((h ** (1 + s)).sum())
    np.testing.assert_allclose(ref.node_x, nodes(24, 0.5**0.75))
    assert (ref.ld_below == 0).all()
    dense = np.zeros_like(r2)
    for j in range(len(h)):
        at = slice(int(ref.neighbour_indptr[j]), int(ref.neighbour_indptr[j + 1]))
        columns = ref.neighbour_index[at].to_numpy()
        assert (np.diff(columns) > 0).all()
        dense[j, columns] = ref.neighbour_r2[at]
    close = near & (r2 >= 0.1) & ~np.eye(len(h), dtype=bool)
    sure = np.abs(r2 - 0.1) > 1e-5
    assert (((dense > 0) == close) | ~sure).all()
    np.testing.assert_allclose(dense[close & sure], r2[close & sure], atol=2e-6)


@pytest.mark.parametrize("cutoff", [None, 0.05, 0.1, 0.2])
def test_unbiased_r2_keeps_the_corrected_sum_of_weak_pairs_as_one_deposit(
    panel, bed, tmp_path, cutoff
):
    ref = bm.build_reference(bed, tmp_path / "r.zarr", window="150kb", r2_cutoff=cutoff)[
        "21"
    ].to_dataset()
    near = within(panel, "150kb", None)
    r2, ld, x, h = brute(panel, near, rule="unbiased")
    cut = 1 / (N - 1) if cutoff is None else cutoff
    itself = np.eye(len(h), dtype=bool)
    weak = near & ((r2 < cut) | (x < 0))
    below, strong = np.where(weak, x, 0).sum(1), np.where(near & ~weak & ~itself, x, 0)
    np.testing.assert_allclose(ref.ld_score, ld, rtol=2e-5)
    np.testing.assert_allclose(
        ref.ld_score_h[0], h + np.maximum(strong.sum(1) + below, 0), rtol=1e-4, atol=1e-6
    )
    np.testing.assert_allclose(ref.ld_below[0], np.maximum(below, 0), atol=1e-5)
    # the place of the deposit: second moment corrected for the noise of r^2, pooled
    u = x / h
    n = panel.shared()[np.ix_(panel.polymorphic, panel.polymorphic)]
    second = np.where(weak, h**2 * (u**2 - 4 * u / n - 2 / n**2), 0).sum()
    place = np.clip(second / below.sum(), 0, cut / 2) if below.sum() > 0 else 0.0
    assert ref.attrs["x_below"][0] == pytest.approx(place, rel=1e-3, abs=1e-9)
    # a negative remainder is taken off the strong partners in proportion
    share = np.where(
        below < 0, np.maximum(strong.sum(1) + below, 0) / np.maximum(strong.sum(1), 1e-9), 1.0
    )
    assert (share < 1).any() if cutoff is None else (below > 0).any()
    expected = np.stack(
        [share[j] * strong[j] @ cardinal(np.maximum(strong[j], 0)) for j in range(len(h))]
    )
    expected += np.maximum(below, 0)[:, None] * cardinal([place]) + h[:, None] * cardinal(h)
    np.testing.assert_allclose(ref.spectrum[0], expected, atol=5e-5)


def test_plain_r2_below_a_cut_off_is_kept_where_its_own_second_moment_says(panel, bed, tmp_path):
    ref = bm.build_reference(
        bed, tmp_path / "r.zarr", window="150kb", r2_rule="plain", r2_cutoff=0.1
    )["21"].to_dataset()
    r2, _, x, h = brute(panel, within(panel, "150kb", None))
    weak = r2 < 0.1
    below = np.where(weak, x, 0)
    place = (below**2).sum(1) / below.sum(1)
    expected = np.stack(
        [
            np.where(weak[j], 0, x[j]) @ cardinal(x[j])
            + below[j].sum() * cardinal(place[j : j + 1])[0]
            for j in range(len(h))
        ]
    )
    np.testing.assert_allclose(ref.spectrum[0], expected, atol=3e-5)
    np.testing.assert_allclose(ref.ld_score_h[0], x.sum(1), rtol=1e-5)
    np.testing.assert_allclose(ref.ld_below[0], below.sum(1), rtol=1e-4, atol=1e-6)


def test_the_unbiased_rule_gives_the_population_ld_score_on_average():
    """Panels of 60 drawn from a population of known LD: plain LD scores are too large, unbiased
    ones are not.
    """
    from bayesmixer.ld.scores import Rule, chromosome_ld, lookup

    rng = np.random.default_rng(5)
    big = make_panel(seed=5, samples=6000, variants=120, missing=0.0, constant=0)
    h = big.h()
    true = (h * big.r() ** 2).sum(1).mean()
    means: dict = {("plain", 0.0): [], ("unbiased", 1 / 59): [], ("unbiased", 8 / 60): []}
    lo, hi = np.zeros(120, np.int64), np.full(120, 120)

    class Draw:
        n_samples = 60
        variants = big.bim

        def __init__(self):
            self.g = np.ascontiguousarray(
                big.g[rng.choice(6000, 60, replace=False)].T.astype(np.int8)
            )

        def read(self, a, b):
            return self.g[a:b]

    for _ in range(30):
        draw = Draw()
        counts = np.stack([(draw.g == v).sum(1) for v in range(3)] + [np.zeros(120, int)], axis=1)
        value = lookup(counts)[2]
        for rule in means:
            ld = chromosome_ld(
                draw,
                np.arange(120),
                value,
                h,
                np.ones(120, bool),
                lo,
                hi,
                Rule(24, (0.0,), *rule),
                lambda _: None,
            )
            means[rule].append(ld.ld_score_h.mean())
    plain, *corrected = means.values()
    for found in corrected:
        error = np.std(found, ddof=1) / np.sqrt(30)
        assert abs(np.mean(found) - true) < 4 * error + 0.01 * true
    assert np.mean(plain) > 1.05 * true


def test_tags_get_the_rows_that_they_have_in_the_full_reference(panel, bed, tmp_path):
    tags = panel.bim.snp[panel.polymorphic].sample(90, random_state=1)
    by_place = [f"21:{p}" for p in panel.bim.pos[panel.bim.snp.isin(tags[:30])]]
    file = tmp_path / "tags.txt"
    file.write_text("SNP A1 A2\n" + "".join(f"{t} A G\n" for t in [*tags[30:], *by_place]))
    for rule in ("plain", "unbiased"):
        full = bm.build_reference(
            bed, tmp_path / f"full_{rule}.zarr", window="100kb", r2_rule=rule, r2_cutoff=0.2
        )["21"].to_dataset()
        some = bm.build_reference(
            bed,
            tmp_path / f"some_{rule}.zarr",
            window="100kb",
            r2_rule=rule,
            r2_cutoff=0.2,
            tags=file,
        )["21"].to_dataset()
        rows = np.flatnonzero(full.snp.isin(list(tags)))
        np.testing.assert_array_equal(some.snp, full.snp[rows])
        np.testing.assert_allclose(some.ld_score, full.ld_score[rows], rtol=1e-5)
        np.testing.assert_allclose(some.ld_below, full.ld_below[:, rows], atol=1e-5)
        assert some.attrs["h_total"] == full.attrs["h_total"]
        assert some.attrs["n_reference"] == full.sizes["variant"]
        if rule == "plain":
            np.testing.assert_allclose(some.spectrum, full.spectrum[:, rows], atol=1e-5)
        for a, b in enumerate(rows):
            have = some.neighbour_index[
                int(some.neighbour_indptr[a]) : int(some.neighbour_indptr[a + 1])
            ].to_numpy()
            want = full.neighbour_index[
                int(full.neighbour_indptr[b]) : int(full.neighbour_indptr[b + 1])
            ].to_numpy()
            np.testing.assert_array_equal(rows[have], want[np.isin(want, rows)])


def test_monomorphic_and_rare_variants_are_dropped_and_counted(panel, bed, tmp_path):
    f = np.nanmean(panel.g, 0) / 2
    maf = np.minimum(f, 1 - f)
    ref = bm.build_reference(bed, tmp_path / "r.zarr", window="100kb", min_maf=0.1)[
        "21"
    ].to_dataset()
    assert ref.attrs["monomorphic"] == 3
    np.testing.assert_array_equal(ref.snp, panel.bim.snp[maf >= 0.1])
    assert ref.attrs["maf_filtered"] == int(((maf < 0.1) & panel.polymorphic).sum())
    assert ref.attrs["m_5_50"] == int((maf >= 0.1).sum())
    assert ref.attrs["missing_rate"] == pytest.approx(np.isnan(panel.g).mean())
    assert int(ref.h_bin_count.sum()) == ref.sizes["variant"]
    assert float((ref.h_bin_value * ref.h_bin_count).sum()) == pytest.approx(
        ref.attrs["h_total"][0]
    )


def test_a_variant_that_is_heterozygous_in_everyone_is_dropped_as_ldsc_does(tmp_path):
    panel = make_panel(seed=9, variants=60, constant=0, missing=0.0)
    panel.g[:, 7] = 1.0
    ref = bm.build_reference(write_bed(panel, tmp_path / "p"), tmp_path / "r.zarr", window="100kb")[
        "21"
    ]
    assert panel.bim.snp[7] not in ref["snp"].to_numpy()
    assert ref.attrs["monomorphic"] == 1


def test_kept_samples_give_the_reference_of_a_panel_of_these_samples(panel, bed, tmp_path):
    some = np.random.default_rng(3).permutation(N)[:60]
    file = tmp_path / "keep.txt"
    file.write_text("".join(f"0 i{i}\n" for i in some))
    small = type(panel)(panel.g[np.sort(some)], panel.bim)
    a = bm.build_reference(bed, tmp_path / "a.zarr", window="100kb", keep=file)["21"].to_dataset()
    b = bm.build_reference(
        write_bed(small, tmp_path / "small"), tmp_path / "b.zarr", window="100kb"
    )["21"].to_dataset()
    np.testing.assert_array_equal(a.ld_score, b.ld_score)
    np.testing.assert_array_equal(a.spectrum, b.spectrum)


def same_files(a: Path, b: Path) -> bool:
    names = sorted(p.relative_to(a) for p in a.rglob("*") if p.is_file())
    assert names
    return names == sorted(p.relative_to(b) for p in b.rglob("*") if p.is_file()) and all(
        filecmp.cmp(a / n, b / n, shallow=False) for n in names
    )


def test_bed_and_pgen_of_the_same_genotypes_give_identical_references(panel, bed, tmp_path):
    pgen = write_pgen(panel, tmp_path / "p")
    a = bm.build_reference(bed, tmp_path / "a.zarr", window="0.3cM")["21"].to_dataset()
    b = bm.build_reference(pgen, tmp_path / "b.zarr", window="0.3cM")["21"].to_dataset()
    for name in a.variables:
        np.testing.assert_array_equal(a[name], b[name], err_msg=str(name))


def test_a_killed_build_taken_up_again_has_the_bytes_of_one_that_never_stopped(tmp_path):
    for c in range(18, 23):
        write_bed(make_panel(seed=c, variants=300 + c, chrom=str(c)), tmp_path / f"p{c}")
    pattern = str(tmp_path / "p{chrom}")
    whole = tmp_path / "whole.zarr"
    bm.build_reference(pattern, whole, window="100kb", workers=2)
    killed = tmp_path / "killed.zarr"
    # the writing of each group is slowed so that the kill falls between the first and the last
    program = (
        "import time, bayesmixer as bm\nfrom bayesmixer.io import stores\nw = stores.write_group\n"
        "def slow(path, name, ds):\n    w(path, name, ds)\n    time.sleep(60 if "
        "len(stores.group_names(path)) >= 2 else 0)\n"
        f"stores.write_group = slow\nbm.build_reference({pattern!r}, {str(killed)!r}, "
        "window='100kb', workers=1)"
    )
    run = subprocess.Popen([sys.executable, "-c", program])
    limit = time.monotonic() + 60
    while (not killed.is_dir() or len(stores.group_names(killed)) < 2) and time.monotonic() < limit:
        time.sleep(0.05)
    run.kill()
    run.wait()
    assert 2 <= len(stores.group_names(killed)) < 5
    with pytest.raises(bm.InputError, match="not finished"):
        bm.open_reference(killed)
    (killed / ".partial-21").mkdir()
    first = {
        name: (killed / name / "zarr.json").stat().st_mtime_ns
        for name in stores.group_names(killed)
    }
    bm.build_reference(pattern, killed, window="100kb")
    assert same_files(whole, killed)
    assert all((killed / name / "zarr.json").stat().st_mtime_ns == t for name, t in first.items())


def test_a_chromosome_whose_genotypes_changed_is_built_again_and_the_others_are_kept(tmp_path):
    for c in (21, 22):
        write_bed(make_panel(seed=c, chrom=str(c)), tmp_path / f"p{c}")
    out = tmp_path / "r.zarr"
    bm.build_reference(tmp_path / "p@", out, window="100kb")
    before = {c: (out / c / "zarr.json").stat().st_mtime_ns for c in ("21", "22")}
    write_bed(make_panel(seed=99, chrom="22"), tmp_path / "p22")
    ref = bm.build_reference(tmp_path / "p@", out, window="100kb")
    assert (out / "21/zarr.json").stat().st_mtime_ns == before["21"]
    assert (out / "22/zarr.json").stat().st_mtime_ns > before["22"]
    bm.build_reference(tmp_path / "p@", tmp_path / "new.zarr", window="100kb")
    assert same_files(out, tmp_path / "new.zarr")
    assert list(ref.children) == ["21", "22"]


def test_an_interrupted_build_stops_and_leaves_whole_chromosomes_only(tmp_path, monkeypatch):
    from bayesmixer.ld import reference

    for c in (20, 21, 22):
        write_bed(make_panel(seed=c, chrom=str(c), variants=100 + c), tmp_path / f"p{c}")
    real, calls = reference.chromosome_ld, []

    def interrupted(*args, **kwargs):
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return real(*args, **kwargs)

    monkeypatch.setattr(reference, "chromosome_ld", interrupted)
    with pytest.raises(KeyboardInterrupt):
        bm.build_reference(tmp_path / "p@", tmp_path / "r.zarr", window="100kb", workers=1)
    assert set(stores.group_names(tmp_path / "r.zarr")) <= {"20", "21", "22"}
    assert len(stores.group_names(tmp_path / "r.zarr")) < 3
    assert not list((tmp_path / "r.zarr").glob(".partial-*"))


def test_an_earlier_reference_stays_until_the_one_that_replaces_it_is_complete(
    tmp_path, monkeypatch
):
    from bayesmixer.ld import reference

    for c in (20, 21, 22):
        write_bed(make_panel(seed=c, chrom=str(c), variants=100 + c), tmp_path / f"p{c}")
    out, beside, real = tmp_path / "r.zarr", tmp_path / "r.zarr.partial", reference.chromosome_ld
    bm.build_reference(tmp_path / "p@", out, window="100kb", k=8)
    shutil.copytree(out, tmp_path / "earlier.zarr")
    (out / "notes.txt").write_text("mine")
    calls = []

    def interrupted(*args, **kwargs):
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return real(*args, **kwargs)

    monkeypatch.setattr(reference, "chromosome_ld", interrupted)
    with pytest.raises(KeyboardInterrupt):
        bm.build_reference(tmp_path / "p@", out, window="50kb", k=8, workers=1, resume=False)
    assert (out / "notes.txt").read_text() == "mine"
    assert all(
        (out / p.relative_to(tmp_path / "earlier.zarr")).read_bytes() == p.read_bytes()
        for p in (tmp_path / "earlier.zarr").rglob("*.json")
    )
    done = len(stores.group_names(beside))
    assert done >= 1
    calls[:] = [1, 1, 1]
    bm.build_reference(tmp_path / "p@", out, window="50kb", k=8, workers=1, resume=False)
    assert len(calls) == 3 + 3 - done  # the finished chromosomes were kept
    assert not beside.exists()
    assert (out / "notes.txt").read_text() == "mine"
    (out / "notes.txt").unlink()
    bm.build_reference(tmp_path / "p@", tmp_path / "new.zarr", window="50kb", k=8)
    assert same_files(out, tmp_path / "new.zarr")


def test_a_part_of_a_replacement_with_other_arguments_is_not_kept(tmp_path):
    bed = write_bed(make_panel(seed=5, chrom="5", variants=80), tmp_path / "p5")
    for name, window in (("r.zarr", "100kb"), ("r.zarr.partial", "20kb"), ("new.zarr", "50kb")):
        bm.build_reference(bed, tmp_path / name, window=window, k=8)
    bm.build_reference(bed, tmp_path / "r.zarr", window="50kb", k=8, resume=False)
    assert same_files(tmp_path / "r.zarr", tmp_path / "new.zarr")


def test_one_file_of_several_chromosomes_equals_one_file_each(tmp_path):
    panels = [make_panel(seed=c, chrom=str(c), variants=200) for c in (5, 12)]
    both = type(panels[0])(
        np.hstack([p.g for p in panels]), pd.concat([p.bim for p in panels], ignore_index=True)
    )
    for p, c in zip(panels, (5, 12), strict=True):
        write_bed(p, tmp_path / f"chr{c}")
    a = bm.build_reference(write_bed(both, tmp_path / "both"), tmp_path / "a.zarr", window="100kb")
    b = bm.build_reference(
        [tmp_path / "chr5.bed", tmp_path / "chr12"], tmp_path / "b.zarr", window="100kb"
    )
    assert list(a.children) == list(b.children) == ["5", "12"]
    for c in a.children:
        for name in a[c].variables:
            np.testing.assert_array_equal(a[c][name], b[c][name])


def test_a_reference_holds_what_the_registry_says_and_opens_lazily(bed, tmp_path):
    ref = bm.build_reference(bed, tmp_path / "r.zarr", window="100kb")
    ds = validate(ref["21"].to_dataset(), "reference")
    of_annotations = {"annotation_ld_score", "m", "m_5_50"}
    assert set(REFERENCE) - of_annotations == set(ds.variables)
    assert ref.attrs["kind"] == "reference"
    assert {
        "samples",
        "window",
        "window_unit",
        "r2_rule",
        "r2_cutoff",
        "sources",
        "version",
    } <= set(ref.attrs)
    assert not ds["spectrum"].variable._in_memory
    np.testing.assert_allclose(ds.spectrum.sum("node"), ds.ld_score_h, rtol=2e-6)


def test_ldsc_files_hold_the_scores_to_three_decimals(bed, tmp_path):
    ref = bm.build_reference(bed, tmp_path / "r.zarr", window="100kb")
    write_ldsc_scores(ref, tmp_path / "ldsc", prefix="x.")
    table = pd.read_csv(tmp_path / "ldsc/x.21.l2.ldscore.gz", sep="\t")
    assert list(table) == ["CHR", "SNP", "BP", "L2"]
    np.testing.assert_allclose(table.L2, ref["21"].ld_score, atol=5.1e-4)
    assert (tmp_path / "ldsc/x.21.l2.M").read_text() == f"{ref['21'].sizes['variant']}\n"
    assert int((tmp_path / "ldsc/x.21.l2.M_5_50").read_text()) == ref["21"].attrs["m_5_50"]


def test_few_samples_and_repeated_ids_are_warned_of(tmp_path):
    with pytest.warns(DataWarning, match="30 samples"):
        bm.build_reference(
            write_bed(make_panel(samples=30, variants=80), tmp_path / "few"),
            tmp_path / "a.zarr",
            window="100kb",
        )
    panel = make_panel(variants=80)
    panel.bim.loc[10, "snp"] = panel.bim.snp[9]
    with pytest.warns(DataWarning, match="repeat an id"):
        bm.build_reference(
            write_bed(panel, tmp_path / "twice"), tmp_path / "b.zarr", window="100kb"
        )


def test_command_line_builds_and_writes_scores(bed, tmp_path):
    from typer.testing import CliRunner

    from bayesmixer.cli.ld import app

    out = tmp_path / "r.zarr"
    words = ["--window", "100kb", "--maf-s", "0", "--maf-s", "-0.5", "--chromosomes", "21"]
    result = CliRunner().invoke(app, ["build", str(bed), "--out", str(out), *words])
    assert result.exit_code == 0, result.output
    assert "397 variants" in result.output
    np.testing.assert_array_equal(bm.open_reference(out)["21"]["maf_s"], [0.0, -0.5])
    assert CliRunner().invoke(app, ["scores", str(out), "-o", str(tmp_path / "s")]).exit_code == 0
    assert (tmp_path / "s/21.l2.ldscore.gz").is_file()


@pytest.mark.filterwarnings("ignore:.*genotypes are missing")
@pytest.mark.parametrize("share", [0.05, 0.2])
@pytest.mark.parametrize("rule", ["plain", "unbiased"])
def test_missing_genotypes_leave_ld_scores_what_they_are_on_average(tmp_path, share, rule):
    """With the mean in place of what is missing, r^2 was too small by the square of the call rate:
    36% at a fifth missing.
    """
    whole = make_panel(seed=3, samples=400, variants=200, missing=0.0, constant=0)
    holes = make_panel(seed=3, samples=400, variants=200, missing=0.0, constant=0)
    gone = np.random.default_rng(0).random(holes.g.shape) < share
    gone[:, :100] &= np.random.default_rng(1).random(100) < 0.5  # some variants without
    holes.g[gone] = np.nan
    made = {}
    for name, panel in (("whole", whole), ("holes", holes)):
        path = bm.build_reference(
            write_bed(panel, tmp_path / name),
            tmp_path / f"{name}.zarr",
            window="150kb",
            r2_rule=rule,
            progress=False,
        )
        made[name] = path["21"].to_dataset()
    score = {name: float(ds["ld_score"].mean()) for name, ds in made.items()}
    assert score["holes"] == pytest.approx(score["whole"], rel=0.01)
    score_h = {name: float(ds["ld_score_h"].mean()) for name, ds in made.items()}
    assert score_h["holes"] == pytest.approx(
        score_h["whole"], rel=0.01 if rule == "unbiased" else 0.04
    )


def test_missing_genotypes_are_said_and_variants_hardly_called_are_dropped_and_counted(tmp_path):
    panel = make_panel(seed=3, variants=60, missing=0.1, constant=0)
    panel.g[:50, 7] = np.nan
    with pytest.warns(
        DataWarning,
        match=r"1[01].\d% of the panel's genotypes are missing; 1 variants with fewer than 50%",
    ):
        ref = bm.build_reference(
            write_bed(panel, tmp_path / "p"), tmp_path / "r.zarr", window="100kb"
        )["21"]
    assert ref.attrs["low_call_rate"] == 1
    np.testing.assert_array_equal(ref["snp"], panel.bim.snp.drop(7))
