"""Error of log p by number of nodes K and by region of p, against the exact densities of all
partners (34,958 variants, both traits, six points).

    python benchmarks/spectrum_error.py          reads ../shared/reference/mixer; half a minute

Regions are of the exact density p. "cost" is the error of -sum(weight * log p) over the 31,774
weighted variants, whose value is about 6,800.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from bayesmixer.ld.spectrum import nodes, spectrum_from_pairs
from bayesmixer.ops.likelihood import log_density

REFERENCE = Path(__file__).parents[2] / "shared/reference/mixer"
REGIONS = {"p > 1e-3": (1e-3, np.inf), "1e-9 < p < 1e-3": (1e-9, 1e-3), "p < 1e-9": (0.0, 1e-9)}


def main() -> None:
    if not REFERENCE.is_dir():
        raise SystemExit(f"no {REFERENCE}: the reference densities are not beside this checkout")
    inputs, exact = np.load(REFERENCE / "inputs.npz"), np.load(REFERENCE / "univariate.npz")
    points = json.loads((REFERENCE / "points.json").read_text())["univariate"]
    x = (inputs["H"][inputs["indices"]] * inputs["r2"]).astype(float)
    w = inputs["weights"].astype(float)
    print("| K | " + " | ".join(f"{r}: max | median" for r in REGIONS) + " | cost: largest error |")
    print("| --: |" + " --: |" * (2 * len(REGIONS) + 1))
    for k in (12, 16, 20, 24, 32):
        s, node_x = spectrum_from_pairs(inputs["indptr"], x, k), nodes(k)
        error: dict[str, list[np.ndarray]] = {r: [] for r in REGIONS}
        cost = 0.0
        for trait in (1, 2):
            z, n = inputs[f"z{trait}"].astype(float), inputs[f"n{trait}"].astype(float)
            for name, point in points.items():
                p = point["params"]
                truth = exact[f"{name}_z{trait}"]
                e = (
                    log_density(
                        z,
                        n,
                        s,
                        node_x,
                        np.array([p["pi"]]),
                        np.array([p["sig2_beta"]]),
                        p["sig2_zero"],
                    )
                    - truth
                )
                cost = max(cost, abs(float((w * e).sum())))
                for region, (low, high) in REGIONS.items():
                    with np.errstate(divide="ignore"):
                        error[region].append(
                            np.abs(e[(truth > np.log(low)) & (truth <= np.log(high))])
                        )
        cells = [
            f"{v.max():.0e} | {np.median(v):.0e}"
            for v in (np.concatenate(error[r]) for r in REGIONS)
        ]
        print(f"| {k} | " + " | ".join(cells) + f" | {cost:.0e} |", flush=True)


if __name__ == "__main__":
    main()
