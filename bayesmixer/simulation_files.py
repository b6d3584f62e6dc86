"""Files of a simulated GWAS: PLINK genotypes, LD blocks and summary statistics, written aside and then renamed, the same bytes each time."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import tempfile
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from bayesmixer.errors import InputError
from bayesmixer.progress import bar

if TYPE_CHECKING:
    from collections.abc import Callable

    from bayesmixer.simulation_genotypes import Chromosome
    from bayesmixer.simulation_panel import PanelBlocks


def sumstats_bytes(panel: PanelBlocks, z: NDArray[np.float64], n: NDArray[np.float64], digits: int = 6) -> bytes:
    """Summary statistics as gzipped text: SNP CHR BP A1 A2 EAF BETA SE P N, monomorphic variants left out.

    BETA = z SE and SE = 1 / sqrt(N H), the marginal effect of one copy of A1 on a phenotype of variance 1.

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
    columns = (v["snp"], v["chrom"], v["pos"], v["a1"], v["a2"], v["freq"].tolist(), (z * se).tolist(), se.tolist(), p, n.astype(int).tolist())
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


def write_genotypes(prefix: Path, blocks: Path, made: dict[str, Any], seed: int, stream: np.random.SeedSequence, show: bool | None) -> None:
    """Simulate chromosomes, keeping each finished one under .partial, and write the PLINK fileset and the LD blocks."""
    from bed_reader import to_bed

    from bayesmixer.simulation_genotypes import require_msprime, simulate_chromosome

    require_msprime()
    arguments = {k: made[k] for k in ("samples", "density", "min_maf", "block_length")}
    key = hashlib.sha256(json.dumps([made, seed]).encode()).hexdigest()[:12]
    kept = prefix.parent / ".partial" / key
    parts: list[Chromosome] = []
    with bar("genotypes by chromosome", made["chromosomes"], show) as progress:
        for c, child in enumerate(stream.spawn(made["chromosomes"]), 1):
            make = partial(simulate_chromosome, made["chromosome_length"], **arguments, seed=child, name="density")
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
    with tempfile.TemporaryDirectory(dir=prefix.parent, prefix=".genotypes-") as aside:
        to_bed(Path(aside) / "genotypes.bed", dosage.T, properties=properties)
        for suffix in (".fam", ".bim", ".bed"):
            os.replace(Path(aside) / f"genotypes{suffix}", f"{prefix}{suffix}")
    lines = ["chr\tstart\tstop"]
    for c, part in enumerate(parts, 1):
        ends = part.block_ends.tolist()
        lines += [f"chr{c}\t{start}\t{end}" for start, end in zip([0, *ends[:-1]], ends, strict=True)]
    write_aside(blocks, ("\n".join(lines) + "\n").encode())


def _resume(path: Path, make: Callable[[], Chromosome]) -> Chromosome:
    """Read a finished chromosome, or make and keep it."""
    from bayesmixer.simulation_genotypes import Chromosome

    if path.exists():
        with np.load(path) as kept:
            return Chromosome(**dict(kept))
    part = make()
    path.parent.mkdir(parents=True, exist_ok=True)
    buffer = io.BytesIO()
    np.savez(buffer, **{k: getattr(part, k) for k in Chromosome.__dataclass_fields__})
    write_aside(path, buffer.getvalue())
    return part


def write_aside(path: Path, content: bytes) -> None:
    """Write a file under another name in its directory, then rename it: it is never half-written."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-", suffix=".tmp")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        os.chmod(name, 0o644)
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def make_directory(path: Path) -> None:
    """Make a directory and its parents, or say in one line why not."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(path, f"cannot be made a directory ({error.strerror})", "Give another one.") from None
