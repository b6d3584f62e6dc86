"""The simulations of the mash thesis (Urbut 2016, chapters 2 to 4), beside what mashr measured.

    python benchmarks/mash_thesis.py [SCENARIO ...] [--sims ../shared/reference/mash/thesis_sims]
                                     [--out benchmarks/results/mash_thesis.tsv] [--table]
                                     [--fresh 11 12 13] [--known 200]

20,000 effects in 44 conditions, standard errors 0.1: structured (400 effects of eight covariances
learned from GTEx), unstructured (400 of N(0, 0.1^2 I); _strong: N(0, I)), independent (400 in each
condition); structured_hetero, 4,000 effects with errors that differ; baseline_null and
baseline_signal, 12,000 x 8 compared with the last; mean_signal, the latter compared with the mean
of the eight. Each scenario is a process of its own; methods that the file of results has are not
run again. `--fresh` draws the first five anew from these seeds, which no default was chosen by, and
runs the default and ash alone (baseline_signal, mean_signal: all but the naive, and their means
over the seeds). `--known` counts wrong calls by the independent scenario's own mixture over seeds.
`--mixed` runs the default with the component of independent effects and without it on effects that
are partly so: `both`, those of structured and of independent together; `halves`, structured in the
first 22 conditions, independent in the others. `--table` prints what it has beside mashr's.
OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1, 12 minutes.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray
from scipy.stats import norm

import bayesmixer as bm

Array = NDArray[np.float64]
MANY = ("structured", "unstructured", "unstructured_strong", "independent", "structured_hetero")
BASELINE = ("baseline_null", "baseline_signal", "mean_signal")
MIXED = ("both", "halves")
THEIRS = {
    "default": "mash_EE", "rank-preserving": "mash_EE", "canonical": "mash_canonical_EE",
    "bmalite": "bmalite", "ash": "ash", "true U": "oracle_EE",
    "default, baseline": "commonbaseline", "canonical, baseline": "commonbaseline_canonical",
    "as the thesis, baseline": "commonbaseline", "naive": "naive_canonical",
}  # fmt: skip
LITE_GRID = 0.1 * np.sqrt(0.1 * 4.0 ** np.arange(5))
Method = Callable[[], tuple[xr.Dataset, dict[str, Any]]]


def methods(name: str, data: dict[str, Any], u8: Array) -> Iterator[tuple[str, Method]]:
    """What is run on a scenario: posteriors, and what else there is to say."""
    raw = bm.read_effects(data["Bhat"], data["Shat"])
    if name in BASELINE:
        if name == "mean_signal":
            deviations = bm.read_effects(data["Bhat"], data["Shat"], baseline="mean")
            yield "default, mean", lambda: whole(deviations)
            yield "canonical, mean", lambda: fitted(deviations, "canonical")
            return
        differences = bm.read_effects(data["Bhat"], data["Shat"], baseline=7)
        yield "default, baseline", lambda: whole(differences)
        yield "canonical, baseline", lambda: fitted(differences, "canonical")
        z = (differences["bhat"] / differences["shat"]).values.max(1)
        thesis = {"strong": np.flatnonzero(z > 2.5), "n_components": 3}
        thesis["deconvolution"] = "rank_preserving"
        yield "as the thesis, baseline", lambda: fitted(differences, None, **thesis)
        # as if the differences had independent errors
        errors = np.sqrt(2) * np.asarray(data["Shat"])[:, :-1]
        naive = bm.read_effects(differences["bhat"].values, errors)
        yield "naive", lambda: fitted(naive, "canonical")
        if name == "baseline_signal":
            single = np.diag(np.arange(7) == 0).astype(float)
            drawn = {"identity": np.eye(7), "equal": np.ones((7, 7)), "first": single}
            yield "true U, baseline", lambda: fitted(differences, [], more=drawn)
            known = bm.mash.given(drawn, [1.0], [0.9, *np.full(3, 0.1 / 3)])
            yield "true mixture, baseline", lambda: (bm.mash.posterior(known, differences), {})
        return
    grid = LITE_GRID if name != "structured_hetero" else None
    yield "default", lambda: whole(raw)
    yield "default, no independent component", lambda: whole(raw, independent=False)
    yield "rank-preserving", lambda: fitted(raw, None, deconvolution="rank_preserving")
    yield "canonical", lambda: fitted(raw, "canonical")
    yield "bmalite", lambda: fitted(raw, "bmalite", grid=grid)
    for kind in ("fixed", "random"):
        yield kind, lambda kind=kind: fitted(raw, kind, grid=grid)  # type: ignore[misc]
    yield "ash", lambda: alone(raw)
    truth = {"identity": np.eye(44)}
    if name.startswith("structured"):
        truth = {f"U_{k}": u for k, u in enumerate(u8)}
    if name != "independent":
        yield "true U", lambda: fitted(raw, [], more=truth)
    yield "raw", lambda: (raw.rename(bhat="mean"), {})


def whole(effects: xr.Dataset, **options: Any) -> tuple[xr.Dataset, dict[str, Any]]:
    """The one call."""
    return _told(bm.mash.run(effects, **options))


def fitted(
    effects: xr.Dataset, kinds: Any, grid: Any = None, **options: Any
) -> tuple[xr.Dataset, dict[str, Any]]:
    """Given kinds of covariances."""
    given = {} if kinds is None else {"kinds": kinds}
    fit = bm.mash.fit(effects, bm.mash.covariances(effects, **given, **options), grid=grid)
    return _told(bm.mash.together(fit, bm.mash.posterior(fit, effects)))


def alone(effects: xr.Dataset) -> tuple[xr.Dataset, dict[str, Any]]:
    """ash, condition by condition."""
    b, s = effects["bhat"].values, effects["shat"].values
    every = [bm.ash(b[:, r], s[:, r])["effects"] for r in range(b.shape[1])]
    both = ("effect", "condition")
    columns = {n: (both, np.c_[tuple(one[n].values for one in every)]) for n in ("mean", "lfsr")}
    return xr.Dataset(columns), {}


def _told(found: xr.DataTree) -> tuple[xr.Dataset, dict[str, Any]]:
    estimate = found["estimate"]
    names = (
        "log_likelihood",
        "penalised_log_likelihood",
        "pi0",
        "independent_weight",
        "duality_gap",
    )
    return found["effects"].to_dataset(), {n: float(estimate[n]) for n in names if n in estimate}


def scores(posterior: xr.Dataset, true: Array, bhat: Array) -> dict[str, float]:
    """Accuracy, calls and their signs."""
    mean = posterior["mean"].values
    there = true != 0
    error = float(np.sqrt(np.square(bhat - true).mean()))
    out: dict[str, float] = {}
    for name, some in (("all", ...), ("nonnull", there), ("null", ~there)):
        if np.size(true[some]):
            out[f"rrmse_{name}"] = float(np.sqrt(np.square(mean - true)[some].mean())) / error
    rows = there.any(1)
    if rows.any():
        out |= _sharing_error(mean[rows], true[rows])
    if "lfsr" not in posterior:
        return out
    lfsr = posterior["lfsr"].values
    called, right = lfsr < 0.05, there & (np.sign(mean) == np.sign(true))
    out |= {
        "calls": int(called.sum()),
        "of_null": int((called & ~there).sum()),
        "wrong_signs": int((called & there & ~right).sum()),
        "rows_called": int(called.any(1).sum()),
        "rows_called_null": int((called.any(1) & ~rows).sum()),
    }
    if called.any():
        out["wrong"] = float(1 - right[called].mean())
        out["promised"] = float(lfsr[called].mean())
    if there.any():
        out |= {f"found_at_{f:g}": _found(-lfsr, right, ~there, f) for f in (1e-4, 1e-3, 1e-2)}
        by_row = -lfsr.min(1)
        out |= {f"rows_at_{f:g}": _found(by_row, rows, ~rows, f) for f in (1e-3, 1e-2)}
    return out


def _found(height: Array, hit: Any, null: Any, rate: float) -> float:
    """Share of what is not null found (with the right sign) where that rate of nulls is called."""
    if not null.any():
        return float("nan")
    cut = np.quantile(height[null], 1 - rate, method="higher")
    return float((hit & (height > cut)).sum() / (~null).sum())


def _sharing_error(mean: Array, true: Array) -> dict[str, float]:
    """Mean error of the number of conditions that share the sign, or the size within a factor of 2,
    of the condition of the largest effect.
    """

    def shared(b: Array) -> tuple[Any, Any]:
        top = b[np.arange(len(b)), np.abs(b).argmax(1)][:, None]
        with np.errstate(invalid="ignore", divide="ignore"):
            ratio = np.nan_to_num(b / top)
        return (ratio > 0).sum(1), (ratio > 0.5).sum(1)

    pairs = zip(shared(mean), shared(true), strict=True)
    return {
        f"sharing_error_{name}": float(np.abs(ours - theirs).mean())
        for name, (ours, theirs) in zip(("sign", "magnitude"), pairs, strict=True)
    }


def simulated(name: str, sims: Path, seed: int | None = None) -> tuple[dict[str, Any], Array]:
    """Data of a scenario, of that seed or the recorded one, and the covariances of the structured
    one.
    """
    spec = importlib.util.spec_from_file_location("simulate_thesis", sims / "simulate_thesis.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    u8 = np.load(sims / "U8.npy")
    drawn = "baseline_signal" if name == "mean_signal" else name
    if seed is not None:
        module.SEEDS = {drawn: [seed, (*MANY, *BASELINE).index(drawn)]}
    data = module.make(drawn, u8)
    if name == "mean_signal":
        data["Shat"] = np.full(data["Bhat"].shape, np.sqrt(0.5))
        data["true"], data["bhat"] = (
            x - x.mean(1, keepdims=True) for x in (data["B"], data["Bhat"])
        )
        data["true"][np.abs(data["true"]) < 1e-12] = 0
        return data, u8
    if name in BASELINE:
        data["Shat"] = np.full(data["Bhat"].shape, np.sqrt(0.5))
        data["true"] = data["B"][:, :-1] - data["B"][:, -1:]
        data["bhat"] = data["Bhat"][:, :-1] - data["Bhat"][:, -1:]
        return data, u8
    if name == "structured_hetero":
        data = {k: np.asarray(x)[:4000] for k, x in data.items()}
    return data | {"true": data["B"], "bhat": data["Bhat"]}, u8


def mixed(sims: Path) -> str:
    """What effects that are partly independent come to, as Markdown."""
    parts = [simulated(name, sims)[0]["true"] for name in ("structured", "independent")]
    first = np.arange(parts[0].shape[1]) < 22
    lines = ["| effects | component | error | wrong | promised | weight |", "|---" * 6 + "|"]
    for name in MIXED:
        true = parts[0] + parts[1] if name == "both" else np.where(first, *parts)
        bhat = true + 0.1 * np.random.default_rng(440006).standard_normal(true.shape)
        for independent in (False, True):
            found, told = whole(bm.read_effects(bhat, 0.1), independent=independent)
            one = scores(found, true, bhat)
            weight = told.get("independent_weight", 0.0)
            lines.append(
                f"| {name} | {independent} | {one['rrmse_all']:.4f} | {one['wrong']:.4f} | "
                f"{one['promised']:.4f} | {weight:.2f} |"
            )
    return "\n".join(lines)


def scenario(name: str, sims: Path, out: Path) -> None:
    """Run what the file of results lacks."""
    data, u8 = simulated(name, sims)
    held = (
        pd.read_csv(out, sep="\t") if out.exists() else pd.DataFrame(columns=["scenario", "method"])
    )
    done = set(held["method"][held["scenario"] == name])
    for method, run in methods(name, data, u8):
        if method in done:
            continue
        start = time.process_time()
        posterior, told = run()
        seconds = time.process_time() - start
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        row = {"scenario": name, "method": method, "cpu_seconds": round(seconds, 2)}
        row |= {"peak_mb": round(peak)} | scores(posterior, data["true"], data["bhat"]) | told
        print(json.dumps(row), flush=True)
        held = pd.concat([held, pd.DataFrame([row])], ignore_index=True)
        aside = out.with_suffix(".partial")
        held.to_csv(aside, sep="\t", index=False, float_format="%.7g")
        aside.replace(out)


def _with_baseline(every: dict[str, Method], data: dict[str, Any]) -> dict[str, list[float]]:
    """Of every method right and false calls and the error; and, where the mixture is known, right
    and false calls as who knows it expects them of this method's, and right ones down its list to
    where a fiftieth is expected to be false.
    """
    known = every["true mixture, baseline"]()[0] if "true mixture, baseline" in every else None
    found = {}
    for method, run in every.items():
        if method == "naive":
            continue
        posterior = run()[0]
        one = scores(posterior, data["true"], data["bhat"])
        false = one["of_null"] + one["wrong_signs"]
        found[method] = [one["calls"] - false, false, one["rrmse_all"]]
        if known is not None:
            negative, zero = known["negative_prob"].values, known["lfdr"].values
            wrong = np.where(posterior["mean"].values > 0, negative + zero, 1 - negative)
            lfsr = posterior["lfsr"].values
            called = wrong[lfsr < 0.05]
            down = wrong.ravel()[np.argsort(lfsr, axis=None)]
            rate = np.cumsum(down) / np.arange(1, down.size + 1)
            last = int(np.flatnonzero(rate <= 0.02).max(initial=-1)) + 1
            found[method] += [(1 - called).sum(), called.sum(), last - down[:last].sum()]
    return found


def over_seeds(name: str, by_seed: list[dict[str, list[float]]]) -> Iterator[str]:
    """Means over seeds of what `_with_baseline` finds, and the standard error of the first's."""
    names = ["found", "false", "error", "found, expected", "false, expected", "found at .02"]
    for method, first in by_seed[0].items():
        every = np.array([one[method] for one in by_seed])
        means = [f"{n} {x:.4g}" for n, x in zip(names, every.mean(0), strict=False)]
        spread = every.std(0, ddof=1)[0] if len(every) > 1 else np.nan
        yield f"{name}, {method}: {', '.join(means[: len(first)])} (sd of found {spread:.1f})"


