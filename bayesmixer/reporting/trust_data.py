"""What alignment had to say of the data of a fit, and estimates that no data of a real trait give:
rules of `trust`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import xarray as xr

from bayesmixer.io.plausible import NO_POWER
from bayesmixer.mixer.prediction import read_json
from bayesmixer.reporting.facts import alignment_warnings

Said = tuple[Literal["stop", "caution", "note"], str, str]

HIGHEST_H2 = 1.0
REMEDY = (
    "Look at the counts of `align` (overlap and filters in the fitted data), mend the cause, and "
    "fit again."
)


def aligned(results: xr.DataTree) -> dict[str, object]:
    """Attributes of the data that were fitted."""
    found = read_json(results.attrs.get("data"), {})
    return found if isinstance(found, dict) else {}


def warnings_of_alignment(results: xr.DataTree, data: xr.Dataset | None) -> Iterator[Said]:
    """Warnings given when the data were aligned are still true when they are fitted, but what
    other rules say in their own words.
    """
    for text in alignment_warnings(results):
        if "dominate" not in text and not (NO_POWER in text and data is not None):
            yield "caution", str(text).rstrip(".") + ".", REMEDY


def dominant_loci(results: xr.DataTree, data: xr.Dataset | None) -> Iterator[Said]:
    """Loci that were left out must be added to h2; loci that dominate and were kept decide the
    estimate.
    """
    attrs = aligned(results)
    loci = read_json(attrs.get("dominant_loci"), [])
    if not loci:
        return
    names = "; ".join(
        f"{x['chrom']}:{x['pos']} ({x['snp']}, |z| {abs(x['z']):.1f})" for x in loci[:5]
    ) + ("; ..." if len(loci) > 5 else "")
    total = sum(float(x["h2"]) for x in loci)
    if attrs.get("dominant") == "exclude":
        sentence = (
            f"The estimates are those without {len(loci)} dominant "
            f"{'locus' if len(loci) == 1 else 'loci'}: {names}."
        )
        yield (
            "note",
            sentence,
            f"Add about {total:.2g} to h2 for what they explain; dominant='keep' in align "
            "(--dominant keep) leaves them in.",
        )
    else:
        sentence = (
            f"{len(loci)} dominant {'locus' if len(loci) == 1 else 'loci'} kept among the data: "
            f"{names}; estimates hang on them."
        )
        yield (
            "caution",
            sentence,
            "Align with dominant='exclude' (--dominant exclude), which gives them weight 0, "
            "and compare.",
        )


def impossible_heritability(results: xr.DataTree, data: xr.Dataset | None) -> Iterator[Said]:
    """A heritability above 1 is none."""
    if "posterior" not in results.children or "h2" not in results["posterior"]:
        return
    h2 = float(results["posterior"]["h2"].median())
    if h2 > HIGHEST_H2:
        yield (
            "stop",
            f"h2 is {h2:.2f}, above {HIGHEST_H2:g}: no trait has that heritability.",
            "Check N (too small an N makes h2 too large), and whether the file holds all variants.",
        )
