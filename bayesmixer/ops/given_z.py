r"""What a z-score says of the effects behind it: the signal in it, the effect of the variant
itself, and whether that, or one of its close partners, is causal (docs/ideas/variants.md).

With phi_j the characteristic function of z_j (`oracle`), x the strength of variant j itself and
f(s) = 1 + sum_c pi_c (exp(-x q_c(s)) - 1) its own factor in phi_j, the density of z_j together with
"j is of component c" is pi_c p_jc, and p_jc has the characteristic function phi_j / f exp(-x q_c).
Hence

    E[signal | z]        = z + sigma2_0 p'(z) / p(z)                          (Tweedie)
    P(c | z)             = pi_c p_jc(z) / p(z)
    E[own part of z | z] = -sum_c v_c pi_c p_jc'(z) / p(z),   v_c = N x sigma2_beta_c
    P(no close partner is causal | z) = (1 - sum pi)^a p_-(z) / p(z)

with p_- of phi_j / prod_i f_i over the a close partners i. The same ratios of P(|Z| >= |z|) are
tail probabilities. All come from one quadrature over the frequencies of the likelihood's kernel, a
shifted line in the tails; where no line serves, the densities are those of their saddle points
(`saddle`).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import numba as nb
import numpy as np
from numpy.typing import ArrayLike, NDArray

from bayesmixer.errors import InputError
from bayesmixer.ld.spectrum import cardinal
from bayesmixer.ops.compiling import announce
from bayesmixer.ops.frequencies import plan_bands, which_tail
from bayesmixer.ops.given_z_kernel import cosine_chunks, line_rows, saddle_rows
from bayesmixer.ops.kernel import band_tables, plan_tail, share_parts
from bayesmixer.ops.layout import LikelihoodData, Tail, by_chunk
from bayesmixer.ops.oracle import Model, saddle_point

Array = NDArray[np.float64]
_bands: Any = band_tables
_which: Any = which_tail
_plan: Any = plan_tail
Draw = tuple[Array, Array, float]
"""pi (C,), sigma2_beta (C,), sigma2_0."""

_PART, _ROWS = 32, 256  # chunks, and rows of shifted lines, that a thread takes at a time


class Given(NamedTuple):
    """What is known of each variant given its z, (J,) each, averaged over the draws.

    Attributes
    ----------
    signal
        E[signal part of z], in units of z.
    own
        E[the variant's own part of z], in units of z.
    causal, close
        P(the variant is causal), P(it or a close partner is).
    tail_causal, tail_close
        The same given |Z| >= |z| in place of z.
    """

    signal: Array
    own: Array
    causal: Array
    close: Array
    tail_causal: Array
    tail_close: Array


def given_z(
    z: ArrayLike,
    n: ArrayLike,
    spectrum: NDArray[np.floating],
    node_x: ArrayLike,
    own_x: ArrayLike,
    draws: Iterable[Draw],
    close: NDArray[np.floating] | None = None,
    close_count: ArrayLike | None = None,
    threads: int | None = None,
) -> Given:
    """What z-scores say of the effects behind them, averaged over draws of the parameters.

    Parameters
    ----------
    z, n
        (J,) z-scores and sample sizes.
    spectrum, node_x
        (J, K) LD spectra, and (K,) strengths of their nodes, descending to 0.
    own_x
        (J,) strength H^(1+S) of the variant itself.
    draws
        pi (C,), sigma2_beta (C,) and sigma2_0 of each draw.
    close, close_count
        (J, K) part of the spectrum that is of close partners, the variant itself among them, and
        (J,) their number. None: what is said of them is NaN.
    threads
        Threads that share the variants; None: as many as numba has.

    Returns
    -------
    Given

    Raises
    ------
    InputError
        Effects of a draw are so strong that no quadrature resolves them, or there is no draw.
    """
    z = np.asarray(z, float)
    data = LikelihoodData(z, n, np.ones(z.size), spectrum, node_x, np.zeros(z.size, np.int64))
    own = np.asarray(own_x, float)
    known = close is not None and close_count is not None
    near = np.asarray(close) if known else np.zeros((z.size, 1))
    sums = _Sums(data, own, near, np.asarray(close_count if known else np.zeros(z.size), float))
    count = 0
    for pi, beta, zero in draws:
        sums.add(np.asarray(pi, float), np.asarray(beta, float), float(zero), threads)
        count += 1
    if not count:
        raise InputError("draws", "none, expected at least one draw of the parameters")
    mean = sums.by_variant() / count
    mean[2:] = np.clip(mean[2:], 0.0, 1.0)
    mean[:2] *= np.sign(z) / np.sqrt(data.inv_nu)
    if not known:
        mean[[3, 5]] = np.nan
    return Given(*mean)


class _Sums:
    """Sums over draws of the columns of `Given`, z~ = |z| / sqrt(nu) in place of z: of the variants
    of the bands where they lie in the chunks, of the others by row.
    """

    def __init__(
        self, data: LikelihoodData, own: Array, close: NDArray[np.floating], count: Array
    ) -> None:
        self.data, self.own, self.close, self.count = data, own, close, count
        row, place, start = data.cut.row, data.cut.place, data.cut.start
        self.packed_close = by_chunk(close[row], place, start)
        self.packed_own, self.packed_count = np.ones(int(start[-1])), np.zeros(int(start[-1]))
        self.packed_own[place], self.packed_count[place] = own[row], count[row]
        self.chunks = np.zeros((len(Given._fields), int(start[-1])))
        self.rows = np.zeros((len(Given._fields), data.z.size))
        edges = np.arange(0, start.size - 1, _PART)
        self.parts = np.append(edges, start.size - 1)

    def add(self, pi: Array, beta: Array, zero: float, threads: int | None) -> None:
        """Add a draw."""
        packed = self.data.packed
        node_x, n_ref = packed.node_x, packed.n_ref
        m, ds = plan_bands(packed.bands, node_x[0], n_ref, pi, beta, zero)
        tables, _ = _bands(m, ds, node_x, n_ref, pi, beta)
        if m.min() < 0:
            raise InputError(
                "draws",
                f"pi {pi}, sigma2_beta {beta}: effects too strong for any quadrature, expected "
                "those of a fit",
            )
        threads = 1 if self.data.z.size < 4000 else threads or nb.get_num_threads()

        announce(cosine_chunks, "what is said of each variant")

        def part(lo: int, hi: int) -> None:
            cosine_chunks(
                lo, hi, packed.chunks, self.packed_close, self.packed_own, self.packed_count,
                m, ds, tables, packed.n_ref, pi, beta, zero, self.chunks,
            )  # fmt: skip

        share_parts(part, self.parts, threads)
        tail = self.data.tails[_which(m, packed.bands)]
        if tail.row.size:
            self._add_tail(tail, pi, beta, zero, threads)

    def by_variant(self) -> Array:
        """The sums, (6, J)."""
        row, place = self.data.cut.row, self.data.cut.place
        out = self.rows.copy()
        out[:, row] += self.chunks[:, place]
        return out

    def _add_tail(self, tail: Tail, pi: Array, beta: Array, zero: float, threads: int) -> None:
        """Add the rows of the shifted lines; where these lose their digits, more and more of the
        saddle point's answer, as the likelihood does.
        """
        packed = self.data.packed
        # as if censored: shifts that keep away from the pole of the tail's probability
        rows = packed.rows._replace(censored=np.ones(self.data.z.size, bool))
        plan = _plan(tail, rows, packed.node_x, packed.n_ref, pi, beta, zero, False)
        lost = plan.m[plan.place[plan.shift]] == 0  # too fine for any line
        at = np.flatnonzero(plan.far | lost)
        share = lost.astype(float)
        if at.size:
            share[at], said = self._saddle(tail.row[at], lost[at], pi, beta, zero)
            self.rows[:, tail.row[at]] += share[at] * said
        at = np.flatnonzero(share < 1)
        out = np.empty((len(Given._fields), at.size))

        def part(lo: int, hi: int) -> None:
            line_rows(
                lo, hi, tail.row[at], plan.shift[at], plan.place, plan.m, plan.ds, plan.re, plan.im,
                packed.rows, self.close, self.own, self.count, packed.n_ref, pi, beta, zero, out,
            )  # fmt: skip

        edges = np.unique(np.append(np.arange(0, at.size, _ROWS), at.size))
        share_parts(part, edges, threads)
        self.rows[:, tail.row[at]] += (1 - share[at]) * out

    def _saddle(
        self, row: NDArray[np.int64], lost: NDArray[np.bool_], pi: Array, beta: Array, zero: float
    ) -> tuple[Array, Array]:
        """The saddle points' share in what is said of some rows, all of it where no line serves,
        and what they say, (6, J').
        """
        d = self.data
        alone = self.own[row, None] * cardinal(self.own[row], d.node_x.size, d.node_x[0])
        near = self.close[row] if self.close.shape[1] > 1 else alone
        m = Model(d.z[row], d.n[row], d.spectrum[row].astype(float), d.node_x, pi, beta, zero)
        k = saddle_point(m, np.zeros(row.size, bool)) / np.sqrt(d.inv_nu[row])  # of z~
        share, out = lost.astype(float), np.zeros((len(Given._fields), row.size))
        saddle_rows(
            row, k, d.rows, d.node_x, alone, near.astype(float), self.own, self.count, d.n_ref,
            pi, beta, zero, share, out,
        )  # fmt: skip
        return share, out