def known(seeds: int) -> str:
    """Wrong calls of the independent scenario by who knows its mixture, over seeds, beside what the
    rates promise.
    """
    sds, cells = np.array([0.1, 0.5, 0.75, 1.0]), 20_000 * 44
    total = np.zeros(3)
    for seed in range(seeds):
        rng = np.random.default_rng([seed, len(MANY)])
        true = np.zeros(cells)
        true[: 400 * 44] = rng.choice(sds, 400 * 44) * rng.standard_normal(400 * 44)
        bhat = true + 0.1 * rng.standard_normal(cells)
        true, bhat = true[np.abs(bhat) > 0.2], bhat[np.abs(bhat) > 0.2]
        lfsr = _known_lfsr(bhat)
        called = lfsr < 0.05
        wrong = np.sign(true) != np.sign(bhat)
        total += called.sum(), wrong[called].sum(), lfsr[called].sum()
    return f"{seeds} seeds: {total[0]:,.0f} calls, {total[1]:,.0f} wrong, {total[2]:,.1f} promised"


def _rates(one: dict[str, float]) -> str:
    return " | ".join(f"{one.get(k, np.nan):.4f}" for k in ("wrong", "expected", "promised"))


def expected_wrong(posterior: xr.Dataset, bhat: Array) -> float:
    """Share of calls expected to be wrong by who knows the mixture of the independent scenario."""
    wrong, null = _known_lfsr(bhat), _known_null(bhat)
    agrees = np.sign(posterior["mean"].values) == np.sign(bhat)
    wrong = np.where(agrees, wrong, 1 + null - wrong)
    return float(wrong[posterior["lfsr"].values < 0.05].mean())


