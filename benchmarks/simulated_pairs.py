"""Fit the simulated pairs of a folder through real LD: times, truth beside 90% intervals, and the
statements of overlap.

    python benchmarks/simulated_pairs.py PANEL_DIR REFERENCE [--shared ../shared]
        [--pairs mixer_pair_1 ...] [--methods staged map laplace binned statements] [--tiles 4]
        [--work DIR]

PANEL_DIR holds the unpacked 1000g_eur_hm3 panel, REFERENCE what `simulated_traits.py` builds of it.
--tiles is the number of copies of the variants, for the time that a whole genome takes (its
intervals tell nothing new). "statements" is the mode with the statements and their Bayes factors,
without draws, "likelihood" the time of one evaluation at what was simulated. The first fit of a
process counts what is compiled or cached once.
"""

from __future__ import annotations

import argparse
import json
import time
import warnings
from pathlib import Path

import numpy as np
import xarray as xr
from pair_kernel import least, point
from simulated_traits import sumstats_of

import bayesmixer as bm
from bayesmixer.ops.pair import PairLogLik
from bayesmixer.pair.laid_out import pair_data


def truths(t: dict) -> dict[str, float]:
    """By label: what was simulated; h2 and what is counted as realised."""
    first, second, shared = t["n_causal_unique1_unique2_shared"]
    by_trait = {"h2": t["h2_realised"], "pi": t["polygenicity"], "sigma2_0": t["sigma2_zero"]}
    return {f"{name}_{k + 1}": value[k] for name, value in by_trait.items() for k in (0, 1)} | {
        "pi_shared": t["pi_shared"],
        "rho_beta": t["rho12"],
        "rho_0": t["rho0"],
        "rg": t["rg"],
        "n_shared": shared,
        "dice": 2 * shared / (first + second + 2 * shared),
    }


def tiled(data: xr.Dataset, count: int) -> xr.Dataset:
    """GwasData of so many copies of the variants, each with LD blocks of its own."""
    by_variant = [v for v in data.variables if "variant" in data[v].dims]
    labels = int(data["ld_block"].max()) + 1
    copies = [data[by_variant].assign(ld_block=data["ld_block"] + k * labels) for k in range(count)]
    rest = data.drop_vars(by_variant)
    many = xr.concat(copies, "variant").merge(rest)
    scaled = {"h_bin_count": rest["h_bin_count"] * count, "h_total": rest["h_total"] * count}
    return many.assign({k: v for k, v in scaled.items() if k in rest}).assign_attrs(
        data.attrs
        | {
            "n_reference": data.attrs["n_reference"] * count,
            "h_total": [float(h) * count for h in data.attrs["h_total"]],
        }
    )


def rows(results: xr.DataTree, truth: dict[str, float]) -> None:
    """Mode, calibrated 90% interval, effective draws and truth of each."""
    import arviz as az

    for label, true in truth.items():
        name, _, k = label.rpartition("_")
        one = label not in results["estimate"]
        group = results["estimate"].to_dataset()
        mode = float(group[name].values[int(k) - 1] if one else group[label])
        text = f"  {label:10s} {mode:10.5g}"
        if "posterior" in results.children:
            draws = results["posterior"].to_dataset()[name if one else label]
            draws = draws.isel(trait=int(k) - 1) if one else draws
            low, high = np.quantile(draws.values, [0.05, 0.95])
            said = "inside" if low <= true <= high else "OUTSIDE"
            text += f"  [{low:.5g}, {high:.5g}]  {said}  ess {float(az.ess(draws.values)):.0f}"
        print(f"{text}  truth {true:.5g}", flush=True)


def likelihood(data: xr.Dataset, t: dict) -> None:
    """Microseconds a variant, of value + gradient and of the value alone, at what was simulated."""
    v1, v2 = t["sigma2_beta"]
    e1, e2 = t["sigma2_zero"]
    at = point(
        (*t["pi_unique"], t["pi_shared"]),
        v1,
        v2,
        t["rho12"],
        (e1, e2, t["rho0"] * (e1 * e2) ** 0.5),
    )
    laid_out = pair_data(data)
    ops = [PairLogLik(laid_out, gradient=gradient) for gradient in (True, False)]
    both, value = least(*(lambda op=op: op.evaluate(*at, threads=1) for op in ops), runs=6)
    us = 1e6 / laid_out.rows.weight.size
    print(f" likelihood: {both * us:.2f}, {value * us:.2f}, ratio {value / both:.2f}")


def main() -> None:
    p = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    p.add_argument("panel", type=Path)
    p.add_argument("reference", type=Path)
    p.add_argument("--shared", type=Path, default=Path("../shared"))
    p.add_argument("--pairs", nargs="+", default=["mixer_pair_1", "mixer_pair_2"])
    p.add_argument("--methods", nargs="+", default=["staged", "map", "laplace"])
    p.add_argument("--tiles", type=int, default=1)
    p.add_argument("--work", type=Path, default=Path("demo_output"))
    a = p.parse_args()
    warnings.simplefilter("always", bm.DataWarning)
    a.work.mkdir(parents=True, exist_ok=True)
    reference = bm.open_reference(a.reference)
    for pair in a.pairs:
        folder = a.shared / "data/sumstats" / pair
        both = [sumstats_of(a.panel, folder, t) for t in (1, 2)]
        data = bm.align(
            [one for one, _ in both],
            reference,
            blocks=a.shared / "data/ld_blocks/eur_hg19.bed",
            ambiguous="keep",
            exclude_regions=(),
        )
        data = data if a.tiles == 1 else tiled(data, a.tiles)
        print(f"{pair}: {int((data['weight'] > 0).sum())} weighted variants", flush=True)
        for method in a.methods:
            if method == "likelihood":
                likelihood(data, both[0][1])
                continue
            model = bm.models.bivariate_mixer(data)
            clock = time.perf_counter(), time.process_time()
            how = {"staged": {"staged": True}, "statements": {"profile": True}}.get(method)
            results = bm.fit(
                model,
                method if how is None else "map",
                progress=False,
                **({} if how is None else how),
            )
            wall, cpu = time.perf_counter() - clock[0], time.process_time() - clock[1]
            attrs = results["estimate"].attrs
            print(
                f" {method}: {cpu:.0f} s CPU, {wall:.0f} wall; log-likelihood "
                f"{attrs['log_likelihood']:.3f}, {attrs['gradient_evaluations']} gradients, "
                f"decrement {attrs['decrement']:.2g}",
                flush=True,
            )
            rows(results, truths(both[0][1]))
            if "sample_stats" in results.children:
                told = results["sample_stats"].attrs
                print("  ", {k: v for k, v in told.items() if np.isscalar(v)})
            if "overlap" in results.children:
                group = results["overlap"].to_dataset()
                print("  ", {str(k): round(float(v), 4) for k, v in group.items() if not v.dims})
            print("  ", json.loads(results.attrs["warnings"]))
            bm.save(results, a.work / f"{pair}_{method}.nc", replace=True)


if __name__ == "__main__":
    main()
