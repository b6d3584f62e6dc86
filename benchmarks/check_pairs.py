"""False alarms and detection rates of `bm.check` of two traits.

    python benchmarks/check_pairs.py --out CSV [--replicates 100] [--rho-0 0.5]
        [--faults clean swapped ...]

Independent variants, whose likelihood is in closed form (`tests.pair.faulty` has the truth and the
faults), fitted at the mode next to the truth; `ld` is the model itself through simulated LD blocks,
nothing wrong. Each replicate's row is kept in CSV, so that the same call goes on where it was
stopped.
"""

from __future__ import annotations

import argparse
import os
import time
import warnings
from pathlib import Path

import numpy as np
import pandas as pd

import bayesmixer as bm
from bayesmixer.checks.check import Check
from bayesmixer.progress import track
from tests.models.small_pair import PI, simulate_pair
from tests.pair.faulty import FAULTS, checked, faulty, fit_from

ALL = {**FAULTS, "ld": "nothing wrong, through LD: 3,000 variants in 100 blocks, rho_0 0.2"}


def through_ld(seed: int) -> Check:
    """`check` of clean data through LD, at the mode next to the truth."""
    data = simulate_pair(seed=seed, blocks=100)
    pi = np.array([PI[0] + PI[2], PI[1] + PI[2]])
    logit = np.log(pi / (1 - pi))
    start = {
        "log_h2": np.log([0.3, 0.25]),
        "log_sigma2_0": np.log([1.05, 1.02]),
        "logit_pi_mean": logit.mean(),
        "logit_pi_difference": logit[0] - logit[1],
        "atanh_u": np.arctanh(0.6 * PI[2] / pi.min()),
        "logit_t": 0.0,
        "atanh_rho_0": np.arctanh(0.2),
    }
    return bm.check(fit_from(data, start), data, progress=False)


def one(fault: str, rho_0: float, replicate: int) -> dict[str, object]:
    began = time.process_time()
    found = through_ld(replicate) if fault == "ld" else checked(faulty(fault, replicate, rho_0))
    row: dict[str, object] = {
        "fault": fault,
        "rho_0": rho_0,
        "replicate": replicate,
        "flagged": not found.ok,
        "cpu_s": round(time.process_time() - began, 1),
    }
    for name, line in found.table.drop(index="prior").iterrows():
        row |= {f"p {name}": float(f"{line['p']:.4g}"), f"flag {name}": bool(line["flagged"])}
    return row


def table(rows: pd.DataFrame) -> str:
    """Markdown: of each fault the share flagged, and by which check, from 5% on."""
    lines = ["| fault | rho_0 | replicates | flagged | by |", "|---" * 5 + "|"]
    for (fault, rho_0), part in rows.groupby(["fault", "rho_0"], sort=False):
        flags = part.filter(regex="^flag ").dropna(axis=1, how="all").astype(float).mean()
        by = [
            f"{name.removeprefix('flag ')} {share:.0%}"
            for name, share in flags.sort_values(ascending=False).items()
            if share >= 0.05
        ]
        share = f"{part['flagged'].mean():.0%}"
        lines.append(
            f"| {ALL[fault]} (`{fault}`) | {rho_0:g} | {len(part)} | {share} | {', '.join(by)} |"
        )
    return "\n".join(lines)


def main() -> None:
    p = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    p.add_argument("--out", type=Path, required=True)
    p.add_argument("--replicates", type=int, default=100)
    p.add_argument("--rho-0", type=float, default=0.5)
    p.add_argument("--faults", nargs="+", default=list(ALL), choices=list(ALL))
    a = p.parse_args()
    kept = pd.read_csv(a.out) if a.out.exists() else pd.DataFrame()
    done = (
        set(zip(kept["fault"], kept["rho_0"], kept["replicate"], strict=True))
        if len(kept)
        else set()
    )
    todo = [(f, a.rho_0, r) for f in a.faults for r in range(a.replicates)]
    for key in track([key for key in todo if key not in done], "replicates"):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            kept = pd.concat([kept, pd.DataFrame([one(*key)])], ignore_index=True)
        aside = a.out.with_suffix(f".{os.getpid()}.tmp")
        kept.to_csv(aside, index=False)
        os.replace(aside, a.out)
    print(table(kept))


if __name__ == "__main__":
    main()