def _known(bhat: Array) -> dict[float, Array]:
    """Densities of the effects' mixture in the independent scenario, of 0 by 0."""
    weights = {0.0: 0.98} | dict.fromkeys((0.1, 0.5, 0.75, 1.0), 0.005)
    return {sd: w * norm.pdf(bhat, 0, np.hypot(0.1, sd)) for sd, w in weights.items()}


def _known_null(bhat: Array) -> Array:
    likely = _known(bhat)
    null: Array = likely[0.0] / sum(likely.values())
    return null


def _known_lfsr(bhat: Array) -> Array:
    """Probability that an effect has not the sign of its estimate."""
    likely = _known(bhat)
    z = np.abs(bhat) / 0.1
    same = sum(f * norm.cdf(z * sd / np.hypot(0.1, sd)) for sd, f in likely.items() if sd)
    wrong: Array = 1 - same / sum(likely.values())
    return wrong


def fresh(seeds: list[int], names: list[str], sims: Path) -> str:
    """The default and ash on data of other seeds, with a baseline all, as Markdown."""
    lines = [
        "| scenario | seed | error | calls | wrong | expected | promised | independent |"
        " ash: error | wrong | expected | promised |",
        "|---" * 12 + "|",
    ]
    for name in names:
        by_seed = []
        for seed in seeds:
            data, u8 = simulated(name, sims, seed)
            every = dict(methods(name, data, u8))
            if name in BASELINE:
                by_seed.append(_with_baseline(every, data))
                cells = [f"{a:.0f}, {b:.0f}, {c:.4f}" for a, b, c, *_ in by_seed[-1].values()]
                lines.append(f"| {name} | {seed} | {' | '.join(cells)} |")
                print(lines[-1], flush=True)
                continue
            posterior, told = every["default"]()
            alone = every["ash"]()[0]
            one = scores(posterior, data["true"], data["bhat"])
            ash = scores(alone, data["true"], data["bhat"])
            if name == "independent":
                one["expected"] = expected_wrong(posterior, data["bhat"])
                ash["expected"] = expected_wrong(alone, data["bhat"])
            lines.append(
                f"| {name} | {seed} | {one['rrmse_all']:.4f} | {one['calls']:,} | "
                f"{_rates(one)} | {told['independent_weight']:.2f} | {ash['rrmse_all']:.4f} | "
                f"{_rates(ash)} |"
            )
            print(lines[-1], flush=True)
        if by_seed:
            lines += over_seeds(name, by_seed)
    return "\n".join(lines)


