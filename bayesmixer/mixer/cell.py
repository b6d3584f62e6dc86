"""A cell of a coverage study of these models: the true parameters and the GWAS of one row of its
table.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, ClassVar

from bayesmixer.simulation.effects import Architecture, architecture

if TYPE_CHECKING:
    import numpy as np
    import xarray as xr

    from bayesmixer.simulation.panel import PanelBlocks


@dataclass(frozen=True)
class Cell:
    """Truth and size of one simulated GWAS: point-normal effects, or infinitesimal ones where pi =
    1.

    Attributes
    ----------
    pi
        Share of causal variants.
    n
        Sample size.
    h2
        Heritability that the panel's variants explain.
    sigma2_0
        Variance of z without genetic effects.
    maf_s
        S: effect variance is proportional to H^S.
    headings
        The keys that tell cells apart in a table, and their headings there.
    example
        A cell as text.
    batch
        Replicates that are simulated together and kept as one file.
    """

    pi: float
    n: float
    h2: float = 0.15
    sigma2_0: float = 1.05
    maf_s: float = 0.0
    headings: ClassVar[Mapping[str, str]] = MappingProxyType({"pi": "pi", "n": "N"})
    example: ClassVar[str] = "pi=0.003,n=100000"
    batch: ClassVar[int] = 5

    @property
    def name(self) -> str:
        """Short name, also of the cell's files."""
        s = f"_s{self.maf_s:g}" if self.maf_s else ""
        return f"pi{self.pi:g}_n{self.n:g}_h{self.h2:g}_e{self.sigma2_0:g}{s}"

    @property
    def effects(self) -> Architecture:
        """Architecture of the true effects."""
        if self.pi == 1:
            return architecture("infinitesimal", self.h2, maf_s=self.maf_s)
        return architecture("univariate", self.h2, self.pi, maf_s=self.maf_s)

    @property
    def expected(self) -> str:
        """What its numbers must fulfil and do not; "" where they can be used.

        Raises
        ------
        InputError
            h2 or S is out of range.
        """
        if not (0 < self.pi <= 1 and self.n >= 2 and 0 < self.sigma2_0 <= 100):
            return "0 < pi <= 1, n >= 2 and 0 < sigma2_0 <= 100"
        _ = self.effects  # checks h2 and S
        return ""

    def simulate(self, panel: PanelBlocks, replicates: int, rng: np.random.Generator) -> xr.Dataset:
        """Replicates of the GWAS, as `simulate_z` returns them."""
        from bayesmixer.simulation.panel import simulate_z

        size, noise = [self.n], [self.sigma2_0]
        return simulate_z(
            panel, self.effects, size, noise, rng=rng, replicates=replicates, show=False
        )

    def realised(self, replicate: xr.Dataset) -> dict[str, float]:
        """What one replicate's draws came to."""
        return {
            "h2_realised": float(replicate["h2_realised"][0]),
            "n_causal": int(replicate["n_causal"].sum()),
        }

    @classmethod
    def standard(cls) -> list[Cell]:
        """The cells of docs/evidence/coverage.md: polygenicity 0.001, 0.003, 0.01, well and barely
        powered, and two very sparse traits.
        """
        wide = [cls(pi, n) for pi in (1e-3, 3e-3, 1e-2) for n in (100_000, 25_000)]
        return [*wide, cls(3e-4, 100_000), cls(1e-4, 100_000)]
