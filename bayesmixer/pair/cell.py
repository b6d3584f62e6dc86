"""A cell of a coverage study of two traits: the true overlap, genetic correlation and
polygenicities, and the two GWAS, of one row of its table.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from bayesmixer.pair.chart import Overlap, overlap, place_of_excess
from bayesmixer.simulation.effects import LAWS, Architecture, architecture

if TYPE_CHECKING:
    import xarray as xr

    from bayesmixer.simulation.panel import PanelBlocks


@dataclass(frozen=True)
class PairCell:
    """Truth and size of two simulated GWAS whose effects are those of bivariate MiXeR, or differ
    from them in one of what `assumed` names.

    Attributes
    ----------
    u
        Genetic correlation as a part of the possible, rg / rg_max.
    excess
        Share of overlap between the least that rg requires (0) and complete overlap (1).
    pi_1, pi_2
        Share of variants that are causal for each trait.
    h2_1, h2_2
        Heritability that the panel's variants explain.
    rho_0
        Correlation of the errors of the z-scores.
    n_1, n_2
        Sample sizes.
    sigma2_0
        Variance of z without genetic effects, of both traits.
    maf_s
        S: effect variance is proportional to H^S.
    kurtosis
        Excess kurtosis of the effects of causal variants, which says their law: 0 (Gaussian), 3
        (Laplace) or 6 (Student t with 5 degrees of freedom).
    enrichment
        How many times denser than on average the causal variants of both traits are in a tenth of
        the LD blocks.
    assumed
        What the fitted model takes for granted: of cells where it is otherwise coverage is shown,
        and nothing is pooled.
    headings
        The keys that tell cells apart in a table, and their headings there.
    example
        A cell as text.
    batch
        Replicates that are simulated together and kept as one file.
    """

    u: float
    excess: float
    pi_1: float = 0.004
    pi_2: float = 0.004
    h2_1: float = 0.075
    h2_2: float = 0.075
    rho_0: float = 0.0
    n_1: float = 100_000
    n_2: float = 100_000
    sigma2_0: float = 1.05
    maf_s: float = 0.0
    kurtosis: float = 0.0
    enrichment: float = 1.0
    assumed: ClassVar[Mapping[str, float]] = MappingProxyType(
        {"maf_s": 0.0, "kurtosis": 0.0, "enrichment": 1.0}
    )
    headings: ClassVar[Mapping[str, str]] = MappingProxyType(
        {"u": "rg / rg_max", "excess": "excess", "pi_1": "pi 1", "pi_2": "pi 2", "n_1": "N",
         "rho_0": "rho_0", "maf_s": "S", "kurtosis": "kurtosis", "enrichment": "enriched"}
    )  # fmt: skip
    example: ClassVar[str] = "u=0.4,excess=0.5,pi_1=0.004,pi_2=0.004,n_1=100000,n_2=100000"
    batch: ClassVar[int] = 1

    @property
    def name(self) -> str:
        """Short name, also of the cell's files."""
        traits = (self.pi_1, self.pi_2), (self.h2_1, self.h2_2), (self.n_1, self.n_2)
        by_trait = "_".join(
            key + (f"{a:g}" if a == b else f"{a:g}-{b:g}")
            for key, (a, b) in zip(("pi", "h", "n"), traits, strict=True)
        )
        rest = f"_r{self.rho_0:g}" if self.rho_0 else ""
        rest += f"_s{self.maf_s:g}" if self.maf_s else ""
        rest += f"_k{self.kurtosis:g}" if self.kurtosis else ""
        rest += f"_d{self.enrichment:g}" if self.enrichment != 1 else ""
        return f"u{self.u:g}_x{self.excess:g}_{by_trait}_e{self.sigma2_0:g}{rest}"

    @property
    def at(self) -> Overlap:
        """Its point of the chart."""
        pi = self.pi_1, self.pi_2
        least = float(overlap(self.u, 0.0, *pi).least)
        y = place_of_excess(self.excess, least) if 0 < self.excess < 1 else None
        t = self.excess if y is None else 1 / (1 + np.exp(-y))
        return Overlap(*map(float, overlap(self.u, t, *pi)))

    @property
    def effects(self) -> Architecture:
        """Architecture of the true effects."""
        at, pi = self.at, (self.pi_1, self.pi_2)
        shared = min(pi) if self.excess == 1 else at.pi_shared  # to the last digit
        shares = [max(one - shared, 0.0) for one in pi]
        return architecture(
            "bivariate",
            (self.h2_1, self.h2_2),
            (*shares, shared),
            rho_beta=at.rho_beta,
            maf_s=self.maf_s,
            law=next(law for law, kurtosis in LAWS.items() if kurtosis == self.kurtosis),
            enrichment=self.enrichment,
        )

    @property
    def expected(self) -> str:
        """What its numbers must fulfil and do not; "" where they can be used.

        Raises
        ------
        InputError
            A heritability, S or the enrichment is out of range.
        """
        if not (-1 < self.u < 1 and 0 <= self.excess <= 1 and -0.99 <= self.rho_0 <= 0.99):
            return "-1 < u < 1, 0 <= excess <= 1 and -0.99 <= rho_0 <= 0.99"
        if not all(0 < pi < 1 for pi in (self.pi_1, self.pi_2)):
            return "0 < pi_1 < 1 and 0 < pi_2 < 1"
        if not (min(self.n_1, self.n_2) >= 2 and 0 < self.sigma2_0 <= 100):
            return "n_1 >= 2, n_2 >= 2 and 0 < sigma2_0 <= 100"
        if self.kurtosis not in LAWS.values():
            return "kurtosis 0 (Gaussian), 3 (Laplace) or 6 (Student t of 5 degrees of freedom)"
        _ = self.effects  # checks h2, S and the enrichment
        return ""

    def simulate(self, panel: PanelBlocks, replicates: int, rng: np.random.Generator) -> xr.Dataset:
        """Replicates of the two GWAS, as `simulate_z` returns them."""
        from bayesmixer.simulation.panel import simulate_z

        size, noise = [self.n_1, self.n_2], [self.sigma2_0] * 2
        return simulate_z(
            panel,
            self.effects,
            size,
            noise,
            self.rho_0,
            rng=rng,
            replicates=replicates,
            show=False,
        )

    def realised(self, replicate: xr.Dataset) -> dict[str, float]:
        """What one replicate's draws came to."""
        drawn = self._drawn(replicate)
        n = drawn["n_causal"]
        shared = n.get("shared", 0)
        one, two = (shared + n.get(f"unique_{t}", 0) for t in (1, 2))
        return {
            "n_causal_1": one,
            "n_causal_2": two,
            "n_shared_realised": shared,
            "dice_realised": 2 * shared / max(one + two, 1),
            "rg_realised": drawn["rg_realised"],
        }

    def truths(self, panel: PanelBlocks, replicate: xr.Dataset) -> dict[str, Mapping[str, Any]]:
        """The cell as a simulation records it (truth.json): "" what it aims at, "_realised" what
        the draws of a replicate came to.
        """
        effects = self.effects
        variants = int((panel.heterozygosity > 0).sum())
        g = effects.genetic_covariance()
        parts = [{"name": c.name, "pi": c.pi, "rho": c.rho} for c in effects.components]
        aim: dict[str, Any] = {
            "h2": [self.h2_1, self.h2_2],
            "polygenicity": effects.polygenicity,
            "components": parts,
            "rg": float(g[0, 1] / np.sqrt(g[0, 0] * g[1, 1])),
            "rho_0": self.rho_0,
            "sigma2_0": [self.sigma2_0] * 2,
            "variants": variants,
            "n_causal": {c.name: c.pi * variants for c in effects.components},
        }
        return {"": aim, "_realised": aim | self._drawn(replicate)}

    def _drawn(self, replicate: xr.Dataset) -> dict[str, Any]:
        covariance = replicate["genetic_covariance"].values
        scale = np.sqrt(covariance[0, 0] * covariance[1, 1])
        names, count = replicate["component"].values, replicate["n_causal"].values
        return {
            "h2_realised": replicate["h2_realised"].values,
            "rg_realised": float(covariance[0, 1] / scale) if scale > 0 else np.nan,
            "n_causal": {str(k): int(v) for k, v in zip(names, count, strict=True)},
        }

    @classmethod
    def standard(cls) -> list[PairCell]:
        """The cells of docs/evidence/coverage_pairs.md."""
        partial, sparse = cls(0.4, 0.5), {"pi_1": 0.008, "pi_2": 0.0008, "h2_2": 0.025}
        return [
            cls(0.0, 0.0),
            cls(0.4, 0.0),
            cls(0.0, 0.5),
            partial,
            cls(0.4, 1.0),
            cls(0.0, 0.0, rho_0=0.3),
            replace(partial, rho_0=0.3),
            cls(0.4, 0.5, **sparse),
            cls(0.4, 1.0, **sparse),
            cls(0.4, 0.0, n_1=30_000, n_2=30_000),
            replace(partial, n_1=30_000, n_2=30_000),
            replace(partial, maf_s=-0.5),
            replace(partial, kurtosis=3.0),
            replace(partial, kurtosis=6.0),
            replace(partial, enrichment=5.0),
            # where no overlap beyond rg is true, and shared regions could pass for it
            cls(0.0, 0.0, enrichment=5.0),
        ]
