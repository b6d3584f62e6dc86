"""One replicate of a study that judges what a model reports: draws of the posterior that a user
sees, the central and the highest-density interval of each quantity, and what is claimed about the
ends of a parameter's range (`card.Ends`), beside the truth.

By "map" the draws are normal about the mode, moved as `fit` moves those of Laplace (calibrated,
mixed with the ends), without their importance weights, which would take longer than all the rest.
The search starts at the truth; where the way from one end to the other, which is climbed in any
case, meets a higher place than the mode, it starts anew as that of `fit` does.
"""

from __future__ import annotations

import json
import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from bayesmixer.card import cards
from bayesmixer.interval import shortest
from bayesmixer.laboratory.replicates import LEVELS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bayesmixer.bound import Bound
    from bayesmixer.inference.density import LogDensity
    from bayesmixer.inference.find_map import Optimum
    from bayesmixer.inference.points import Points
    from bayesmixer.laboratory.replicates import Settings

HIGHER = 0.01  # log posterior by which a place on the way is higher than the mode
Facts = dict[str, Any]


def rows(
    settings: Settings,
    data: xr.Dataset,
    truths: Mapping[str, Mapping[str, Any]],
    common: Facts,
    judged: Sequence[str],
) -> tuple[list[Facts], dict[str, NDArray[np.float32]]]:
    """Rows of one replicate, one a quantity, component and kind of truth.

    Parameters
    ----------
    settings
        Of the study.
    data
        The replicate's.
    truths
        What the simulation records, by what follows a quantity's name (`ReportedCell.truths`).
    common
        What every row of the replicate holds; gains what was found of the replicate.
    judged
        The quantities.

    Returns
    -------
    list of dict
        Rows: `parameter` (`name`, `name[component]`, with `_realised` behind the name), `truth`,
        `estimate` (median), `sd`, `low90`, `high90`, .. (central), `hdi_low90`, .. (shortest),
        probabilities and Bayes factors of the statements, `true_<statement>`, CPU seconds by part.
    dict
        Draws (S, ..) of each quantity, for other intervals.
    """
    import bayesmixer as bm

    clock = time.perf_counter(), time.process_time()
    model = getattr(bm.models, settings.model)(data, prior=settings.prior, **settings.options)
    common["cpu_model"] = time.process_time() - clock[1]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = _normal if settings.method == "map" else _fitted
        posterior = found(model, settings, truths[""], common)
    common |= {
        "seconds": time.perf_counter() - clock[0],
        "cpu_seconds": time.process_time() - clock[1],
    }
    card, out, kept = cards()[settings.model], [], {}
    for name in judged:
        one = card.quantity(name)
        assert one is not None and one.truth is not None, name
        draws = posterior[name].transpose("chain", "draw", ...)
        flat = draws.values.reshape(-1, *draws.shape[2:])
        kept[name] = flat.astype(np.float32)
        for behind, truth in truths.items():
            value = np.asarray(one.truth(truth), float)
            if behind and np.array_equal(value, np.asarray(one.truth(truths[""]), float)):
                continue  # nothing else was realised
            for at in np.ndindex(*flat.shape[1:]):
                label = ", ".join(
                    str(draws[d].values[i]) for d, i in zip(draws.dims[2:], at, strict=True)
                )
                row: Facts = {
                    "parameter": f"{name}{behind}" + (f"[{label}]" if label else ""),
                    "truth": float(value[at]),
                }
                if np.isfinite(row["truth"]):
                    out.append(common | row | intervals(flat[(slice(None), *at)]))
    return out, kept


def intervals(draws: NDArray[np.float64]) -> dict[str, float]:
    """Median, standard deviation, and ends of the central and of the shortest intervals of draws.

    A new draw falls between quantiles at (n + 1) p with the stated probability, however few there
    are. A shortest one may be open on a side (`interval.shortest`).
    """
    x = np.sort(draws)
    out = {"estimate": float(np.median(x)), "sd": float(x.std())}
    for level in LEVELS:
        tail = 0.5 - level / 200
        low, high = np.quantile(x, [tail, 1 - tail], method="weibull")
        first, last = shortest(x, level / 100)
        out |= {
            f"low{level}": float(low),
            f"high{level}": float(high),
            f"hdi_low{level}": first,
            f"hdi_high{level}": last,
        }
    return out


