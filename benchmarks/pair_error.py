"""Error of the two-trait likelihood against time, at the reference points, beside MiXeR's own cost.

    python benchmarks/pair_error.py [--shared ../shared]

For each accuracy asked for, and with all sums in double precision: the largest and the median error
of log p where log p > -20, over the reference variants of all points, the largest error of their
weighted sum, and CPU microseconds a variant of value and gradient over all weighted variants of
MiXeR's inputs, the least of four. Then for each point MiXeR's sampled cost (kmax 20,000), its error
and time, and ours.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from pathlib import Path

import numpy as np
from pair_kernel import least

sys.path.insert(0, str(Path(__file__).parents[1]))

from bayesmixer.ld.spectrum import spectrum_from_pairs
from bayesmixer.ops import pair_evaluate
from bayesmixer.ops.pair import PairLogLik
from bayesmixer.ops.pair_layout import PairData
from tests.ops.likelihood_cases import NODE_X, K
from tests.ops.pair_cases import reference

plan, single = pair_evaluate.plan, pair_evaluate.SINGLE_LOSS


def every_variant(folder: Path) -> PairData:
    """The weighted variants of MiXeR's inputs, in LD blocks of 512."""
    d = np.load(folder / "inputs.npz")
    x = d["H"][d["indices"]].astype(float) * d["r2"].astype(float)
    kept = np.flatnonzero(d["weights"] > 0)
    s = spectrum_from_pairs(d["indptr"].astype(np.int64), x, K)[kept].astype(np.float32)
    z, n = (np.column_stack([d[f"{v}1"], d[f"{v}2"]])[kept].astype(float) for v in "zn")
    return PairData(z, n, d["weights"][kept].astype(float), s, NODE_X, np.arange(len(kept)) // 512)


def set_accuracy(log_error: float, double: bool) -> None:
    """What is left of the density, each of range and step, and whether all sums are double."""
    pair_evaluate.plan = lambda *args, **kw: plan(*args, **{**kw, "log_error": log_error})
    pair_evaluate.SINGLE_LOSS = -1.0 if double else single


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shared", type=Path, default=Path("../shared"))
    shared = parser.parse_args().shared
    folder = shared / "reference/mixer"
    z, n, weight, s, points = reference(shared)
    one_each = PairData(z, n, np.ones(len(z)), s, NODE_X, np.arange(len(z)))
    every, op = every_variant(folder), PairLogLik(one_each, gradient=False)
    told = json.loads((folder / "points.json").read_text())["bivariate"]
    print("| error asked for | sums | log p > -20: max | median | weighted sum | us a variant |")
    print("| --: | :-- | --: | --: | --: | --: |")
    for asked in (1e-3, 1e-4, 1e-5, 2e-6, 1e-7, 1e-9):
        for double in (False, True):
            set_accuracy(math.log(asked), double)
            errors, sums, seconds = [], [], []
            for exact, theta, _ in points.values():
                error = op.evaluate(*theta)[0] - exact
                errors.append(np.abs(error[exact > -20]))
                sums.append(abs(float(weight @ error)))
                both = PairLogLik(every)
                seconds += least(lambda b=both, t=theta: b.evaluate(*t, threads=1))
            error, us = np.concatenate(errors), np.mean(seconds) / every.rows.weight.size * 1e6
            print(
                f"| {asked:.0e} | {'double' if double else 'mixed'} | {error.max():.0e} | "
                f"{np.median(error):.0e} | {max(sums):.0e} | {us:.2f} |",
                flush=True,
            )
    set_accuracy(math.log(2e-6), False)
    print("\n| point | exact cost | ours | us a variant | MiXeR, sampled | us a variant |")
    print("| :-- | --: | --: | --: | --: | --: |")
    for name, (_, theta, _) in points.items():
        value = PairLogLik(every, gradient=False)
        cost = -value.evaluate(*theta)[0].sum()
        (seconds,) = least(lambda v=value, t=theta: v.evaluate(*t, threads=1))
        sampled, count = told[name]["mixer_sampling"], every.rows.weight.size
        exact = told[name].get("exact_cost_all_weighted")
        print(
            f"| {name} | {'' if exact is None else f'{exact:,.3f}'} | {cost:,.3f} "
            f"| {seconds / count * 1e6:.2f} | {sampled['cost']:,.3f} "
            f"| {sampled['cpu_s'] / count * 1e6:.0f} |"
        )


if __name__ == "__main__":
    main()
