"""A small LD reference made by hand in the form of docs/reference/data_structures.md, and GWAS
drawn from it, for the tests of align.
"""

from __future__ import annotations

import numpy as np
import xarray as xr

K = 6
PAIRS = (("A", "G"), ("C", "T"), ("A", "C"), ("G", "T"), ("A", "T"), ("C", "G"))


def chromosome(
    name: str, m: int, seed: int = 0, maf_s: tuple[float, ...] = (0.0,), ld_block: bool = True
) -> xr.Dataset:
    """One chromosome: blocks of 25 variants, each variant a neighbour of the two on either side
    within its block.
    """
    rng = np.random.default_rng([seed, *map(ord, name)])
    pos = np.sort(rng.choice(np.arange(2_000_000, 50_000_000), m, replace=False)).astype(np.int64)
    alleles = np.array(PAIRS, dtype=object)[rng.integers(0, 6, m)]
    alleles = np.where(rng.random(m)[:, None] < 0.5, alleles, alleles[:, ::-1])
    freq = rng.uniform(0.05, 0.95, m)
    block = np.arange(m) // 25
    left = np.concatenate([np.arange(m - 1), np.arange(m - 2)])
    right = np.concatenate([np.arange(1, m), np.arange(2, m)])
    inside = block[left] == block[right]
    left, right = left[inside], right[inside]
    strength = np.where(right - left == 1, 0.5, 0.15)
    rows = np.concatenate([left, right])
    columns = np.concatenate([right, left])
    r2 = np.concatenate([strength, strength])
    order = np.lexsort((columns, rows))
    h = 2 * freq * (1 - freq)
    s = len(maf_s)
    spectrum = rng.random((s, m, K)).astype(np.float32)
    which = np.minimum((h * 200).astype(int), 99)
    count = np.bincount(which, minlength=100)
    variables = {
        "snp": ("variant", np.array([f"rs{name}{i:05d}" for i in range(m)], dtype=object)),
        "chrom": ("variant", np.full(m, name, dtype=object)),
        "pos": ("variant", pos),
        "cm": ("variant", pos / 1e6),
        "a1": ("variant", alleles[:, 0]),
        "a2": ("variant", alleles[:, 1]),
        "freq": ("variant", freq),
        "heterozygosity": ("variant", h),
        "ld_score": ("variant", rng.uniform(0.5, 30, m)),
        "ld_score_h": (("maf_s", "variant"), spectrum.sum(-1).astype(float)),
        "spectrum": (("maf_s", "variant", "node"), spectrum),
        "ld_below": (("maf_s", "variant"), np.zeros((s, m))),
        "ld_block": ("variant", (block + 100 if ld_block else np.full(m, -1)).astype(np.int32)),
        "neighbour_indptr": (
            "variant_edge",
            np.concatenate([[0], np.cumsum(np.bincount(rows, minlength=m))]).astype(np.int64),
        ),
        "neighbour_index": ("edge", columns[order].astype(np.int32)),
        "neighbour_r2": ("edge", r2[order].astype(np.float32)),
        "h_bin_value": (
            "h_bin",
            np.bincount(which, weights=h, minlength=100) / np.maximum(count, 1),
        ),
        "h_bin_count": ("h_bin", count),
    }
    coords = {"node_x": ("node", np.linspace(0.5, 0, K)), "maf_s": list(maf_s)}
    attrs = {
        "h_total": [float((h ** (1 + e)).sum()) for e in maf_s],
        "n_reference": m,
        "m_5_50": m,
        "monomorphic": 0,
    }
    return xr.Dataset(variables, coords=coords, attrs=attrs)


def panel(sizes: dict[str, int] | None = None, **options) -> xr.DataTree:
    sizes = {"21": 300, "22": 200} if sizes is None else sizes
    tree = {f"/{c}": chromosome(c, m, **options) for c, m in sizes.items()}
    root = xr.Dataset(
        attrs={"kind": "reference", "samples": 500, "window": "made by hand", "version": "test"}
    )
    return xr.DataTree.from_dict({"/": root, **tree})


def changed(reference: xr.DataTree, chrom: str, **columns: np.ndarray) -> xr.DataTree:
    """The reference with other columns on one chromosome."""
    tree = {name: child.to_dataset() for name, child in reference.children.items()}
    tree[chrom] = tree[chrom].assign(
        {name: ("variant", values) for name, values in columns.items()}
    )
    return xr.DataTree.from_dict({"/": xr.Dataset(attrs=reference.attrs), **tree})


def columns(reference: xr.DataTree, name: str) -> np.ndarray:
    return np.concatenate([child[name].values for child in reference.children.values()])


def sumstats(reference: xr.DataTree, seed: int = 1, noise: float = 0.02, **changes) -> xr.Dataset:
    """Every variant of the panel with a drawn z, the panel's alleles and nearly its frequencies;
    `changes` replace columns or attrs.
    """
    rng = np.random.default_rng(seed)
    m = len(columns(reference, "pos"))
    variables = {name: columns(reference, name) for name in ("snp", "chrom", "pos", "a1", "a2")}
    variables["z"] = rng.standard_normal(m)
    variables["n"] = np.full(m, 1e5)
    variables["eaf"] = np.clip(columns(reference, "freq") + rng.normal(0, noise, m), 0.001, 0.999)
    attrs = {
        "kind": "sumstats",
        "source": "made.txt",
        "trait": "made",
        "build": "",
        "filters": "{}",
    }
    attrs.update({k: v for k, v in changes.items() if k in attrs})
    variables.update({k: v for k, v in changes.items() if k not in attrs})
    return xr.Dataset(
        {k: ("variant", v) for k, v in variables.items() if v is not None}, attrs=attrs
    )