def who_finds_what(name: str, sims: Path) -> str:
    """Effects found by the default, bmalite and ash (thesis table 3.4)."""
    data, u8 = simulated(name, sims)
    every = dict(methods(name, data, u8))
    called = [every[m]()[0]["lfsr"].values < 0.05 for m in ("default", "bmalite", "ash")]
    key = called[0] * 4 + called[1] * 2 + called[2] * 1
    n = np.bincount(key.ravel(), minlength=8)
    words = ["", "ash", "bmalite", "bmalite, ash", "mash", "mash, ash", "mash, bmalite", "all"]
    return f"{name}: " + "; ".join(f"{w} {c}" for w, c in zip(words[1:], n[1:], strict=True))


def table(out: Path, sims: Path) -> str:
    """Results as Markdown, beside mashr's."""
    results, baseline = (
        json.loads((sims / f).read_text()) for f in ("results.json", "baseline.json")
    )
    lines: list[str] = []
    for name, rows in pd.read_csv(out, sep="\t").groupby("scenario", sort=False):
        few = str(name) in BASELINE
        lines += [f"\n### {name}\n"]
        heads = ["error: all", "not null", "null", "calls", "of null", "wrong", "promised"]
        heads += ["shared: sign", "size", "found at .001", "rows", "CPU s"]
        lines += ["| method | " + " | ".join(heads) + " |", "|---" * (len(heads) + 1) + "|"]
        for _, row in rows.iterrows():
            theirs = _theirs(str(name), row["method"], results, baseline, few)
            keys = ["rrmse_all", "rrmse_nonnull", "rrmse_null", "calls", "of_null", "wrong"]
            keys += ["promised", "sharing_error_sign", "sharing_error_magnitude", "found_at_0.001"]
            keys += ["rows_at_0.001"]
            cells = [_pair(row.get(k), theirs.get(k)) for k in keys]
            cells += [_pair(row["cpu_seconds"], theirs.get("cpu_seconds"))]
            lines += [f"| {row['method']} | " + " | ".join(cells) + " |"]
    return "\n".join(lines)


