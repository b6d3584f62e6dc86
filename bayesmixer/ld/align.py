"""Align GWAS summary statistics to an LD reference: from Sumstats and Reference to GwasData
(docs/how-to/align.md).
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import xarray as xr
from numpy.typing import NDArray

from bayesmixer import progress as progress_bars
from bayesmixer.arguments import choice
from bayesmixer.errors import DataWarning, InputError
from bayesmixer.io.regions import Regions
from bayesmixer.ld.align_inputs import (
    chromosomes_of,
    exponents_of,
    regions_of,
    source_of,
    traits_of,
)
from bayesmixer.ld.blocks import blocks_from_gaps, label_blocks, read_blocks
from bayesmixer.ld.dominant import LOOKED_AT, as_records, find_dominant, sentence
from bayesmixer.ld.doubts import check_scores, doubts
from bayesmixer.ld.gwas_data import contiguous_labels
from bayesmixer.ld.matching import Matched, Panel, match
from bayesmixer.ld.weights import RULES, inverse_ld_weights, pruning_weights
from bayesmixer.variables import validate

FEW_BLOCKS = 200
"""Below this many LD blocks, or with one chromosome, a fit says little about the genome; the report
says so.
"""

DOMINANT = ("exclude", "keep")
_Graph = tuple[NDArray[Any], NDArray[Any], NDArray[Any]]
_COLUMNS = {"spectrum": np.float32} | dict.fromkeys(
    ("freq", "heterozygosity", "ld_score", "ld_score_h", "annotation_ld_score"), np.float64
)
PIECES = 200  # LD blocks where the reference knows of none, as the block jackknife of LDSC has them


def align(
    sumstats: xr.Dataset | Sequence[xr.Dataset] | Mapping[str, xr.Dataset],
    reference: str | Path | xr.DataTree,
    *,
    by: str = "auto",
    ambiguous: str = "drop",
    weights: str = "pruning",
    prune_r2: float = 0.1,
    prune_iterations: int = 64,
    blocks: str | Path | pd.DataFrame | None = None,
    exclude_regions: str | Path | Iterable[str | Path] = ("MHC",),
    maf_s: float | Sequence[float] | str | None = None,
    join: str = "inner",
    dominant: str = "exclude",
    seed: int = 0,
    progress: bool | None = None,
) -> xr.Dataset:
    """Align one or several GWAS to an LD reference.

    Variants are matched by identifier or by chromosome and position, always with their alleles;
    strand and order of alleles are resolved, and z is given the sign of the panel's `a1`.

    Parameters
    ----------
    sumstats
        A Sumstats dataset (`read_sumstats`), a list of them, or a dict from trait name to dataset.
        Several become the dimension `trait`.
    reference
        An LD reference (`open_reference`), or its path.
    by
        "id", "position", or "auto": what matches more; `attrs["overlap"]` says which.
    ambiguous
        What becomes of A/T and C/G variants: "drop"; "frequency": the strand by the side of 1/2 on
        which the allele's frequency lies, dropping 0.4 to 0.6; "keep": letters as they stand.
    weights
        "pruning" (random pruning), "inverse_ld" (1 / max(ld_score, 1)) or "none" (all 1).
    prune_r2, prune_iterations
        Random pruning: r^2 from which two variants count as neighbours, and number of rounds.
    blocks
        LD blocks: BED file, the name "eur_hg19", a DataFrame (see `read_blocks`), or "gaps" to cut
        at the gaps of the LD graph. None takes the reference's blocks, or cuts at the gaps where it
        has none.
    exclude_regions
        Regions to leave out, in the reference's positions: "6:25000000-35000000", "6", a BED file,
        "MHC" (the default: LD so long and effects so large that no model here describes it), or
        "long-range-LD-GRCh37" (or 38), 24 regions with the MHC among them; () for none.
    maf_s
        Exponent S of the spectrum to take, or several; None or "all" takes all that the reference
        holds.
    join
        Of several traits the variants seen in all ("inner"), or in any ("outer"): z and n are then
        NaN where a trait lacks a variant, which does not count in a model of that trait
        (`filters` has their number). Weights are one for all traits, pruned among all variants.
    dominant
        What becomes of loci so strong that they decide the estimates of the whole trait
        (`bayesmixer.ld.dominant`): "exclude" gives their LD block, and what lies within 500 kb of
        their strongest variant, weight 0 and says what they explain; "keep" only names them.
    seed
        Seed of the pruning.
    progress
        Show a progress bar; None shows it on a terminal.

    Returns
    -------
    xarray.Dataset
        GwasData in genome order: `z`, `n` (variant, trait); `ld_score_h` (maf_s, variant);
        `weight`, `ld_score`, `heterozygosity`, `freq`, `snp`, `chrom`, `pos`, `a1`, `a2`,
        `ld_block` (variant); `spectrum` (maf_s, variant, node), `node_x` (node), `h_total`
        (maf_s), `h_bin_value`, `h_bin_count` (h_bin). attrs: counts of every filter (`filters`)
        and of the overlap (`overlap`), both JSON.

    Raises
    ------
    InputError
        An unknown option, z-scores that are all the same or were chosen by their P value, an N that
        is none, no overlap, positions of another genome build where positions are needed, no z or
        N, or a damaged reference.

    Warns
    -----
    DataWarning
        Positions of another genome build (matched by identifier); allele frequencies that disagree
        with the panel's; dominant loci; few variants left, with the reasons; z-scores of no more
        variance than chance has.

    References
    ----------
    Frei et al. 2019, Nature Communications 10:2417 (random pruning).
    """
    choice("by", by, ("auto", "id", "position"))
    choice("ambiguous", ambiguous, ("drop", "frequency", "keep"))
    choice("weights", weights, RULES)
    choice("dominant", dominant, DOMINANT)
    choice("join", join, ("inner", "outer"))
    traits = traits_of(sumstats)
    regions = regions_of(exclude_regions)
    for trait, ds in traits.items():
        check_scores(ds, source_of(trait, ds))
    tree, chromosomes = chromosomes_of(reference)
    exponents = exponents_of(chromosomes, maf_s)
    cut = (
        read_blocks(blocks)
        if blocks is not None and not (isinstance(blocks, str) and blocks == "gaps")
        else None
    )
    with progress_bars.bar("Aligning", len(traits) + len(chromosomes) + 1, progress) as bar:
        panel = Panel.read(chromosomes, str(tree.attrs.get("build", "")))
        if not panel.a1.astype(bool).all():
            panel.take_alleles(traits.values())
        bar.advance()
        matched: dict[str, Matched] = {}
        for trait, ds in traits.items():
            bar.describe(f"Matching {trait}")
            matched[trait] = match(ds, panel, by=by, ambiguous=ambiguous, name=source_of(trait, ds))
            bar.advance()
        row, filters = _joined_rows(matched, panel, regions, join)
        data = _Collected(
            row,
            panel,
            chromosomes,
            exponents,
            weights,
            prune_r2,
            prune_iterations,
            seed,
            cut,
            blocks,
        )
        for name in chromosomes:
            bar.describe(f"Reading chromosome {name}")
            data.add(name)
            bar.advance()
    variables = data.variables()
    for v in ("z", "n"):
        columns = [m.on(row, getattr(m, v)) for m in matched.values()]
        variables[v] = (("variant", "trait"), np.stack(columns, axis=1))
    loci, inside = find_dominant({v: variables[v][1] for v in LOOKED_AT}, list(traits))
    possible = {
        t: min(m.overlap["on_reference_chromosomes"] or m.overlap["sumstats_variants"], len(panel))
        for t, m in matched.items()
    }
    new = doubts(variables["z"][1], variables["weight"][1], possible, filters, list(traits))
    if loci:
        if dominant == "exclude":
            variables["weight"] = (("variant",), np.where(inside, 0.0, variables["weight"][1]))
        new.append(sentence(loci, dominant == "exclude"))
    for text in new:
        warnings.warn(text, DataWarning, stacklevel=2)
    said = [w for m in matched.values() for w in m.overlap["warnings"]] + new
    n_blocks = int(variables["ld_block"][1][-1]) + 1
    overlap = {
        "reference_variants": len(panel),
        "variants": len(row),
        "ld_blocks": n_blocks,
        "ld_blocks_from": data.blocks_from,
        "few_ld_blocks": n_blocks < FEW_BLOCKS,
        "one_chromosome": len(data.used) == 1,
        "traits": [{"trait": t, **m.overlap} for t, m in matched.items()],
        "warnings": said,
    }
    attrs = {
        "kind": "gwas_data",
        **data.totals(tree.attrs),
        **({"join": join} if join == "outer" and len(traits) > 1 else {}),
        "chromosomes": json.dumps(data.used),
        "weights": f"pruning (r2 >= {prune_r2:g}, {prune_iterations} iterations)"
        if weights == "pruning"
        else weights,
        "seed": seed,
        "filters": json.dumps(filters),
        "dominant": dominant,
        "dominant_loci": json.dumps(as_records(loci)),
        "sumstats": _json([{**ds.attrs, "trait": t} for t, ds in traits.items()]),
        "reference": _json(dict(tree.attrs)),
        "overlap": _json(overlap),
    }
    coords: dict[str, Any] = {"trait": list(traits)}
    if exponents:
        coords["maf_s"] = list(exponents)
    return validate(xr.Dataset(variables, coords=coords, attrs=attrs), "gwas_data", "align")


class _Collected:
    """The columns of the matched variants, filled chromosome by chromosome so that one spectrum at
    a time is held twice.
    """

    def __init__(
        self,
        row: NDArray[np.int64],
        panel: Panel,
        chromosomes: dict[str, xr.Dataset],
        exponents: dict[float, int],
        weights: str,
        prune_r2: float,
        prune_iterations: int,
        seed: int,
        cut: pd.DataFrame | None,
        blocks: object,
    ) -> None:
        self.row, self.panel, self.chromosomes = row, panel, chromosomes
        self.exponents, self.which = exponents, list(exponents.values())
        self.rule, self.prune_r2, self.iterations, self.seed, self.cut = (
            weights,
            prune_r2,
            prune_iterations,
            seed,
            cut,
        )
        first = next(iter(chromosomes.values()))
        self.held = set.intersection(*(set(map(str, ds.variables)) for ds in chromosomes.values()))
        labelled = (
            cut is None
            and blocks is None
            and "ld_block" in self.held
            and all((np.asarray(ds["ld_block"].values) >= 0).all() for ds in chromosomes.values())
        )
        linked = "neighbour_indptr" in self.held
        self.blocks_from = "given" if cut is not None else "reference" if labelled else "gaps"
        if self.blocks_from == "gaps" and blocks is None and not linked:
            self.blocks_from = "count"
        for argument, value in (("weights", weights), ("blocks", self.blocks_from)):
            if value in ("pruning", "gaps") and not linked:
                raise InputError(
                    argument,
                    f"'{value}' goes by neighbours in LD, which this reference does not hold",
                    "Build one from genotypes, or use another: weights='inverse_ld'.",
                )
        m = len(row)
        sizes = {**first.sizes, "variant": m, "maf_s": len(self.which)}
        # (dims, values) of the columns of variants, in the reference's types
        self.columns = {
            v: (dims := tuple(map(str, first[v].dims)), np.empty([sizes[d] for d in dims], dtype))
            for v, dtype in _COLUMNS.items()
            if v in self.held
        }
        self.same = {
            v: ((dim,), np.asarray(first[v].values))
            for v, dim in (("node_x", "node"), ("annotation", "annotation"))
            if v in self.held
        }
        self.weight = np.ones(m)
        self.label = np.empty(m, np.int64)
        self.used: list[str] = []

    def add(self, name: str) -> None:
        """Fill in what lies on one chromosome."""
        here = np.flatnonzero(self.panel.chrom[self.row] == self.panel.names.index(name))
        if not len(here):
            return
        ds, rows = self.chromosomes[name], self.panel.row[self.row[here]]
        at = slice(here[0], here[-1] + 1)
        for v, (_, values) in self.same.items():
            if not np.array_equal(ds[v].values, values):
                what = "spectrum nodes" if v == "node_x" else f"{v}s"
                raise InputError(
                    "reference",
                    f"chromosome {name} has other {what} than the first chromosome",
                    "Build all chromosomes in one call.",
                )
        for v, (dims, out) in self.columns.items():
            if dims[0] != "maf_s":
                out[at] = ds[v].values[rows]
                continue
            for s, of_s in enumerate(self.which):
                # one exponent at a time, so that a lazy store reads no more than is kept
                out[s, at] = ds[v].isel(maf_s=of_s).values[rows]
        graph = _graph(ds, name) if self.rule == "pruning" or self.blocks_from == "gaps" else None
        if self.rule == "pruning" and graph is not None:
            if (cutoff := float(ds.attrs.get("neighbour_r2_min", 0.1))) > self.prune_r2 + 1e-9:
                raise InputError(
                    "prune_r2",
                    f"{self.prune_r2:g}, but the reference holds neighbours from r^2 = "
                    f"{cutoff:g} only",
                    f"Use {cutoff:g} or more.",
                )
            rng = np.random.default_rng([self.seed, *map(ord, name)])
            self.weight[at] = pruning_weights(
                *graph, rows, threshold=self.prune_r2, iterations=self.iterations, seed=rng
            )
        elif self.rule == "inverse_ld":
            self.weight[at] = inverse_ld_weights(self.columns["ld_score"][1][at])
        base = int(self.label[here[0] - 1]) + 1 if here[0] else 0
        self.label[at] = base + contiguous_labels(
            self._blocks(name, ds, rows, graph), f"reference, chromosome {name}, ld_block"
        )
        self.used.append(name)

    def _blocks(
        self, name: str, ds: xr.Dataset, rows: NDArray[np.int64], graph: _Graph | None
    ) -> NDArray[Any]:
        if self.cut is not None:
            return label_blocks(
                np.full(len(rows), name, dtype=object), np.asarray(ds["pos"].values)[rows], self.cut
            )
        if self.blocks_from == "count":
            pieces = max(1, round(PIECES * len(rows) / len(self.row)))
            return np.arange(len(rows)) * pieces // len(rows)
        if self.blocks_from == "reference" or graph is None:
            return np.asarray(ds["ld_block"].values)[rows]
        # blocks of 100 to 600 variants: enough blocks for block-wise errors, each wide against the
        # reach of LD
        wanted = min(600, max(100, len(self.row) // 400))
        size = max(2, round(wanted * ds.sizes["variant"] / len(rows)))
        return blocks_from_gaps(*graph, target_size=size)[rows]

    def sum_of(self, v: str) -> NDArray[Any]:
        """A variable summed over the chromosomes used; of exponents S, over those chosen."""
        total = sum(self.chromosomes[c][v].values for c in self.used)
        return np.asarray(total)[self.which] if v == "h_total" else np.asarray(total)

    def totals(self, tree: dict[Any, Any]) -> dict[str, Any]:
        """Attributes of what is counted over the chromosomes used, as far as the reference knows;
        published LD scores in one file know it of all chromosomes together (`tree`).
        """
        attrs: dict[str, Any] = {}
        if "h_total" in self.held:
            attrs = {"h_total": self.sum_of("h_total").tolist(), "maf_s": list(self.exponents)}
        for name in ("n_reference", "m_5_50"):
            parts = [self.chromosomes[c].attrs.get(name) for c in self.used]
            known = [int(part) for part in parts if part is not None]
            if len(known) == len(parts):
                attrs[name] = sum(known)
            elif name in tree and len(self.used) == len(self.chromosomes):
                attrs[name] = int(tree[name])
        return attrs

    def variables(self) -> dict[str, tuple[tuple[str, ...], Any]]:
        """Variables of GwasData other than z and n."""
        p, r = self.panel, self.row
        out: dict[str, tuple[tuple[str, ...], Any]] = {
            "weight": (("variant",), self.weight),
            **self.columns,
            **{v: (("variant",), getattr(p, v)[r]) for v in ("snp", "pos", "a1", "a2")},
            "chrom": (("variant",), np.array(p.names, dtype=object)[p.chrom[r]]),
            "ld_block": (("variant",), contiguous_labels(self.label)),
            **self.same,
        }
        for v, dim in (("h_total", "maf_s"), ("m", "annotation"), ("m_5_50", "annotation")):
            if v in self.held:
                out[v] = ((dim,), self.sum_of(v))
        if "h_bin_count" in self.held:
            count = self.sum_of("h_bin_count")
            mean = sum(
                ds["h_bin_count"].values * np.nan_to_num(ds["h_bin_value"].values)
                for ds in map(self.chromosomes.__getitem__, self.used)
            ) / np.maximum(count, 1)
            first = self.chromosomes[next(iter(self.chromosomes))]["h_bin_value"].values
            out["h_bin_value"] = (("h_bin",), np.where(count > 0, mean, first))
            out["h_bin_count"] = (("h_bin",), count.astype(np.int64))
        return out


def _joined_rows(
    matched: dict[str, Matched], panel: Panel, regions: dict[str, Regions], join: str
) -> tuple[NDArray[np.int64], dict[str, int]]:
    """Panel rows present in every trait, or in any, that are polymorphic and outside the regions;
    counts of what each filter took.
    """
    several = len(matched) > 1
    filters = {
        f"{trait}: {k}" if several else k: v
        for trait, m in matched.items()
        for k, v in m.filters.items()
    }
    row, *more = (m.row for m in matched.values())
    for other in more:
        if join == "outer":
            row = np.union1d(row, other)
        else:
            row = np.intersect1d(row, other, assume_unique=True)
    if several and join == "inner":
        filters.update(
            {f"{t}: not_in_all_traits": len(m.row) - len(row) for t, m in matched.items()}
        )
    if not len(row):
        counts = ", ".join(f"{t} {len(m.row):,}" for t, m in matched.items())
        raise InputError(
            "sumstats",
            f"no variant of the reference is left in every trait (matched: {counts})",
            "Give files of the same chromosomes and variants.",
        )
    h = panel.heterozygosity[row]
    if np.isfinite(panel.heterozygosity).any():
        varies = np.isfinite(h) & (h > 0)
        filters["monomorphic_in_reference"] = int((~varies).sum())
        row = row[varies]
    for text, region in regions.items():
        chrom = np.array(panel.names, dtype=object)[panel.chrom[row]]
        inside = region.contains(
            pl.Series(chrom, dtype=pl.String), pl.Series(panel.pos[row])
        ).to_numpy()
        filters[f"region {text}"] = int(inside.sum())
        row = row[~inside]
    if not len(row):
        raise InputError(
            "sumstats",
            "no variant is left after dropping monomorphic variants and excluded regions",
            "Check exclude_regions.",
        )
    if several and join == "outer":
        filters.update({f"{t}: not_seen": int((~m.has(row)).sum()) for t, m in matched.items()})
    return row, filters


def _graph(ds: xr.Dataset, name: str) -> _Graph:
    indptr, index, r2 = (np.asarray(ds[f"neighbour_{v}"].values) for v in ("indptr", "index", "r2"))
    m = ds.sizes["variant"]
    if (
        len(indptr) != m + 1
        or indptr[0] != 0
        or indptr[-1] != len(index)
        or (np.diff(indptr) < 0).any()
        or (len(index) and not 0 <= index.min() <= index.max() < m)
    ):
        raise InputError(
            f"reference, chromosome {name}",
            "neighbour lists do not fit the number of variants",
            "The store is damaged: build it again.",
        )
    return indptr, index, r2


def _json(value: object) -> str:
    def plain(v: object) -> object:
        return (
            v.item()
            if isinstance(v, np.generic)
            else v.tolist()
            if isinstance(v, np.ndarray)
            else str(v)
        )

    return json.dumps(value, default=plain)
