r"""The likelihood with S as a parameter (effect variance sigma2_beta H^S): (pi, sigma2_beta, sigma2_0, S) -> log-likelihood per LD block, and its Jacobian.

The LD spectrum at S is the Lagrange polynomial through the spectra of the exponents held, S_jk(S) = sum_s L_s(S) S'_jks (ld/exponents.py), and its derivative
that of the weights. The kernel is that of fixed S (ops/kernel.py) on spectra of twice as many columns, [S_jk, dS_jk/dS] with tables [g, 0]: the derivative
in S is then the contraction of the same small matrix with [0, g], exact and for one more matrix product. In the tails, where few variants are, it is a
central difference along dS_jk/dS on the same line of integration.
"""

from __future__ import annotations

import hashlib
from functools import cache, cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numba as nb
import numpy as np
import pytensor.tensor as pt
from numpy.typing import ArrayLike, NDArray
from pytensor.gradient import DisconnectedType, disconnected_type
from pytensor.graph.basic import Apply
from pytensor.graph.op import Op
from pytensor.graph.rewriting.basic import node_rewriter
from pytensor.link.numba.dispatch.basic import register_funcify_and_cache_key
from pytensor.tensor.rewriting.basic import register_canonicalize

from bayesmixer.errors import InputError
from bayesmixer.ld.exponents import H_REF, lagrange, rescaling
from bayesmixer.ops.frequencies import plan_bands, which_tail
from bayesmixer.ops.kernel import _band_tables, _cosine_blocks, _plan_tail, _pool, _shifted_rows
from bayesmixer.ops.layout import CHUNK, LANES, Array, Bands, Chunks, LikelihoodData, Rows, Tail

_LOG_REF = float(np.log(H_REF))
_STEP = 3e-4  # of S, in the tails
FAST = {"reassoc", "contract", "arcp", "nsz", "afn"}


class Several(NamedTuple):
    """What the kernels take: the layout of one exponent, with the spectra of all.

    In `spectra` chunk c holds an (S, K, n_c) array from `S * K * start[c]`; `source` (S, J, K) are the spectra as given, `order` (J',) the rows
    of it that are evaluated; `matrices` (S, K, K) bring them to the strengths of `spectra`; `ld_max` (S, bands) replaces that of `bands`.
    """

    chunks: Chunks
    bands: Bands
    rows: Rows
    node_x: Array
    n_ref: float
    parts: NDArray[np.int64]
    held: Array
    spectra: NDArray[np.floating]
    source: NDArray[np.floating]
    order: NDArray[np.int64]
    matrices: Array
    log_ld_max: Array


class _TailData(NamedTuple):
    """What `_plan_tail` reads."""

    rows: Rows
    node_x: Array
    n_ref: float


class _Placed(LikelihoodData):
    """Numbers 1, 2, .. of the rows of another layout in place of spectra: where its chunks hold them."""

    def __init__(self, like: LikelihoodData) -> None:
        number = np.arange(1.0, like.z.size + 1)[:, None]
        super().__init__(like.z, like.n, like.weight, number, np.zeros(1), like.block, like.censor, like.n_blocks)
        self.like = like

    @cached_property
    def _band_of_row(self) -> NDArray[np.int64]:
        return self.like._band_of_row