def _theirs(name: str, method: str, results: Any, baseline: Any, few: bool) -> dict[str, Any]:
    stem = THEIRS.get(method)
    if few:
        one = baseline.get(f"{name}_{stem}", {})
        called = one.get("n_sig") or float("nan")
        wrong = (one.get("n_sig_false", 0) + one.get("n_sig_wrong_sign", 0)) / called
        return {
            "rrmse_all": one.get("rrmse_all"), "calls": one.get("n_sig"),
            "of_null": one.get("n_sig_false"), "wrong": wrong,
            "promised": one.get("mean_lfsr_sig"), "cpu_seconds": one.get("cpu"),
        }  # fmt: skip
    found = results.get(name, {})
    one = found.get("accuracy", {}).get("raw" if method == "raw" else stem, {})
    cpu = [x["cpu"] for k, x in found.get("timing", {}).items() if k.startswith(f"{stem}.")]
    sharing = one.get("sharing_error", {})
    if isinstance(sharing, list):
        sharing = dict(zip(("sign", "magnitude"), sharing, strict=False))
    return {
        "rrmse_all": one.get("rrmse_all"), "rrmse_nonnull": one.get("rrmse_nonnull"),
        "rrmse_null": one.get("rrmse_null"), "calls": one.get("n_sig"),
        "of_null": one.get("n_sig_null"), "wrong": one.get("wrong_sign_rate"),
        "promised": one.get("mean_lfsr_sig"), "sharing_error_sign": sharing.get("sign"),
        "sharing_error_magnitude": sharing.get("magnitude"),
        "cpu_seconds": sum(cpu) if cpu else None,
    }  # fmt: skip


