"""One replicate of a coverage study: simulate z-scores through the panel's LD, fit, and write down
estimate, truth and intervals.
"""

from __future__ import annotations

import json
import time
import warnings
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from bayesmixer import aside
from bayesmixer.card import cards
from bayesmixer.laboratory.cells import Cell, numbers

LEVELS = (50, 80, 90, 95)
REALISED = "_realised"
"""What follows a parameter's name where its truth is what the draws came to."""


@dataclass(frozen=True)
class Settings:
    """What every replicate of a study shares; paths are to the panel, its LD blocks and the
    reference made of them, `options` what the model is made with besides data and prior,
    `alignment` other options of `align` than the laboratory's.
    """

    genotypes: str
    ld_blocks: str
    reference: str
    chromosomes: tuple[str, ...] | None
    model: str
    method: str
    prior: str
    draws: int
    bootstrap: int
    seed: int
    options: Mapping[str, Any] = field(default_factory=dict)
    alignment: Mapping[str, Any] = field(default_factory=dict)


class Bench:
    """Panel and GwasData, made once a process; only z and n change from replicate to replicate."""

    def __init__(self, settings: Settings) -> None:
        import bayesmixer as bm
        from bayesmixer.simulation.panel import panel_blocks

        self.settings = settings
        chromosomes: Any = None if settings.chromosomes is None else list(settings.chromosomes)
        self.panel = panel_blocks(settings.genotypes, settings.ld_blocks, chromosomes)
        v = self.panel.variants
        columns = {
            name: ("variant", v[name].astype(str).to_numpy(object))
            for name in ("snp", "chrom", "a1", "a2")
        }
        size = len(v)
        columns |= {
            "pos": ("variant", v["pos"].to_numpy()),
            "z": ("variant", np.random.default_rng(0).standard_normal(size)),
            "n": ("variant", np.full(size, 1e5)),
        }
        attrs = {
            "kind": "sumstats",
            "source": "simulated",
            "trait": "simulated",
            "build": "",
            "sha256": "",
            "filters": "{}",
        }
        sumstats = xr.Dataset(columns, attrs=attrs)
        traits = cards()[settings.model].traits
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", bm.DataWarning)
            self.data = bm.align(
                sumstats if traits == 1 else {f"trait{t + 1}": sumstats for t in range(traits)},
                settings.reference,
                blocks=settings.ld_blocks,
                by="id",
                ambiguous="keep",
                exclude_regions=(),
                progress=False,
                **settings.alignment,
            )
        self.rows = pd.Index(v["snp"]).get_indexer(self.data["snp"].values)

    def batch(self, cell: Cell, number: int, size: int) -> tuple[pd.DataFrame, dict[str, Any]]:
        """The first `size` of a batch of replicates of a cell, one row a parameter; the same
        whatever ran before. And their scores by LD block.
        """
        rng = np.random.default_rng([self.settings.seed, zlib.crc32(cell.name.encode()), number])
        judged = cards()[self.settings.model].judged
        began = time.process_time()
        simulated = cell.simulate(self.panel, cell.batch, rng)
        simulating = time.process_time() - began
        rows: list[dict[str, Any]] = []
        blocks: dict[str, Any] = {}
        for r in range(size):
            one = simulated.isel(replicate=r)
            z, n = one["z"].values[self.rows], one["n"].values[self.rows]
            data = self.data.assign(z=(self.data["z"].dims, z), n=(self.data["n"].dims, n))
            common = {
                "cell": cell.name,
                **numbers(cell),
                "replicate": number * cell.batch + r,
                **cell.realised(one),
                "mean_chi2": float((z**2).mean()),
            }
            if judged:
                from bayesmixer.laboratory import reported  # which imports this

                aims: Any = cell
                common["cpu_simulate"] = simulating / cell.batch
                found, draws = reported.rows(
                    self.settings, data, aims.truths(self.panel, one), common, judged
                )
                rows += found
                blocks |= {f"{name}_{common['replicate']}": v for name, v in draws.items()}
                continue
            found, calibration = self._fitted(data, common)
            rows += found
            if calibration is not None:
                kept = ("score", "curvature", "prior_precision", "covariance_raw", "covariance")
                blocks |= {
                    f"{name}_{common['replicate']}": calibration[name].values.astype(np.float32)
                    for name in kept
                }
        return pd.DataFrame(rows), blocks

    def _fitted(
        self, data: xr.Dataset, common: dict[str, Any]
    ) -> tuple[list[dict[str, Any]], xr.Dataset | None]:
        import bayesmixer as bm

        s, card = self.settings, cards()[self.settings.model]
        began, cpu = time.perf_counter(), time.process_time()
        model = getattr(bm.models, s.model)(data, prior=s.prior, **s.options)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            results = (
                bm.fit(model, s.method, draws=s.draws, seed=s.seed, profile=False, progress=False)
                if s.method != "map"
                else bm.fit(model, "map")
            )
            referee = (
                bm.calibrate(
                    results, data, adjust="bootstrap", replicates=s.bootstrap, progress=False
                )
                if s.bootstrap
                else None
            )
        estimate = results["estimate"].to_dataset()
        common |= {
            "seconds": time.perf_counter() - began,
            "cpu_seconds": time.process_time() - cpu,
            "method": str(results.attrs["method"]),
            "converged": bool(estimate.attrs["converged"]),
            "at_bound": ",".join(json.loads(estimate.attrs["at_bound"])),
            "calibrated": results.attrs["calibrated"] != "no",
            "concerns": "|".join(json.loads(results.attrs["warnings"])),
            "bic_gain": float(
                estimate.attrs.get(f"bic_{card.null}", np.nan) - estimate.attrs.get("bic", np.nan)
            ),
        }
        rows = []
        for name in map(str, estimate["parameter"].values):
            one = card.parameter(name)
            truths = {name: np.nan if one is None or one.truth is None else one.truth(common, data)}
            if one is not None and one.realised is not None:
                truths[name + REALISED] = one.realised(common)
            for label, truth in truths.items():
                row = common | {
                    "parameter": label,
                    "truth": truth,
                    "estimate": float(estimate["mode"].sel(parameter=name)),
                }
                rows.append(row | _intervals(results, referee, name))
        return rows, results[
            "calibration"
        ].to_dataset() if "calibration" in results.children else None


