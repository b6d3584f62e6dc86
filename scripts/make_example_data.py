"""Make the embedded data set, bayesmixer/data/example.zip, from a seed.

    python scripts/make_example_data.py [--out FILE]

Genotypes, LD blocks and the trait "polygenic" come from one `bayesmixer.simulate`, the trait
"infinitesimal" from another through the same panel. The archive is the same, byte for byte, each
time it is made with the same versions of msprime, NumPy, bed-reader and zlib.
"""

import argparse
import json
import tempfile
import zipfile
from pathlib import Path

import bayesmixer as bm

MADE_WITH_MSPRIME = "1.4.4"
SEED = 8
GENOTYPES = {
    "chromosomes": 12,
    "chromosome_length": 6_000_000,
    "samples": 300,
    "density": 400,
    "min_maf": 0.01,
    "block_length": 330_000,
}
# 72 Mb are about 2.5% of the genome: h2 of 0.02 here is as dense as 0.8 genome-wide
TRAITS = {
    "polygenic": {
        "model": "univariate",
        "h2": 0.02,
        "pi": 0.01,
        "n": 100_000,
        "sigma2_0": 1.05,
        "seed": SEED,
    },
    "infinitesimal": {
        "model": "infinitesimal",
        "h2": 0.02,
        "n": 100_000,
        "sigma2_0": 1.05,
        "seed": SEED + 1,
    },
}
HOME = Path(__file__).resolve().parent.parent / "bayesmixer" / "data" / "example.zip"


def make(archive: Path) -> None:
    """Simulate both traits and pack them."""
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        first = bm.simulate(work, traits="polygenic", digits=4, **GENOTYPES, **TRAITS["polygenic"])
        second = bm.simulate(
            work / "second",
            traits="infinitesimal",
            digits=4,
            genotypes=first.genotypes,
            ld_blocks=first.ld_blocks,
            **TRAITS["infinitesimal"],
        )
        truth = {"polygenic": first.read_truth(), "infinitesimal": second.read_truth()}
        first.truth.write_text(json.dumps(truth, indent=1) + "\n")
        members = [
            *(Path(f"{first.genotypes}{s}") for s in (".bed", ".bim", ".fam")),
            first.ld_blocks,
            *first.sumstats.values(),
            *second.sumstats.values(),
            first.truth,
        ]
        aside = archive.with_suffix(".tmp")
        with zipfile.ZipFile(aside, "w", compression=zipfile.ZIP_DEFLATED, compresslevel=9) as out:
            for path in members:
                info = zipfile.ZipInfo(
                    path.name, date_time=(1980, 1, 1, 0, 0, 0)
                )  # no time stamp, so that the bytes repeat
                info.compress_type, info.external_attr = zipfile.ZIP_DEFLATED, 0o644 << 16
                out.writestr(info, path.read_bytes(), compresslevel=9)
        aside.replace(archive)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, default=HOME, help="archive to write")
    target = parser.parse_args().out
    make(target)
    print(f"{target}: {target.stat().st_size:,} bytes")