def _pair(ours: Any, theirs: Any) -> str:
    def one(x: Any) -> str:
        if x is None or not np.isfinite(float(x)):
            return ""
        return f"{x:,.0f}" if float(x) >= 100 else f"{float(x):.3g}"

    return one(ours) + (f" ({one(theirs)})" if one(theirs) else "")


def main() -> None:
    """Scenarios, each in a process; the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("scenario", nargs="*", default=[*MANY, *BASELINE])
    parser.add_argument("--sims", type=Path, default=Path("../shared/reference/mash/thesis_sims"))
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/mash_thesis.tsv"))
    parser.add_argument("--table", action="store_true", help="only print what there is")
    parser.add_argument("--fresh", type=int, nargs="+", help="seeds of data drawn anew")
    parser.add_argument("--known", type=int, help="only the known mixture, of so many seeds")
    parser.add_argument("--finds", action="store_true", help="only print who finds what")
    parser.add_argument("--mixed", action="store_true", help="only effects partly independent")
    a = parser.parse_args()
    if a.mixed:
        print(mixed(a.sims))
        return
    if a.fresh:
        print(fresh(a.fresh, [name for name in a.scenario if name != BASELINE[0]], a.sims))
        return
    if a.known:
        print(known(a.known))
        return
    if a.finds:
        for name in a.scenario:
            print(who_finds_what(name, a.sims), flush=True)
        return
    if not a.table:
        if len(a.scenario) == 1:
            scenario(a.scenario[0], a.sims, a.out)
            return
        for name in a.scenario:
            where = ["--sims", str(a.sims), "--out", str(a.out)]
            subprocess.run([sys.executable, __file__, name, *where], check=True)
    print(table(a.out, a.sims))


if __name__ == "__main__":
    main()
