"""The verdict on a fit: what the rules of trust and the flags of `check` say together, in one
sentence and a list of findings.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import xarray as xr

from bayesmixer.errors import InputError
from bayesmixer.facts import read_json
from bayesmixer.identity import as_results, check_results, data_of_fit, is_estimates
from bayesmixer.reporting.trust import SEVERITIES, Finding, Severity, in_two, rules
from bayesmixer.wings import offers, told_of

if TYPE_CHECKING:
    import pymc as pm

    from bayesmixer.checks.check import Check

WORDS = {"stop": "Do not trust", "caution": "Caution", "note": "Note"}


@dataclass(frozen=True)
class Verdict:
    """What is known of how far to trust a fit.

    Attributes
    ----------
    findings
        (severity, sentence, remedy), gravest first.
    checked
        Whether `check` compared the fit with its data.
    with_data
        Whether the rules on z-scores and N could be applied.
    pit
        `Check.dataset`, for the figures of a report; None where `check` did not run, and in what a
        fit holds.
    """

    findings: tuple[Finding, ...] = ()
    checked: bool = False
    with_data: bool = False
    pit: xr.Dataset | None = field(default=None, repr=False, compare=False)

    @property
    def level(self) -> str:
        """ "stop" (do not use the estimate), "caution" or "fine"."""
        found = {f.severity for f in self.findings}
        return "stop" if "stop" in found else "caution" if "caution" in found else "fine"

    @property
    def sentence(self) -> str:
        """The verdict in a sentence."""
        count = {s: sum(f.severity == s for f in self.findings) for s in SEVERITIES}
        if count["stop"]:
            verb = "is" if count["stop"] == 1 else "are"
            return (
                f"Do not rely on this estimate: {count['stop']} of the findings below {verb} grave."
            )
        if count["caution"]:
            return (
                f"Read this estimate with the {'caution' if count['caution'] == 1 else 'cautions'} "
                "below."
            )
        notes = (
            ""
            if not count["note"]
            else f"; see the {'note' if count['note'] == 1 else 'notes'} below"
        )
        if self.checked:
            return f"No rule speaks against this estimate, and the data fit the model{notes}."
        return (
            "No rule speaks against this estimate; whether the data fit the model was not "
            f"checked{notes}."
        )

    def __str__(self) -> str:
        """The sentence, and a line a finding with what to do."""
        lines = [
            f"- {WORDS[f.severity]}: {f.sentence} What to do: {f.remedy}" for f in self.findings
        ]
        return "\n".join([f"Verdict: {self.sentence}", *lines])

    def as_dict(self) -> dict[str, Any]:
        """The verdict as plain values, for JSON."""
        return {
            "level": self.level,
            "sentence": self.sentence,
            "checked": self.checked,
            "with_data": self.with_data,
            "findings": [f._asdict() for f in self.findings],
        }

    def store(self, results: xr.DataTree) -> None:
        """Write the verdict into `results.attrs["verdict"]`, in place; it is saved and loaded with
        the fit.
        """
        results.attrs["verdict"] = json.dumps(self.as_dict())


def verdict(
    results: xr.DataTree,
    data: xr.Dataset | None = None,
    *,
    model: pm.Model | None = None,
    progress: bool | None = None,
) -> Verdict:
    """How far to trust a fit.

    Parameters
    ----------
    results
        What `bayesmixer.fit` or `bayesmixer.load` returned; of estimates without a model
        (`bayesmixer.ldsc`), what their wing says.
    data
        The GwasData it was made with: the verdict is then made anew, and `check` is run for it.
        Without, the one that the fit holds is returned: by the rules alone, unless one by `check`
        was stored (`Verdict.store`).
    model
        The model, for those that cannot be made again of the fit and its data; `check` asks it.
    progress
        Progress bar of `check`; None shows it on a terminal.

    Returns
    -------
    Verdict
        `level`, `sentence`, `findings`; print it.

    Raises
    ------
    InputError
        `results` is no fit, or `data` or `model` are not those that were fitted.
    """
    results = as_results(results)
    if is_estimates(results):
        told = told_of(results)
        cautions = [Finding("caution", *one) for one in told.cautions]
        return Verdict(_sorted(cautions + [Finding("note", *one) for one in told.notes]))
    whole = check_results(results)
    if data is None:
        return stored(results) or by_rules(whole, None)
    one = data_of_fit(whole, data)
    from bayesmixer.checks.check import of_data

    if model is not None:  # another model is no note, but an error
        from bayesmixer.inference.fitted import density_of

        density_of(results, model)
    try:
        found = of_data(whole, one, model, progress=progress)
    except InputError as error:
        remedy = error.remedy or "Look at the QQ plot."
        said = Finding("note", f"The fit was not compared with its data ({error.problem}).", remedy)
        return Verdict(_sorted([*rules(whole, one), said]), False, True)
    return with_check(whole, one, found)


def stored(results: xr.DataTree) -> Verdict | None:
    """The verdict that a fit holds; None in fits of earlier versions."""
    kept = read_json(results.attrs.get("verdict"), None)
    if not isinstance(kept, dict):
        return None
    return Verdict(
        tuple(Finding(**f) for f in kept["findings"]),
        bool(kept["checked"]),
        bool(kept["with_data"]),
    )


def by_rules(results: xr.DataTree, data: xr.Dataset | None) -> Verdict:
    """The verdict of the rules alone; `data` of the fitted trait, known to be the fit's."""
    return Verdict(_sorted(rules(check_results(results), data)), False, data is not None)


def judge(results: xr.DataTree, data: xr.Dataset | None) -> None:
    """Store in a new fit what the rules say of it (`identity.judge`); `data` of its model."""
    by_rules(results, data).store(results)


def with_check(results: xr.DataTree, data: xr.Dataset, found: Check) -> Verdict:
    """The verdict of the rules and of a check of the same data."""
    flagged = found.table[found.table["flagged"]]
    said = [
        Finding(_severity(str(name), results), *in_two(str(row["in_words"])))
        for name, row in flagged.iterrows()
    ]
    findings = _sorted([*rules(results, data, checked=True), *said])
    return Verdict(findings, True, True, found.dataset)


def _severity(row: str, results: xr.DataTree) -> Severity:
    """Of a flagged row of `check`: how much the prior counts is no misfit; what the model's wing
    calls grave is grave, as its rule, silent beside `check`, would have it.
    """
    grave = offers(results, "grave")
    return "note" if row == "prior" else "stop" if grave and grave(row, results) else "caution"


def _sorted(findings: list[Finding]) -> tuple[Finding, ...]:
    """Gravest first, otherwise in their order."""
    return tuple(sorted(findings, key=lambda f: SEVERITIES.index(f.severity)))
