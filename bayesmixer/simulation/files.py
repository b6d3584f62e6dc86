"""Files of a simulated GWAS: PLINK genotypes, LD blocks and summary statistics, written aside and
then renamed, the same bytes each time.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import re
import shutil
from contextlib import ExitStack, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from bayesmixer import aside
from bayesmixer.errors import InputError
from bayesmixer.kinds import json_object
from bayesmixer.progress import bar

if TYPE_CHECKING:
    from collections.abc import Callable

    from bayesmixer.simulation.genotypes import Chromosome
    from bayesmixer.simulation.panel import PanelBlocks

PARTIAL = ".partial"


def sumstats_bytes(
    panel: PanelBlocks, z: NDArray[np.float64], n: NDArray[np.float64], digits: int = 6
) -> bytes:
    """Summary statistics as gzipped text: SNP CHR BP A1 A2 EAF BETA SE P N, monomorphic variants
    left out.

    BETA = z SE and SE = 1 / sqrt(N H), the marginal effect of one copy of A1 on a phenotype of
    variance 1.

    Parameters
    ----------
    panel
        The panel; A1 is its counted allele.
    z, n
        z-score of A1 and sample size of each variant.
    digits
        Significant digits of BETA, SE and EAF; P has one fewer.

    Returns
    -------
    bytes
        The same for the same input (no time stamp).
    """
    from scipy.special import log_ndtr

    keep = panel.heterozygosity > 0
    v, z, n = panel.variants[keep], z[keep], np.round(n[keep])
    se = 1 / np.sqrt(n * v["heterozygosity"].to_numpy())
    log10_p = (log_ndtr(-np.abs(z)) + np.log(2)) / np.log(10)
    exponent = np.floor(log10_p)
    # below the smallest double P is written by its exponent
    p = [
        f"{10**l:.{digits - 1}g}" if l > -300 else f"{10 ** (l - e):.{digits - 1}g}e{int(e)}"
        for l, e in zip(log10_p.tolist(), exponent.tolist(), strict=True)
    ]
    columns = (
        v["snp"],
        v["chrom"],
        v["pos"],
        v["a1"],
        v["a2"],
        v["freq"].tolist(),
        (z * se).tolist(),
        se.tolist(),
        p,
        n.astype(int).tolist(),
    )
    number = f".{digits}g"
    lines = ["SNP\tCHR\tBP\tA1\tA2\tEAF\tBETA\tSE\tP\tN"]
    lines += [
        f"{s}\t{c}\t{b}\t{a1}\t{a2}\t{f:{number}}\t{be:{number}}\t{e:{number}}\t{pp}\t{nn}"
        for s, c, b, a1, a2, f, be, e, pp, nn in zip(*columns, strict=True)
    ]
    buffer = io.BytesIO()
    with gzip.GzipFile(filename="", fileobj=buffer, mode="wb", compresslevel=9, mtime=0) as file:
        file.write(("\n".join(lines) + "\n").encode())
    return buffer.getvalue()


def write_genotypes(
    prefix: Path,
    blocks: Path,
    made: dict[str, Any],
    seed: int,
    stream: np.random.SeedSequence,
    show: bool | None,
    begin_writing: Callable[[], None],
) -> None:
    """Simulate chromosomes, keeping each finished one under .partial, and write the PLINK fileset
    and the LD blocks.
    """
    from bed_reader import to_bed

    from bayesmixer.simulation.genotypes import require_msprime, simulate_chromosome

    require_msprime()
    arguments = {k: made[k] for k in ("samples", "density", "min_maf", "block_length")}
    key = hashlib.sha256(json.dumps([made, seed]).encode()).hexdigest()[:12]
    kept = prefix.parent / PARTIAL / key
    parts: list[Chromosome] = []
    with bar("genotypes by chromosome", made["chromosomes"], show) as progress:
        for c, child in enumerate(stream.spawn(made["chromosomes"]), 1):
            make = partial(
                simulate_chromosome,
                made["chromosome_length"],
                **arguments,
                seed=child,
                name="density",
            )
            parts.append(_resume(kept / f"{c}.npz", make))
            progress.advance()
    counts = [len(p.pos) for p in parts]
    samples = [f"s{i:04d}" for i in range(1, made["samples"] + 1)]
    properties = {
        "fid": samples,
        "iid": samples,
        "sid": [f"sim{c}_{i}" for c, k in enumerate(counts, 1) for i in range(1, k + 1)],
        "chromosome": [str(c) for c, k in enumerate(counts, 1) for _ in range(k)],
        "cm_position": np.concatenate([p.cm for p in parts]),
        "bp_position": np.concatenate([p.pos for p in parts]),
        "allele_1": np.concatenate([p.a1 for p in parts]),
        "allele_2": np.concatenate([p.a2 for p in parts]),
    }
    dosage = np.concatenate([p.dosage for p in parts])
    begin_writing()
    with ExitStack() as stack:
        beside = {
            suffix: stack.enter_context(aside.writing(f"{prefix}{suffix}"))
            for suffix in (".fam", ".bim", ".bed")
        }
        to_bed(
            beside[".bed"],
            dosage.T,
            properties=properties,
            fam_filepath=beside[".fam"],
            bim_filepath=beside[".bim"],
        )
    lines = ["chr\tstart\tstop"]
    for c, part in enumerate(parts, 1):
        ends = part.block_ends.tolist()
        lines += [
            f"chr{c}\t{start}\t{end}" for start, end in zip([0, *ends[:-1]], ends, strict=True)
        ]
    aside.write(blocks, "\n".join(lines) + "\n")


def _resume(path: Path, make: Callable[[], Chromosome]) -> Chromosome:
    """Read a finished chromosome, or make and keep it."""
    from bayesmixer.simulation.genotypes import Chromosome

    if path.exists():
        with np.load(path) as kept:
            return Chromosome(**dict(kept))
    part = make()
    aside.make_folder(path.parent)
    buffer = io.BytesIO()
    np.savez(buffer, **{k: getattr(part, k) for k in Chromosome.__dataclass_fields__})
    aside.write(path, buffer.getvalue())
    return part


def file_names(traits: list[str], with_genotypes: bool) -> list[str]:
    """Names of the files of a simulation, truth.json last."""
    panel = (
        [*(f"genotypes{suffix}" for suffix in (".fam", ".bim", ".bed")), "ld_blocks.bed"]
        if with_genotypes
        else []
    )
    return [*panel, *(f"{trait}.txt.gz" for trait in traits), "truth.json"]


def check_files(out: Path, names: list[str], overwrite: bool) -> None:
    """Refuse a folder that holds files of these names which no simulation wrote, or a simulation
    that is to stay.

    Raises
    ------
    InputError
        There is one.
    """
    truth = json_object(out / "truth.json")
    ours = set(json_object(out / PARTIAL / "files.json").get("files", []))
    if {"seed", "model", "traits", "h2"} <= truth.keys():
        ours |= set(file_names(truth["traits"], "chromosomes" in truth["genotypes"]))
        if not overwrite:
            raise InputError(
                out,
                "already holds a simulation (truth.json)",
                "Give another directory, or overwrite=True.",
            )
    foreign = [name for name in names if name not in ours and os.path.lexists(out / name)]
    if foreign:
        raise InputError(
            out / foreign[0],
            "is there already and no simulation wrote it: it stays",
            "Give another directory.",
        )


def begin(out: Path, names: list[str]) -> None:
    """Note which files are being written, so that the next simulation knows them again if this one
    is stopped; the earlier truth.json goes.
    """
    note = out / PARTIAL / "files.json"
    aside.make_folder(note.parent)
    try:
        aside.write(
            note, json.dumps({"files": sorted({*names, *json_object(note).get("files", [])})})
        )
    except InputError:
        with suppress(OSError):
            note.parent.rmdir()
        raise
    (out / "truth.json").unlink(missing_ok=True)  # it says that a simulation is complete


def finish(out: Path) -> None:
    """Remove the finished chromosomes and the note of a simulation that is complete."""
    for part in (out / PARTIAL).glob("*"):
        if part.is_dir() and re.fullmatch("[0-9a-f]{12}", part.name):
            shutil.rmtree(part, ignore_errors=True)
    (out / PARTIAL / "files.json").unlink(missing_ok=True)
    with suppress(OSError):  # somebody else's files are in it
        (out / PARTIAL).rmdir()
