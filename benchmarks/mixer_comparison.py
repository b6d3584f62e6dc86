"""Against MiXeR 2.2.1: the same inputs, and the same z-scores with all of the LD kept.

    python benchmarks/mixer_comparison.py PANEL_503_DIR [--shared ../shared] [--work DIR]

PANEL_503_DIR holds the unpacked 1000g_eur_hm3_503 panel. Part 1 fits inputs.npz (MiXeR's weights,
LD and N) by MAP under flat priors: the cost is compared with the exact optimum of fits.json. Part 2
fits both traits of inputs.npz together, staged and jointly, and compares with the cost at the
solution of MiXeR's last finished stage of fit2 (`--pair`: this part alone). Part 3
builds the spectra of the 503-sample panel by LD blocks, weak LD kept, where MiXeR drops pairs with
r^2 < 0.05.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

import bayesmixer as bm
from bayesmixer.ld.blocks import label_blocks, read_blocks
from bayesmixer.ld.spectrum import nodes, spectrum_from_pairs
from bayesmixer.ops.pair import PairLogLik
from bayesmixer.pair.laid_out import pair_data

SIGMA2_0 = {1: 1.05, 2: 1.02}  # simulated


def same_inputs(inputs, fits: dict, blocks: Path) -> None:
    """MAP on exactly what MiXeR used."""
    x = (inputs["H"][inputs["indices"]] * inputs["r2"]).astype(float)
    spectrum = spectrum_from_pairs(inputs["indptr"], x, 24)
    block = label_blocks(inputs["chrom"].astype(str), inputs["bp"], read_blocks(blocks))
    block = np.unique(block, return_inverse=True)[1]
    print(
        "trait  cost of bayesmixer  of the exact optimum  difference  pi  sigma2_beta  "
        "sigma2_0  CPU s after compilation  MiXeR's CPU s"
    )
    warm = True
    for trait in (1, 1, 2):  # the first compiles
        data = bm.gwas_data_from_arrays(
            inputs[f"z{trait}"].astype(float),
            inputs[f"n{trait}"].astype(float),
            spectrum,
            nodes(24),
            inputs["H"].astype(float),
            weight=inputs["weights"].astype(float),
            ld_block=block,
        )
        model = bm.models.univariate_mixer(data, prior="flat")
        cpu = time.process_time()
        estimate = bm.fit(model, "map")["estimate"]
        cpu = time.process_time() - cpu
        if warm:
            warm = False
            continue
        reference = fits["univariate"][f"trait{trait}"]
        cost, exact = -estimate.attrs["log_likelihood"], reference["exact_optimum"]["cost"]
        values = "  ".join(f"{float(estimate[v]):.6g}" for v in ("pi", "sigma2_beta", "sigma2_0"))
        print(
            f"{trait}  {cost:.6f}  {exact:.6f}  {cost - exact:+.1e}  {values}  {cpu:.2f}  "
            f"{reference['cpu_s']}",
            flush=True,
        )


def same_pair(inputs, fits: dict, blocks: Path) -> None:
    """Both traits together on exactly what MiXeR used, flat priors."""
    x = (inputs["H"][inputs["indices"]] * inputs["r2"]).astype(float)
    block = label_blocks(inputs["chrom"].astype(str), inputs["bp"], read_blocks(blocks))
    data = bm.gwas_data_from_arrays(
        *(np.column_stack([inputs[f"{v}{k}"] for k in (1, 2)]).astype(float) for v in "zn"),
        spectrum_from_pairs(inputs["indptr"], x, 24),
        nodes(24),
        inputs["H"].astype(float),
        weight=inputs["weights"].astype(float),
        ld_block=np.unique(block, return_inverse=True)[1],
    )
    mixer, alone = fits["bivariate"], fits["univariate"]
    one, two = (alone[f"trait{k}"]["params"] for k in (1, 2))
    v1, v2, e1, e2 = (p[name] for name in ("sig2_beta", "sig2_zero") for p in (one, two))
    at = mixer["after_brute1"]
    there = PairLogLik(pair_data(data)).evaluate(
        np.array(at["pi"]),
        np.array([[v1, 0, 0], [0, v2, 0], [v1, v2, at["rho_beta"] * np.sqrt(v1 * v2)]]),
        np.array([e1, e2, at["rho_zero"] * np.sqrt(e1 * e2)]),
    )
    exact = mixer["exact_cost_at_points"]["mixer_brute1"]["exact_cost"]
    print(
        f"MiXeR after brute1: exact cost {exact:.4f}, by the Op {-there[0].sum():.4f}, "
        f"{mixer['cpu_s_until_stopped']} s CPU, unfinished"
    )
    for staged in (True, False):
        model = bm.models.bivariate_mixer(data, prior="flat")
        cpu = time.process_time()
        estimate = bm.fit(model, "map", staged=staged)["estimate"]
        cpu = time.process_time() - cpu
        values = "  ".join(
            f"{v} {float(estimate[v]):.4g}"
            for v in ("pi_shared", "rho_beta", "rg", "rho_0", "dice")
        )
        print(
            f"{'staged' if staged else 'joint'}: cost {-estimate.attrs['log_likelihood']:.4f}, "
            f"{cpu:.0f} s CPU, {values}",
            flush=True,
        )


def all_ld(inputs, panel: Path, blocks: Path, work: Path, fits: dict) -> None:
    """The same z-scores through the panel's own LD, weak pairs kept."""
    reference = bm.build_reference(
        str(panel / "g1000_eur_hm3_chr{chrom}"),
        work / "eur503.zarr",
        window=blocks,
        r2_rule="plain",
    )
    names = ["chrom", "snp", "cm", "pos", "a1", "a2"]
    bim = pd.concat(
        [
            pd.read_csv(
                panel / f"g1000_eur_hm3_chr{c}.bim",
                sep="\t",
                header=None,
                names=names,
                dtype={"chrom": str},
            )
            for c in (21, 22)
        ]
    )
    print("trait  sigma2_0 MAP  90% interval  truth  MiXeR")
    for trait in (1, 2):
        data = {v: ("variant", bim[v].to_numpy(object)) for v in ("snp", "chrom", "a1", "a2")} | {
            "pos": ("variant", bim["pos"].to_numpy())
        }
        data |= {v: ("variant", inputs[f"{v}{trait}"].astype(float)) for v in ("z", "n")}
        attrs = {
            "kind": "sumstats",
            "source": "inputs.npz",
            "trait": f"trait {trait}",
            "build": "GRCh37",
            "sha256": "",
            "filters": "{}",
        }
        gwas = bm.align(
            xr.Dataset(data, attrs=attrs),
            reference,
            blocks=blocks,
            ambiguous="keep",
            exclude_regions=(),
        )
        results = bm.fit(bm.models.univariate_mixer(gwas), "laplace", profile=False)
        low, high = np.quantile(results["posterior"]["sigma2_0"].values, [0.05, 0.95])
        mixer = fits["univariate"][f"trait{trait}"]["params"]["sig2_zero"]
        print(
            f"{trait}  {float(results['estimate']['sigma2_0']):.3f}  [{low:.3f}, {high:.3f}]  "
            f"{SIGMA2_0[trait]}  {mixer:.3f}",
            flush=True,
        )


def main() -> None:
    p = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    p.add_argument("panel", type=Path)
    p.add_argument("--pair", action="store_true", help="the pair alone")
    p.add_argument("--shared", type=Path, default=Path("../shared"))
    p.add_argument("--work", type=Path, default=Path("demo_output"))
    a = p.parse_args()
    a.work.mkdir(parents=True, exist_ok=True)
    folder, blocks = a.shared / "reference/mixer", a.shared / "data/ld_blocks/eur_hg19.bed"
    fits = json.loads((folder / "fits.json").read_text())
    with np.load(folder / "inputs.npz") as file:
        inputs = dict(file)
    if not a.pair:
        same_inputs(inputs, fits, blocks)
    same_pair(inputs, fits, blocks)
    if not a.pair:
        all_ld(inputs, a.panel, blocks, a.work, fits)


if __name__ == "__main__":
    main()
