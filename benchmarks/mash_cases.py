"""Own weights beside mashr's, in every recorded case: penalised log-likelihood, and how far from
its optimum it can be.

    python -m benchmarks.mash_cases [--cases ../shared/reference/mash/cases]
"""

from __future__ import annotations

import argparse
from pathlib import Path

import bayesmixer as bm
from tests.mash.cases import ALL, case


def main() -> None:
    """Print a line a case."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=Path, default=Path("../shared/reference/mash/cases"))
    folder = parser.parse_args().cases
    print("| case | ours less mashr's | largest excess of the gradient |\n|---|---|---|")
    for name in ALL:
        one = case(folder, name)
        if "penalised_loglik" not in one.held:
            continue
        prior = one.held.get("prior", "nullbiased")
        estimate = bm.mash.fit(
            one.effects, one.u, grid=one.held["grid"], prior=prior, point_mass=one.point_mass
        )["estimate"]
        above = float(estimate["penalised_log_likelihood"]) - float(one.held["penalised_loglik"][0])
        # the gap is N log(largest / N) for the gradient's bound N: to first order its excess
        print(f"| {name} | {above:.1e} | {float(estimate['duality_gap']):.1e} |", flush=True)


if __name__ == "__main__":
    main()
