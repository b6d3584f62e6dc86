"""What alignment had to say of the data of a fit: rules of `trust`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import xarray as xr

from bayesmixer.facts import alignment_warnings, data_attributes, read_json
from bayesmixer.io.plausible import NO_POWER
from bayesmixer.ld.dominant import explained

Said = tuple[Literal["stop", "caution", "note"], str, str]

REMEDY = (
    "Look at the counts of `align` (overlap and filters in the fitted data), mend the cause, and "
    "fit again."
)


def warnings_of_alignment(results: xr.DataTree, data: xr.Dataset | None) -> Iterator[Said]:
    """Warnings given when the data were aligned are still true when they are fitted, but what
    other rules say in their own words.
    """
    for text in alignment_warnings(results):
        if "dominate" not in text and not (NO_POWER in text and data is not None):
            yield "caution", str(text).rstrip(".") + ".", REMEDY


def dominant_loci(results: xr.DataTree, data: xr.Dataset | None) -> Iterator[Said]:
    """Loci that were left out explain something too; loci that dominate and were kept decide the
    estimate.
    """
    attrs = data_attributes(results)
    loci = read_json(attrs.get("dominant_loci"), [])
    if not loci:
        return
    names = "; ".join(
        f"{x['chrom']}:{x['pos']} ({x['snp']}, |z| {abs(x['z']):.1f})" for x in loci[:5]
    ) + ("; ..." if len(loci) > 5 else "")
    if attrs.get("dominant") == "exclude":
        sentence = (
            f"The estimates are those without {len(loci)} dominant "
            f"{'locus' if len(loci) == 1 else 'loci'}: {names}."
        )
        yield (
            "note",
            sentence,
            f"Add about {explained(loci)} for what they explain; dominant='keep' in align "
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
