"""Genotype readers: what they read, and the one line they answer to files that cannot be used."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import bayesmixer as bm
from bayesmixer.errors import InputError
from bayesmixer.io.genotypes import open_panels
from bayesmixer.io.variant_tables import read_bim
from tests.ld.small_panel import make_panel, write_bed, write_pgen


@pytest.fixture(scope="module")
def panel():
    return make_panel(samples=61, variants=50, constant=0)


@pytest.fixture(scope="module")
def origin(panel, tmp_path_factory):
    folder = tmp_path_factory.mktemp("origin")
    write_bed(panel, folder / "p")
    write_pgen(panel, folder / "q")
    return folder


@pytest.fixture
def folder(origin, tmp_path):
    """A copy to spoil."""
    shutil.copytree(origin, tmp_path / "f")
    return tmp_path / "f"


@pytest.mark.parametrize("name", ["p", "p.bed", "p.bim", "q", "q.pgen"])
def test_genotypes_are_read_as_they_were_written(panel, origin, name):
    (p,) = open_panels(origin / name)
    assert (p.chrom, p.n_samples, len(p.variants)) == ("21", 61, 50)
    expected = np.where(np.isnan(panel.g), -1, panel.g).T
    for a, b in ((0, 50), (13, 20)):
        got = p.read(a, b)
        np.testing.assert_array_equal(np.where(got < 0, -1, got), expected[a:b])
    assert list(p.variants["a1"]) == list(panel.bim["a1"])
    assert list(p.variants["snp"]) == list(panel.bim["snp"])
    np.testing.assert_allclose(p.variants["cm"], panel.bim["cm"])
    p.close()


@pytest.mark.parametrize("name", ["p", "q"])
def test_kept_samples_are_read_in_file_order(panel, origin, name):
    (p,) = open_panels(origin / name, keep=["i40", "i7", "i8", "absent"])
    np.testing.assert_array_equal(
        np.maximum(p.read(0, 50), -1),
        np.where(np.isnan(panel.g), -1, panel.g)[[7, 8, 40]].T.clip(-1),
    )


def test_patterns_lists_and_chromosome_names(panel, tmp_path):
    for c in ("9", "10", "21", "X"):
        write_bed(type(panel)(panel.g, panel.bim.assign(chrom="chr" + c)), tmp_path / f"a.chr{c}")
    (tmp_path / "a.chr_notes.bed").write_text("not genotypes")
    for pattern in ("a.chr{chrom}", "a.chr@", "a.chr@.bed"):
        assert [p.chrom for p in open_panels(tmp_path / pattern)] == ["9", "10", "21"]
    assert [p.chrom for p in open_panels(tmp_path / "a.chr@", chromosomes=["X", 9])] == ["9", "X"]
    assert [p.chrom for p in open_panels([tmp_path / "a.chr21", tmp_path / "a.chr10.bed"])] == [
        "10",
        "21",
    ]


def bad(folder: Path, what: str) -> tuple[dict, str]:
    """Spoil the files in one way; returns arguments of build_reference and a part of the answer."""
    bed, bim, fam = (folder / f"p.{s}" for s in ("bed", "bim", "fam"))
    arguments: dict = {"genotypes": folder / "p", "window": "100kb"}
    table = pd.read_csv(bim, sep="\t", header=None)
    if what == "no bim":
        bim.unlink()
        return arguments, "p.bim: no such file"
    if what == "no fam":
        fam.unlink()
        return arguments, "p.fam: no such file"
    if what == "no bed":
        bed.unlink()
        return arguments, "neither .*p.bed nor .*p.pgen exists"
    if what == "folder":
        return {**arguments, "genotypes": folder}, "is a folder"
    if what == "no match":
        return {**arguments, "genotypes": folder / "z@"}, "no .bed or .pgen file matches"
    if what == "truncated bed":
        bed.write_bytes(bed.read_bytes()[:-7])
        return arguments, "bytes, expected .* truncated"
    if what == "bim of others":
        table.head(40).to_csv(bim, sep="\t", header=False, index=False)
        return arguments, "longer than its bim and fam files say"
    if what == "not a bed":
        bed.write_text("chr1\t0\t100\n" * 40)
        return arguments, "not a PLINK bed file"
    if what == "individual-major":
        bed.write_bytes(b"\x6c\x1b\x00" + bed.read_bytes()[3:])
        return arguments, "stored by individual"
    if what == "empty bim":
        bim.write_text("")
        return arguments, "p.bim: the file is empty"
    if what == "five columns":
        table.drop(columns=2).to_csv(bim, sep="\t", header=False, index=False)
        return arguments, "5 columns. Expected six columns"
    if what == "position in words":
        table[3] = table[3].astype(object)
        table.loc[4, 3] = "12kb"
        table.to_csv(bim, sep="\t", header=False, index=False)
        return arguments, "p.bim, line 5: position '12kb'"
    if what == "unsorted":
        table.loc[20, 3] = 5
        table.to_csv(bim, sep="\t", header=False, index=False)
        return arguments, "positions are not sorted: rs2100020"
    if what == "chromosome twice":
        table[0] = [1] * 10 + [2] * 10 + [1] * 30
        table.to_csv(bim, sep="\t", header=False, index=False)
        return arguments, "line 21: chromosome 1 starts a second time"
    if what == "same chromosome in two files":
        return {**arguments, "genotypes": [folder / "p", folder / "q"]}, "chromosome 21 is also in"
    if what == "chromosome absent":
        return {**arguments, "chromosomes": [21, 22]}, "no variant of chromosome 22 .found: 21"
    if what == "no autosome":
        table.assign(**{"0": "MT"})[["0", 1, 2, 3, 4, 5]].to_csv(
            bim, sep="\t", header=False, index=False
        )
        return arguments, "no autosome among the chromosomes MT"
    if what == "no cM":
        table.assign(**{"2": 0})[[0, 1, "2", 3, 4, 5]].to_csv(
            bim, sep="\t", header=False, index=False
        )
        return {
            **arguments,
            "window": "1cM",
        }, "no genetic positions .cM is constant. on chromosome 21"
    if what == "falling cM":
        table.loc[30, 2] = 0
        table.to_csv(bim, sep="\t", header=False, index=False)
        return {**arguments, "window": "1cM"}, "fall along the chromosome"
    if what == "blocks of another chromosome":
        blocks = pd.DataFrame({"chrom": ["chr4"], "start": [0], "stop": [100]})
        return {**arguments, "window": blocks}, "no LD block on chromosome 21 .blocks of: 4"
    if what == "tags match nothing":
        return {**arguments, "tags": ["rs1", "rs2"]}, "tags: none of 2 ids is in the panel"
    if what == "no file of tags":
        return {**arguments, "tags": folder / "tags.txt"}, "no such file of tag variants"
    if what == "keep matches nothing":
        return {**arguments, "keep": ["nobody"]}, "none of the 1 sample ids"
    if what == "two samples":
        return {**arguments, "keep": ["i1", "i2"]}, "2 sample.s., expected at least 3"
    if what == "no polymorphic variant":
        bed.write_bytes(b"\x6c\x1b\x01" + bytes(bed.stat().st_size - 3))
        return arguments, "no polymorphic variant on chromosome 21"
    if what == "output is a file":
        (folder / "out").write_text("")
        return {**arguments, "out": folder / "out"}, "exists and is a file"
    if what == "output is another folder":
        return {**arguments, "out": folder}, "exists and is not an LD reference"
    if what == "output nowhere":
        return {**arguments, "out": folder / "a/b/c.zarr"}, "the folder .* does not exist"
    if what == "other arguments":
        bm.build_reference(folder / "p", folder / "r.zarr", window="100kb")
        return {
            **arguments,
            "out": folder / "r.zarr",
            "window": "200kb",
            "k": 16,
        }, "window 100kb there, 200kb now; k 24 there, 16 now"
    if what == "multiallelic":
        pvar = (folder / "q.pvar").read_text().splitlines()
        pvar[4] = pvar[4].replace("\tA\t", "\tA,T\t")
        (folder / "q.pvar").write_text("\n".join(pvar) + "\n")
        return {
            **arguments,
            "genotypes": folder / "q",
        }, "q.pvar, line 5: 1 variants have several ALT alleles"
    if what == "no psam":
        (folder / "q.psam").unlink()
        return {**arguments, "genotypes": folder / "q"}, "q.psam: no such file"
    if what == "compressed pvar":
        (folder / "q.pvar").rename(folder / "q.pvar.zst")
        return {**arguments, "genotypes": folder / "q"}, "Decompress it"
    if what == "pgen of others":
        lines = (folder / "q.pvar").read_text().splitlines()
        (folder / "q.pvar").write_text("\n".join(lines[:-3]) + "\n")
        return {
            **arguments,
            "genotypes": folder / "q",
        }, "50 variants and 61 samples; its pvar and psam files have 47 and 61"
    if what == "truncated pgen":
        pgen = folder / "q.pgen"
        pgen.write_bytes(pgen.read_bytes()[:200])
        return {**arguments, "genotypes": folder / "q"}, "genotypes cannot be read"
    if what == "not a pgen":
        (folder / "q.pgen").write_bytes(b"hello genotypes")
        return {**arguments, "genotypes": folder / "q"}, "not a PLINK2 pgen file"
    numbers = {
        "negative k": ({"k": -3}, "k: -3, expected a whole number from 4 to 128"),
        "cut-off above 1": ({"r2_cutoff": 1.5}, "r2_cutoff: 1.5"),
        "unknown rule": ({"r2_rule": "biased"}, "r2_rule: 'biased'"),
        "S below -1": ({"maf_s": (-2.0,)}, "maf_s: "),
        "MAF of a half": ({"min_maf": 0.5}, "min_maf: 0.5"),
        "no workers": ({"workers": 0}, "workers: 0"),
        "window of zero": ({"window": "0kb"}, "'0kb', expected a positive distance"),
        "window of words": ({"window": "wide"}, "'wide' is neither"),
        "no chromosome": ({"chromosomes": []}, "chromosomes: an empty list"),
    }  # fmt: skip
    extra, answer = numbers[what]
    return {**arguments, **extra}, answer


BAD = """
no bim; no fam; no bed; folder; no match; truncated bed; bim of others; not a bed
individual-major; empty bim; five columns; position in words; unsorted; chromosome twice
same chromosome in two files; chromosome absent; no autosome; no cM; falling cM
blocks of another chromosome; tags match nothing; no file of tags; keep matches nothing
two samples; no polymorphic variant; output is a file; output is another folder; output nowhere
other arguments; multiallelic; no psam; compressed pvar; pgen of others; truncated pgen
not a pgen; negative k; cut-off above 1; unknown rule; S below -1; MAF of a half; no workers
window of zero; window of words; no chromosome
"""


@pytest.mark.parametrize("what", [w.strip() for w in BAD.strip().replace("\n", ";").split(";")])
def test_bad_input_is_answered_in_one_line_and_leaves_no_finished_chromosome(
    folder, tmp_path, what
):
    arguments, answer = bad(folder, what)
    arguments.setdefault("out", tmp_path / "new.zarr")
    with pytest.raises(InputError, match=answer) as caught:
        bm.build_reference(**arguments)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "new.zarr/21").exists()


def test_what_is_no_reference_is_answered_in_one_line(folder, tmp_path):
    out = tmp_path / "r.zarr"
    bm.build_reference(folder / "p", out, window="100kb")
    cases = {
        tmp_path / "absent": "no such folder",
        folder: "not an LD reference",
        folder / "p.bed": "not an LD reference",
    }
    for path, answer in cases.items():
        with pytest.raises(InputError, match=answer):
            bm.open_reference(path)
    with pytest.raises(InputError, match="no chromosome 22 in it"):
        bm.open_reference(out, chromosomes=["22"])
    shutil.rmtree(out / "21/spectrum")
    with pytest.raises(InputError, match="no variable 'spectrum'"):
        bm.open_reference(out)
    shutil.rmtree(out / "21")
    with pytest.raises(InputError, match="not finished: chromosome 21"):
        bm.open_reference(out)


def test_duplicate_positions_are_kept_as_variants_of_their_own(panel, tmp_path):
    bim = panel.bim.copy()
    bim.loc[11, "pos"] = bim.loc[10, "pos"]
    write_bed(type(panel)(panel.g, bim), tmp_path / "d")
    assert (
        bm.build_reference(tmp_path / "d", tmp_path / "r.zarr", window="100kb")["21"].sizes[
            "variant"
        ]
        == 50
    )


@pytest.mark.parametrize(
    "text", ["1\trs1\t0.5\t10\tA\tg\n", "1 rs1 0.5 10 A g\n", "1\trs1\t0.5\t10\tA\tg\r\n"]
)
def test_a_bim_file_reads_alike_whatever_separates_it(text, tmp_path):
    (tmp_path / "x.bim").write_bytes(text.encode() * 2)
    table = read_bim(tmp_path / "x.bim")
    assert table.values.tolist() == [["1", "rs1", 0.5, 10, "A", "G"]] * 2
    assert [d.kind for d in table.dtypes][2:4] == ["f", "i"]