def _intervals(results: xr.DataTree, referee: xr.DataTree | None, name: str) -> dict[str, float]:
    """Standard deviations, and ends of the central intervals: calibrated (low90, high90), raw
    (raw_low90, ..), of the bootstrap (boot_low90, ..).
    """
    from scipy.stats import norm

    out: dict[str, float] = {}
    estimate = results["estimate"].to_dataset()
    centre = float(estimate["mode"].sel(parameter=name))
    calibrated = "calibration" in results.children
    covariances = {
        "raw_": estimate["covariance"],
        "": estimate["covariance_calibrated"] if calibrated else estimate["covariance"],
    }
    groups = {
        "raw_": "uncalibrated_unconstrained_posterior" if calibrated else "unconstrained_posterior",
        "": "unconstrained_posterior",
    }
    for prefix, covariance in covariances.items():
        sd = float(np.sqrt(covariance.sel(parameter=name, parameter_bis=name)))
        draws = (
            results[groups[prefix]].to_dataset()[name].values.ravel()
            if groups[prefix] in results.children
            else None
        )
        out[f"{prefix}sd"] = sd if draws is None else float(draws.std())
        for level in LEVELS:
            tail = 0.5 - level / 200
            low, high = (
                (centre + sd * norm.ppf(tail), centre - sd * norm.ppf(tail))
                if draws is None
                else np.quantile(draws, [tail, 1 - tail])
            )
            out[f"{prefix}low{level}"], out[f"{prefix}high{level}"] = float(low), float(high)
    if referee is not None:
        draws = referee["unconstrained_posterior"].to_dataset()[name].values.ravel()
        out["boot_sd"] = float(draws.std())
        for level in LEVELS:
            out[f"boot_low{level}"], out[f"boot_high{level}"] = (
                float(q) for q in np.quantile(draws, [0.5 - level / 200, 0.5 + level / 200])
            )
    if calibrated:
        out["blocks_effective"] = float(
            results["calibration"]["blocks_effective"].sel(parameter=name)
        )
    return out


def recalibrated(rows: pd.DataFrame, path: Path) -> pd.DataFrame:
    """Rows of a batch fitted by "map", with intervals by the calibration of today from the scores
    and curvature kept beside it.
    """
    from scipy.stats import norm

    from bayesmixer.inference.information import Information
    from bayesmixer.inference.mode_covariance import from_information

    rows = rows.copy()
    with np.load(path) as kept:
        for replicate, at in rows.groupby("replicate").groups.items():
            if f"score_{replicate}" not in kept:
                continue
            score, curvature, prior, raw = (
                kept[f"{name}_{replicate}"].astype(float)
                for name in ("score", "curvature", "prior_precision", "covariance_raw")
            )
            info = Information(score, curvature, prior, np.arange(len(score)))
            labels = rows.loc[at, "parameter"].str.removesuffix(REALISED)
            names = list(dict.fromkeys(labels))
            found = from_information(
                info,
                raw,
                names,
                [name for name in str(rows.loc[at[0], "at_bound"]).split(",") if name],
            )
            if isinstance(found, str):
                continue
            position = np.array([names.index(name) for name in labels])
            sd = np.sqrt(np.diag(found.covariance))[position]
            centre = rows.loc[at, "estimate"].to_numpy()
            rows.loc[at, "sd"], rows.loc[at, "blocks_effective"] = (
                sd,
                info.influence.effective[position],
            )
            rows.loc[at, "concerns"] = "|".join(found.concerns)
            for level in LEVELS:
                half = sd * norm.ppf(0.5 + level / 200)
                rows.loc[at, f"low{level}"], rows.loc[at, f"high{level}"] = (
                    centre - half,
                    centre + half,
                )
    return rows


_bench: Bench | None = None


def start(settings: Settings) -> None:
    """Make a worker process ready: one thread, panel and reference in memory."""
    import numba as nb

    global _bench
    nb.set_num_threads(1)
    _bench = Bench(settings)


def work(settings: Settings, cell: Cell, number: int, size: int, path: str) -> str:
    """Run one batch and write it, aside first; the bench is made on first use where no initialiser
    ran (dask).
    """
    global _bench
    if _bench is None or _bench.settings != settings:
        start(settings)
    assert _bench is not None
    table, blocks = _bench.batch(cell, number, size)
    if blocks:  # for other estimators of the calibrated covariance, without fitting again
        with aside.writing(Path(path).with_suffix(".npz")) as beside:
            np.savez_compressed(beside, **blocks)
    with aside.writing(path) as beside:
        table.to_parquet(beside, index=False)
    return path