def _halved(chunks: Chunks) -> Chunks:
    """Chunks cut in two: spectra are twice as wide here, and a product that grows beyond its size at fixed S may be given to several threads by BLAS."""
    size = np.diff(chunks.start)
    first = -(-size // (2 * LANES)) * LANES
    first = np.where(size > CHUNK // 2, first, size)
    pieces = np.where(first < size, 2, 1)
    ends = np.stack([chunks.start[:-1] + first, chunks.start[1:]], axis=1)
    start = np.concatenate([[0], ends[np.stack([pieces == 2, np.ones(size.size, bool)], axis=1)]]).astype(np.int64)
    edge = np.concatenate([[0], np.cumsum(pieces)]).astype(np.int64)
    return chunks._replace(start=start, band=np.repeat(chunks.band, pieces), block_chunk=edge[chunks.block_chunk])


class MafLikelihoodData:
    """z-scores, sample sizes, weights and LD spectra of several exponents S of the variants of one trait, ready for the kernels.

    Parameters
    ----------
    z, n, weight, ld_block, censor, n_blocks
        As in `LikelihoodData`.
    spectrum
        (S, J, K) LD spectra with strengths H^(1+S) r^2; kept as it is, not copied.
    node_x
        (K,) strengths of the nodes, those of `ld.spectrum.nodes`.
    held
        (S,) the exponents, at least two, all different.

    Raises
    ------
    ValueError
        As `LikelihoodData`, or the exponents do not fit the spectra.
    InputError
        Other nodes.
    """

    def __init__(
        self,
        z: ArrayLike,
        n: ArrayLike,
        weight: ArrayLike,
        spectrum: NDArray[np.floating],
        node_x: ArrayLike,
        ld_block: ArrayLike,
        held: ArrayLike,
        censor: float | None = None,
        n_blocks: int | None = None,
    ) -> None:
        self.held = np.asarray(held, np.float64)
        x = np.asarray(node_x, np.float64)
        if spectrum.ndim != 3 or self.held.shape != spectrum.shape[:1] or self.held.size < 2 or np.unique(self.held).size < self.held.size:
            raise ValueError(f"spectrum {spectrum.shape}, maf_s {self.held.tolist()}: expected (S, J, K) and S different exponents")
        if spectrum.dtype not in (np.float32, np.float64):
            spectrum = spectrum.astype(float)
        self.source = np.ascontiguousarray(spectrum)
        used = np.asarray(weight, float) > 0
        bad = sum(int((~np.isfinite(one[used])).sum()) for one in self.source) if used.shape == spectrum.shape[1:2] else 0
        if bad:
            raise ValueError(f"spectrum: not finite for {bad} values of weighted variants")
        self.matrices = rescaling(self.held, x)
        middle = int(np.argsort(self.held)[self.held.size // 2])
        self.one = LikelihoodData(z, n, weight, self._scaled(middle), x, ld_block, censor, n_blocks)
        self.n_blocks, self.node_x = self.one.n_blocks, self.one.node_x

    def _scaled(self, i: int) -> NDArray[np.floating]:
        return np.asarray(self.source[i] @ self.matrices[i].astype(self.source.dtype))

    @cached_property
    def digest(self) -> str:
        """Hash of everything the likelihood uses."""
        h = hashlib.sha256(self.one.digest.encode())
        h.update(self.held.tobytes())
        h.update(self.source[:, self.one.variant].tobytes())
        return h.hexdigest()[:24]

    @cached_property
    def packed(self) -> Several:
        """What the kernels take."""
        one, held = self.one, self.held
        number = _Placed(one).chunks.spectra.astype(np.int64) - 1  # -1 where a chunk is padded
        chunks = _halved(one.chunks)
        k, start = one.node_x.size, chunks.start
        full, total = number >= 0, int(start[-1])
        spectra = np.empty(held.size * k * total, self.source.dtype)
        band, n_bands = one._band_of_row, one.bands.z_limit.size
        ld_max = np.zeros((held.size, n_bands))
        for i in range(held.size):
            rows = self._scaled(i)[one.variant]
            padded = np.zeros((total, k), spectra.dtype)
            padded[full] = rows[number[full]]
            for a, b in pairwise(start):
                at = held.size * k * a + i * k * (b - a)
                spectra[at : at + k * (b - a)] = padded[a:b].T.ravel()
            ld = rows.sum(1, dtype=float)
            for b in range(n_bands):
                ld_max[i, b] = ld[band == b].max(initial=0.0)
        order = np.argsort(held)
        log_ld_max = np.log(np.maximum(ld_max, 1e-12))[order]
        # the layout's own spectra serve no more
        chunks = chunks._replace(spectra=np.zeros(0))
        lean = one.rows._replace(spectrum=np.zeros((0, k)))
        return Several(chunks, one.bands, lean, one.node_x, one.n_ref, one.parts, held, spectra, self.source, one.variant, self.matrices, log_ld_max)

    @property
    def tails(self) -> tuple[Tail, ...]:
        """As `LikelihoodData.tails`."""
        return self.one.tails


@nb.njit(cache=True)  # type: ignore[untyped-decorator]
def _valid(pi: Array, sigma2: Array, sigma2_zero: float, s: float, held: Array) -> bool:
    ok = np.isfinite(pi).all() and np.isfinite(sigma2).all() and np.isfinite(sigma2_zero) and np.isfinite(s)
    ok = ok and pi.min() >= 0 and pi.sum() <= 1 + 1e-9 and sigma2.min() >= 0 and sigma2_zero > 1e-3
    return bool(ok and held.min() - 1e-9 <= s <= held.max() + 1e-9)


@nb.njit(cache=True)  # type: ignore[untyped-decorator]
def _bulk_plan(data, s, pi, sigma2, sigma2_zero, gradient):  # type: ignore[no-untyped-def]
    """Bands with their LD scores at S; frequencies; tables [g, 0] and, of every parameter and S, [dg, 0], [0, g]."""
    n_bands, held = data.log_ld_max.shape[1], np.sort(data.held)
    top = np.empty(n_bands)
    for b in range(n_bands):  # an LD score is log-convex in S, so that its chord is a bound
        top[b] = np.exp(np.interp(s, held, data.log_ld_max[:, b]))
    bands = Bands(data.bands.z_limit, data.bands.zt_max, data.bands.inv_nu_max, top)
    # the strongest partner there can be, H = 1/2 and r^2 = 1
    strongest = min(0.5 ** (1 + s) * H_REF ** (held[-1] - s), data.node_x[0])
    m, ds = plan_bands(bands, strongest, data.n_ref, pi, sigma2, sigma2_zero)
    g, dg = _band_tables(m, ds, data.node_x, data.n_ref, pi, sigma2)
    if not gradient:
        return bands, m, ds, g, dg
    k, p = data.node_x.size, 2 * pi.size
    tables, d_tables = np.zeros((n_bands, g.shape[1], 2 * k)), np.zeros((n_bands, p + 1, g.shape[1], 2 * k))
    tables[:, :, :k] = g
    d_tables[:, :p, :, :k] = dg
    d_tables[:, p, :, k:] = g
    return bands, m, ds, tables, d_tables


@nb.njit(fastmath=FAST, nogil=True, cache=True)  # type: ignore[untyped-decorator]
def _spectra_at(first, last, data, weight, slope, gradient):  # type: ignore[no-untyped-def]
    """Spectra of chunks first .. last - 1 at S, and dS_jk/dS below them in each chunk where `gradient`."""
    start, k, n_s = data.chunks.start, data.node_x.size, data.held.size
    wide = 2 * k if gradient else k
    out = np.zeros(wide * (start[last] - start[first]), data.spectra.dtype)
    for c in range(first, last):
        size = k * (start[c + 1] - start[c])
        place = wide * (start[c] - start[first])
        for i in range(n_s):
            packed = data.spectra[n_s * k * start[c] + i * size : n_s * k * start[c] + (i + 1) * size]
            w, d = weight[i], slope[i]
            value = out[place : place + size]
            if gradient:
                derivative = out[place + size : place + 2 * size]
                for a in range(size):
                    value[a] += w * packed[a]
                    derivative[a] += d * packed[a]
            else:
                for a in range(size):
                    value[a] += w * packed[a]
    return out


@nb.njit(nogil=True, cache=True)  # type: ignore[untyped-decorator]
def _bulk(lo, hi, data, plan, weight, slope, sigma2_zero, gradient, loglik, jac):  # type: ignore[no-untyped-def]
    """Cosine sums of LD blocks lo .. hi - 1."""
    bands, m, ds, tables, d_tables = plan
    c = data.chunks
    first, last = c.block_chunk[lo], c.block_chunk[hi]
    a, b = c.start[first], c.start[last]
    here = Chunks(c.z[a:b], c.inv_nu[a:b], c.weight[a:b], _spectra_at(first, last, data, weight, slope, gradient), c.start - a, c.band, c.block_chunk)
    _cosine_blocks(lo, hi, here, bands, m, ds, tables, d_tables, sigma2_zero, gradient, loglik, jac)


@nb.njit(nogil=True, cache=True)  # type: ignore[untyped-decorator]
def _tail_rows(data, tail, weight, slope):  # type: ignore[no-untyped-def]
    """The rows of the tails with their spectra at S, and dS_jk/dS."""
    r, k = tail.row, data.node_x.size
    spectrum, derivative = np.zeros((r.size, k)), np.zeros((r.size, k))
    wide = np.empty(k)
    for s in range(data.held.size):
        for i in range(r.size):
            wide[:] = data.source[s, data.order[r[i]]]
            moved = wide @ data.matrices[s]
            spectrum[i] += weight[s] * moved
            derivative[i] += slope[s] * moved
    return Rows(data.rows.zt[r], data.rows.inv_nu[r], data.rows.weight[r], spectrum, data.rows.censored[r]), derivative


@nb.njit(nogil=True, cache=True)  # type: ignore[untyped-decorator]
def _tail_plan(data, tail, weight, slope, pi, sigma2, sigma2_zero, gradient):  # type: ignore[no-untyped-def]
    """Rows of the tails, dS_jk/dS, and the lines and tables for them."""
    rows, derivative = _tail_rows(data, tail, weight, slope)
    order = Tail(np.arange(tail.row.size), tail.block_row)
    return rows, derivative, order, _plan_tail(_TailData(rows, data.node_x, data.n_ref), order, pi, sigma2, sigma2_zero, gradient)


@nb.njit(nogil=True, cache=True)  # type: ignore[untyped-decorator]
def _tails(lo, hi, data, plan, pi, sigma2, sigma2_zero, gradient, loglik, jac):  # type: ignore[no-untyped-def]
    """Shifted lines of LD blocks lo .. hi - 1; the last columns of jac are S and sigma2_zero."""
    rows, derivative, tail, lines = plan
    a, b = tail.block_row[lo], tail.block_row[hi]
    if a == b:
        return
    p = 2 * pi.size
    part = np.zeros((loglik.size, p + 1))
    _shifted_rows(a, b, tail, rows, lines, data.node_x, data.n_ref, pi, sigma2, sigma2_zero, gradient, loglik, part)
    if not gradient:
        return
    up, down = np.zeros(loglik.size), np.zeros(loglik.size)
    for value, step in ((up, _STEP), (down, -_STEP)):
        moved = Rows(rows.zt, rows.inv_nu, rows.weight, rows.spectrum + step * derivative, rows.censored)
        _shifted_rows(a, b, tail, moved, lines, data.node_x, data.n_ref, pi, sigma2, sigma2_zero, False, value, part)
    jac[lo:hi, :p] += part[lo:hi, :p]
    jac[lo:hi, p] += (up[lo:hi] - down[lo:hi]) / (2 * _STEP)
    jac[lo:hi, p + 1] += part[lo:hi, p]


@nb.njit(cache=True)  # type: ignore[untyped-decorator]
def _columns(jac, sigma2, scale):  # type: ignore[no-untyped-def]
    """Derivatives in (pi, sigma2_beta, sigma2_0, S) from those in the scaled sigma2, S and sigma2_0."""
    c = sigma2.size
    out = np.empty_like(jac)
    for block in range(jac.shape[0]):
        along = jac[block, 2 * c]
        for i in range(c):
            out[block, i] = jac[block, i]
            out[block, c + i] = jac[block, c + i] * scale
            along += jac[block, c + i] * sigma2[i] * scale * _LOG_REF
        out[block, 2 * c] = jac[block, 2 * c + 1]
        out[block, 2 * c + 1] = along
    return out


@nb.njit(cache=True)  # type: ignore[untyped-decorator]
def evaluate_serial(data, tails, pi, sigma2_beta, sigma2_zero, s, gradient):  # type: ignore[no-untyped-def]
    """Weighted log-likelihood (L,) and Jacobian (L, 2C + 2) in (pi, sigma2_beta, sigma2_0, S), on one thread."""
    scale = H_REF ** (s - data.held.max())
    sigma2 = sigma2_beta * scale
    weight, slope = lagrange(data.held, s)
    n_blocks = data.chunks.block_chunk.size - 1
    loglik, jac = np.zeros(n_blocks), np.zeros((n_blocks, 2 * pi.size + 2))
    plan = _bulk_plan(data, s, pi, sigma2, sigma2_zero, gradient)
    tail = tails[which_tail(plan[1], plan[0])]
    tail_plan = _tail_plan(data, tail, weight, slope, pi, sigma2, sigma2_zero, gradient)
    for i in range(data.parts.size - 1):  # spectra of one part at a time
        _bulk(data.parts[i], data.parts[i + 1], data, plan, weight, slope, sigma2_zero, gradient, loglik, jac)
    _tails(0, n_blocks, data, tail_plan, pi, sigma2, sigma2_zero, gradient, loglik, jac)
    return loglik, _columns(jac, sigma2_beta, scale)


def evaluate_parallel(
    data: Several, tails: tuple[Tail, ...], pi: Array, sigma2_beta: Array, sigma2_zero: float, s: float, gradient: bool
) -> tuple[Array, Array]:
    """As `evaluate_serial`, on `numba.get_num_threads()` Python threads.

    The functions around the kernels run in Python here (`py_func`): compiled, each would hold a copy of the kernels, and be slow to compile.
    """
    scale = float(H_REF ** (s - data.held.max()))
    sigma2 = sigma2_beta * scale
    weight, slope = lagrange(data.held, s)
    n_blocks, threads = data.chunks.block_chunk.size - 1, nb.get_num_threads()
    loglik, jac = np.zeros(n_blocks), np.zeros((n_blocks, 2 * pi.size + 2))
    plan = _bulk_plan.py_func(data, s, pi, sigma2, sigma2_zero, gradient)
    tail = tails[which_tail(plan[1], plan[0])]
    tail_plan = _tail_plan.py_func(data, tail, weight, slope, pi, sigma2, sigma2_zero, gradient)

    def part(lo: int, hi: int) -> None:
        _bulk.py_func(lo, hi, data, plan, weight, slope, sigma2_zero, gradient, loglik, jac)
        _tails.py_func(lo, hi, data, tail_plan, pi, sigma2, sigma2_zero, gradient, loglik, jac)

    if threads == 1 or data.chunks.z.size < 4000:  # threads would cost more than they save
        list(map(part, data.parts[:-1], data.parts[1:]))
    else:
        list(_pool(threads).map(part, data.parts[:-1], data.parts[1:]))
    return loglik, _columns(jac, sigma2_beta, scale)


class MafMixtureLogLik(Op):
    """Weighted log-likelihood per LD block under a mixture of Gaussian effects whose variance is proportional to H^S.

    Inputs: `pi` (C,), `sigma2_beta` (C,) variances of effects at H = 1, `sigma2_0` (), `maf_s` () the exponent S. Outputs: `loglik` (L,) and `jacobian`
    (L, 2C + 2), its derivatives in (pi, sigma2_beta, sigma2_0, maf_s), or (L, 0) where `gradient` is False. Minus infinity where S lies outside
    the exponents held.

    Source: Frei et al. 2019 (Nature Communications 10:2417), eq. 3-4, with strengths H^(1+S) r^2 as in its Discussion; docs/maf_architecture.md.
    """

    __props__ = ("digest", "gradient")

    def __init__(self, data: MafLikelihoodData, gradient: bool = True) -> None:
        self.data, self.gradient, self.digest = data, gradient, data.digest

    def make_node(self, pi: Any, sigma2_beta: Any, sigma2_0: Any, maf_s: Any) -> Apply:
        """Node of the four parameters."""
        inputs = [pt.as_tensor_variable(v, dtype="float64") for v in (pi, sigma2_beta, sigma2_0, maf_s)]
        if [v.type.ndim for v in inputs] != [1, 1, 0, 0]:
            raise TypeError(
                f"pi, sigma2_beta, sigma2_0, maf_s: expected two vectors and two scalars, found {[v.type.ndim for v in inputs]} dimensions"
            )
        blocks = self.data.n_blocks
        outputs = [pt.tensor("loglik", shape=(blocks,), dtype="float64"), pt.tensor("jacobian", shape=(blocks, None), dtype="float64")]
        return Apply(self, inputs, outputs)

    def perform(self, node: Apply, inputs: Any, outputs: Any) -> None:
        """Evaluate on all threads."""
        outputs[0][0], outputs[1][0] = self.evaluate(*inputs)

    def evaluate(self, pi: Any, sigma2_beta: Any, sigma2_0: Any, maf_s: Any) -> tuple[Array, Array]:
        """Log-likelihood per LD block (L,) and Jacobian (L, 2C + 2) in plain NumPy, on all threads."""
        p, v = (np.atleast_1d(np.asarray(a, float)) for a in (pi, sigma2_beta))
        zero, s, data = float(sigma2_0), float(maf_s), self.data
        if not _valid(p, v, zero, s, data.held):
            return np.full(data.n_blocks, -np.inf), np.zeros((data.n_blocks, 2 * p.size + 2 if self.gradient else 0))
        loglik, jacobian = evaluate_parallel(data.packed, data.tails, p, v, zero, s, self.gradient)
        return loglik, jacobian if self.gradient else jacobian[:, :0]

    def pullback(self, inputs: Any, outputs: Any, cotangents: Any) -> list[Any]:
        """Contract the cotangent of `loglik` with this node's own Jacobian."""
        if not isinstance(cotangents[1].type, DisconnectedType):
            raise NotImplementedError("MafMixtureLogLik: second derivatives are not available; differentiate the gradient numerically")
        if isinstance(cotangents[0].type, DisconnectedType):
            return [disconnected_type() for _ in inputs]
        outputs = outputs if self.gradient else MafMixtureLogLik(self.data)(*inputs)
        slope = pt.dot(cotangents[0], outputs[1])
        c = inputs[0].type.shape[0]
        c = inputs[0].shape[0] if c is None else c
        return [slope[:c], slope[c : 2 * c], slope[2 * c], slope[2 * c + 1]]

    def infer_shape(self, node: Apply, shapes: Any) -> list[tuple[Any, ...]]:
        """Shapes of the outputs."""
        blocks = pt.as_tensor_variable(np.int64(self.data.n_blocks))
        return [(blocks,), (blocks, 2 * shapes[0][0] + 2 if self.gradient else pt.as_tensor_variable(np.int64(0)))]


@register_canonicalize("fast_compile")
@node_rewriter([MafMixtureLogLik])
def local_maf_value_only(fgraph: Any, node: Apply) -> list[Any] | None:
    """Drop the Jacobian where nothing uses it."""
    if not node.op.gradient or fgraph.clients[node.outputs[1]]:
        return None
    return list(MafMixtureLogLik(node.op.data, gradient=False)(*node.inputs, return_list=True))


@cache
def _source_digest() -> str:
    """Hash of the sources that a compiled function depends on."""
    folder = Path(__file__).parent
    names = ("frequencies", "kernel", "layout", "maf", "saddle", "tables")
    sources = [*(folder / f"{name}.py" for name in names), folder.parent / "ld" / "exponents.py"]
    return hashlib.sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()[:24]


@register_funcify_and_cache_key(MafMixtureLogLik)
def _numba_maf(op: MafMixtureLogLik, node: Apply, **kwargs: Any) -> Any:
    packed, tails, gradient, blocks = op.data.packed, op.data.tails, op.gradient, op.data.n_blocks

    @nb.njit
    def mixture(pi, sigma2_beta, sigma2_0, maf_s):  # type: ignore[no-untyped-def]
        zero, s = sigma2_0.item(), maf_s.item()
        if not _valid(pi, sigma2_beta, zero, s, packed.held):
            return np.full(blocks, -np.inf), np.zeros((blocks, 2 * pi.size + 2 if gradient else 0))
        loglik, jacobian = evaluate_serial(packed, tails, np.ascontiguousarray(pi), np.ascontiguousarray(sigma2_beta), zero, s, gradient)
        return loglik, jacobian if gradient else jacobian[:, :0].copy()

    return mixture, f"MafMixtureLogLik-{op.digest}-{op.gradient}-{_source_digest()}"


try:
    from pytensor.link.jax.dispatch.basic import jax_funcify
except ImportError:  # JAX is optional
    pass
else:

    @jax_funcify.register(MafMixtureLogLik)
    def _jax_maf(op: MafMixtureLogLik, node: Apply, **kwargs: Any) -> Any:
        raise InputError("maf_s", "a free S has no JAX likelihood", "Use sampler='nutpie', or fix maf_s at an exponent of the reference.")