def _normal(model: Any, settings: Settings, truth: Mapping[str, Any], common: Facts) -> xr.Dataset:
    """Draws about the mode, mixed with the ends."""
    from bayesmixer.inference.density import LogDensity
    from bayesmixer.inference.find_map import climb, covariance_of
    from bayesmixer.inference.fit import searched
    from bayesmixer.models.common import bound_of
    from bayesmixer.ops.pytensor_doors import forget_ops

    density, bound = LogDensity(model), bound_of(model)
    assert bound is not None
    with _timed(common, "cpu_mode"):
        start = _start(density, bound, truth)
        scores = density.scores(start)[0]
        # their spread is about the curvature: good enough for the first steps
        rough = scores.T @ scores + np.eye(density.size)
        best = climb(density, start, density.box, rough, informed=True)
        common["evaluations_mode"] = density.evaluations
    calibrated, three = _beside(density, bound, best, common)
    common["restarted"] = three is not None and _higher(density, three) > (
        best.log_posterior + HIGHER
    )
    if common["restarted"]:
        with _timed(common, "cpu_mode"):
            best = searched(density, bound, calibrate=True).best
        calibrated, three = _beside(density, bound, best, common)
    with _timed(common, "cpu_draws"):
        rng = np.random.default_rng(settings.seed)
        root = np.linalg.cholesky(covariance_of(best.hessian))
        draws = best.x + rng.standard_normal((1, settings.draws, density.size)) @ root.T
        if calibrated is not None and three is not None:
            draws = three.mixed(draws, density.names, best.x, calibrated, settings.seed)
        posterior = density.posterior(draws)
        if three is not None:
            common |= _statements(bound, three.dataset(density, settings.seed), truth)
    common |= {
        "method": "map",
        "converged": best.converged,
        "at_bound": ",".join(best.at_bound),
        "calibrated": calibrated is not None,
        "concerns": "" if calibrated is None else "|".join(calibrated.concerns),
    }
    forget_ops()
    return posterior


def _start(density: LogDensity, bound: Bound, truth: Mapping[str, Any]) -> NDArray[np.float64]:
    """The truth as a point, where it is finite; else where starts are scattered."""
    point = {}
    for one in bound.parameters:
        assert one.truth is not None
        value = np.asarray(one.truth(truth, bound.data), float)
        point[one.name] = np.where(np.isfinite(value), value, np.clip(value, *one.scatter))
    return density.flatten(point)


def _beside(
    density: LogDensity, bound: Bound, best: Optimum, common: Facts
) -> tuple[Any, Points | None]:
    """Calibration of a mode, and the ends' models, as `fit` has them."""
    from bayesmixer.inference import mode_covariance, points
    from bayesmixer.inference.find_map import covariance_of

    raw = covariance_of(best.hessian)
    with _timed(common, "cpu_calibration"):
        found = mode_covariance.covariance_of_mode(
            density, best.x, raw, best.at_bound, known=best.information
        )
    with _timed(common, "cpu_ends"):
        return points.of_mode(
            density,
            bound,
            best.x,
            raw,
            None if isinstance(found, str) else found,
            best.at_bound,
            "jackknife",
            True,
            False,
        )


def _higher(density: LogDensity, three: Points) -> float:
    """The highest log posterior strictly between the ends."""
    between = [one for one in three.along.slices if 0 < one.excess < 1]
    prior = density.log_prior(np.stack([one.x for one in between])[None])
    total = sum(v.values[0] for v in prior.data_vars.values())
    return float(max(total + [one.loglik.sum() for one in between]))


def _fitted(model: Any, settings: Settings, truth: Mapping[str, Any], common: Facts) -> xr.Dataset:
    """Draws of a fit by another method, as a user has them."""
    import bayesmixer as bm
    from bayesmixer.inference import points
    from bayesmixer.models.common import bound_of

    bound = bound_of(model)
    ends = points.ends_of(bound)
    results = bm.fit(
        model, settings.method, draws=settings.draws, seed=settings.seed, progress=False
    )
    estimate = results["estimate"]
    common |= {
        "method": str(results.attrs["method"]),
        "converged": bool(estimate.attrs["converged"]),
        "at_bound": ",".join(json.loads(estimate.attrs["at_bound"])),
        "calibrated": results.attrs["calibrated"] != "no",
        "concerns": "|".join(json.loads(results.attrs["warnings"])),
        "pareto_k": float(results["sample_stats"].attrs.get("pareto_k", np.nan)),
    }
    if bound is not None and ends is not None and ends.group in results.children:
        common |= _statements(bound, results[ends.group].to_dataset(), truth)
    return results["posterior"].to_dataset()


def _statements(bound: Bound, group: xr.Dataset, truth: Mapping[str, Any]) -> Facts:
    """What the group of the ends' models says, and whether each statement is true."""
    from bayesmixer.inference import points

    ends = points.ends_of(bound)
    assert ends is not None
    free = bound.card.parameter(ends.parameter)
    assert free is not None and free.truth is not None
    at = float(free.truth(truth, bound.data))
    said = ("p_", "log10_bf_", "score_z_", "score_p_")
    out = {
        str(name): float(v)
        for name, v in group.data_vars.items()
        if not v.dims and (str(name).startswith(said) or name == "scaling")
    }
    shares = zip(group["model"].values, group["p_model"].values, strict=True)
    out |= {f"p_is_{name}": float(p) for name, p in shares}
    out["excess_estimate"] = float(group["excess"].values[np.argmax(group["log_marginal"].values)])
    return out | {
        f"true_{ends.low.statement}": at > -np.inf,
        f"true_{ends.high.statement}": at < np.inf,
    }


@contextmanager
def _timed(common: Facts, name: str) -> Iterator[None]:
    began = time.process_time()
    yield
    common[name] = common.get(name, 0.0) + time.process_time() - began
