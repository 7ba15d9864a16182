"""The arithmetic of the hot path in numpy and scipy: the reference."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from livedetect.detect.arrays import BoolArray, FloatArray, IntArray
from livedetect.detect.kernels.maps import (
    WINDOWS,
    Expected,
    FilterScratch,
    Ground,
    Recent,
    Standardised,
    notable_in,
    window_bits,
)
from livedetect.detect.kernels.plain_experts import filtered, matched, most_novel, novelty
from livedetect.detect.kernels.plain_held_out import held_out
from livedetect.detect.kernels.plain_lines import strongest_row, weighted
from livedetect.detect.kernels.plain_means import binned, blend, mean_and_spread
from livedetect.detect.kernels.plain_rows import row_statistics
from livedetect.detect.kernels.plain_sites import (
    all_true,
    any_bits,
    inside,
    keep_apart,
    keep_inside,
    mark_blocks,
    mark_samples,
    nearest_site,
    place,
)
from livedetect.detect.kernels.planes import at_samples, planes_of

__all__ = [
    "all_true",
    "any_bits",
    "binned",
    "blend",
    "by_place",
    "filtered",
    "fitted_samples",
    "follow",
    "held_out",
    "inside",
    "interpolate",
    "keep_apart",
    "keep_inside",
    "mark_blocks",
    "mark_samples",
    "matched",
    "mean_and_spread",
    "most_novel",
    "nearest_site",
    "novelty",
    "phases",
    "place",
    "robust_line",
    "row_statistics",
    "row_terms",
    "sample",
    "shift_rows",
    "smooth_cells",
    "spline_of_smoothed",
    "strongest_row",
    "subtract_cells",
    "subtract_crystal",
    "systematic",
    "weighted",
    "windows",
]

TRUNCATE = 3.0
"""Standard deviations at which the matched filter ends."""
HUBER_LIMIT = 1.345
HUBER_STEPS = 4
MOST_FITTED = 20000
"""About as many samples decide on gain and offset."""
MOST_RANKED = 4000
"""About as many errors decide on their scale."""


def row_terms(
    frame: FloatArray, phases: IntArray, moved: IntArray, table: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Sums from which the displacement of every row follows.

    Parameters
    ----------
    frame : (H, W) float32 f.
    phases : (2, H, W) uint16 position of every pixel within the unit cell, in 65536ths;
        they wrap around like the cell does.
    moved : (H, 2) uint16 to be subtracted from the phases of each row.
    table : (2, n, n) float32, value v and slope s over the cell.

    Returns
    -------
    (H, 4) float64 sums over each row of s s, f s, v s, s; (5,) sums over the frame of
    f, f f, v, v v, f v.
    """
    n = np.uint32(table.shape[1])
    index = ((phases - moved.T[:, :, None]).astype(np.uint32) * n) >> np.uint32(16)
    flat = index[0] * n + index[1]
    value, slope = table[0].ravel()[flat], table[1].ravel()[flat]
    rows = [np.einsum("yx,yx->y", a, slope, dtype=float) for a in (slope, frame, value)]
    pairs = ((frame, frame), (value, value), (frame, value))
    squares = [np.einsum("yx,yx->", a, b, dtype=float) for a, b in pairs]
    sums = [float(a.sum(dtype=float)) for a in (frame, value)]
    total = np.array([sums[0], squares[0], sums[1], squares[1], squares[2]])
    return np.stack([*rows, slope.sum(axis=1, dtype=float)], axis=1), total


def phases(
    field: FloatArray, block_px: float, shift: FloatArray, cell: FloatArray, out: IntArray
) -> None:
    """Position of every pixel within the unit cell, in 65536ths, to `out` (2, H, W) uint16.

    Parameters
    ----------
    field : (2, h, w) warp of blocks of `block_px`.
    shift : (x, y) drift of the frame, px.
    cell : rows: place of phase zero in sample coordinates, px; b1, b2, cycles per px.
    """
    y, x = np.mgrid[: out.shape[1], : out.shape[2]].astype(float)
    x, y = x - shift[0], y - shift[1]
    rows, cols = ((v + 0.5) / block_px - 0.5 for v in (y, x))
    ux, uy = interpolate(field, rows, cols)
    x, y = x - ux - cell[0, 0], y - uy - cell[0, 1]
    turns = np.stack([b[0] * x + b[1] * y for b in cell[1:]])
    out[...] = np.floor(turns * 65536 + 0.5).astype(np.int64) & 65535


def spline_of_smoothed(
    frame: FloatArray, displacement: FloatArray, sigma: float, scratch: FilterScratch
) -> FloatArray:
    """Cubic spline coefficients of a frame behind its matched filter, (H, W).

    Parameters
    ----------
    frame : (H, W) float32.
    displacement : (H,) float32 px along x, undone first; empty for none.
    sigma : of the Gaussian filter, px.
    scratch : may be overwritten, and the result may lie in it.
    """
    del scratch
    straight = shift_rows(frame, displacement) if len(displacement) else frame
    smooth = ndimage.gaussian_filter(straight, sigma, mode="mirror", truncate=TRUNCATE)
    return np.asarray(ndimage.spline_filter(smooth, order=3, mode="mirror", output=np.float32))


def sample(
    spline: FloatArray, positions: FloatArray, shift: FloatArray, edge_px: float
) -> tuple[FloatArray, BoolArray]:
    """Values (P, Q) of a cubic spline and where they are valid.

    Parameters
    ----------
    spline : (H, W) float32 coefficients.
    positions : (2, P, Q) float32 as (x, y), px.
    shift : (x, y) to be added, px.
    edge_px : closer to the edge nothing is valid.
    """
    height, width = spline.shape
    x, y = positions[0] + np.float32(shift[0]), positions[1] + np.float32(shift[1])
    covered = (x >= edge_px) & (y >= edge_px)
    covered &= (x <= width - 1 - edge_px) & (y <= height - 1 - edge_px)
    values = np.zeros(x.shape, np.float32)
    values[covered] = ndimage.map_coordinates(
        spline, [y[covered], x[covered]], order=3, mode="mirror", prefilter=False
    )
    return values, covered


def interpolate(field: FloatArray, rows: FloatArray, cols: FloatArray) -> FloatArray:
    """Bilinear interpolation of a field (2, h, w), constant beyond its edges, (2, ...)."""
    return np.stack(
        [ndimage.map_coordinates(part, [rows, cols], order=1, mode="nearest") for part in field]
    )


def shift_rows(frame: FloatArray, displacement: FloatArray) -> FloatArray:
    """Undo a displacement of each row along x by cubic convolution (Keys 1981).

    Parameters
    ----------
    frame : (H, W) float32.
    displacement : (H,) px; row i of the result at x is row i of `frame` at x + displacement.
    """
    whole = np.floor(displacement).astype(int)
    t = (displacement - whole).astype(np.float32)[:, None]
    first = -0.5 * t * (1 - t) ** 2
    last = -0.5 * t**2 * (1 - t)
    second = 1 + t**2 * (1.5 * t - 2.5)
    weights = (first, second, 1 - first - second - last, last)
    result = np.zeros_like(frame)
    columns = np.arange(frame.shape[1])
    for tap, weight in enumerate(weights):
        index = np.clip(columns + whole[:, None] + tap - 1, 0, frame.shape[1] - 1)
        result += weight * np.take_along_axis(frame, index, axis=1)
    return result


def windows(
    values: FloatArray,
    covered: BoolArray,
    recent: Recent,
    ground: Ground,
    frozen: BoolArray,
    out: Standardised,
) -> None:
    """Take a residual into `recent` and standardise every time window that ends with it.

    Parameters
    ----------
    values, covered : (P, Q) residual and where it holds data.
    frozen : (P, Q) samples that are not counted as outliers.
    """
    recent.past[recent.newest] = values
    recent.history[...] = (recent.history << np.uint8(1)) | covered.astype(np.uint8)
    level, frames, systematic_part = ground.base
    known, variance, total = frames >= ground.known_frames, ground.variance(), 0
    out.unbroken[...] = np.where(known, recent.history & ~(recent.history + np.uint8(1)), 0)
    row = 0
    for length in range(1, WINDOWS[-1] + 1):
        total = total + recent.past[recent.newest - length + 1]
        if length not in WINDOWS:
            continue
        valid = out.unbroken >= window_bits(length)
        error = variance * (1 / length + 1 / np.maximum(frames, 1)) + systematic_part
        z = (total / length - level) / np.sqrt(error) / ground.inflation[row]
        out.z[row] = np.where(valid, z, 0)
        row += 1
    out.notable[...] = notable_in(out.z)
    valid = out.unbroken > 0
    judged = valid & ~frozen
    out.counts[...] = judged.sum(), (judged & (np.abs(out.z[0]) > 3)).sum()
    for entry, target in zip((valid, np.minimum(out.z[0] ** 2, 9)), out.cells, strict=True):
        target[...] = _cell_sum(entry, ground.phase.shape)


def by_place(latest: Standardised, frozen: BoolArray, phase: FloatArray) -> FloatArray:
    """(2, m1, m2) judged samples and their clipped z² in one frame, by place in the cell.

    `frozen` (P, Q) ones are left out; `phase` is (m1, m2).
    """
    judged = (latest.unbroken > 0) & ~frozen
    square = np.minimum(latest.z[0] ** 2, 9) * judged
    m1, m2 = phase.shape
    shape = (-1, m1, judged.shape[1] // m2, m2)
    return np.stack([entry.reshape(shape).sum(axis=(0, 2)) for entry in (judged, square)])


def follow(
    recent: Recent, ground: Ground, settled: BoolArray, frozen: BoolArray, law: tuple[float, float]
) -> None:
    """Let the levels follow: new places the latest residual, known ones the oldest.

    Parameters
    ----------
    settled : (n1, n2) cells where new places may start.
    frozen : (P, Q) where the level must stay.
    law : lowest rate per frame, and noise standard deviations by which one frame may pull.
    """
    rate, limit = law
    level, frames, _ = ground.base
    new = (frames < ground.known_frames) & ground.spread(settled) & (recent.history & 1 > 0)
    level[new] = ((level * frames + recent.past[recent.newest]) / (frames + 1))[new]
    frames[new] += 1
    if not recent.is_full:
        return
    followed = (frames >= ground.known_frames) & (recent.history & 128 > 0) & ~frozen
    reach = limit * np.sqrt(ground.variance())
    oldest = recent.past[(recent.newest + 1) % len(recent.past)]
    innovation = np.clip(oldest - level, -reach, reach)
    level[followed] += (np.maximum(1 / (frames + 1), rate) * innovation)[followed]
    frames[followed] = np.minimum(frames + 1, 2 / rate - 1)[followed]


def systematic(ground: Ground, coefficients: FloatArray, rows: slice) -> None:
    """Variance that registration adds: proportional to level² and to its squared gradient.

    The gradient is per sample and 0 beside places without any frame. Other than `rows` of the
    grid stay as they are.
    """
    level, known = ground.base[0], ground.base[1] > 0
    slope2 = np.zeros_like(level)
    slope2[1:-1] += ((level[2:] - level[:-2]) / 2 * (known[2:] & known[:-2])) ** 2
    along_q = (level[:, 2:] - level[:, :-2]) / 2 * (known[:, 2:] & known[:, :-2])
    slope2[:, 1:-1] += along_q**2
    ground.base[2, rows] = (coefficients[0] * level**2 + coefficients[1] * slope2)[rows]


def robust_line(model: FloatArray, data: FloatArray) -> tuple[float, float]:
    """Gain and offset of ``data = offset + gain * model`` with Huber weights (Huber 1964)."""
    weight = np.ones(len(model))
    gain, offset = 1.0, 0.0
    for _ in range(HUBER_STEPS):
        mean_model = np.average(model, weights=weight)
        mean_data = np.average(data, weights=weight)
        centred = weight * (model - mean_model)
        gain = float(centred @ (data - mean_data) / max(centred @ (model - mean_model), 1e-12))
        offset = float(mean_data - gain * mean_model)
        error = np.abs(data - offset - gain * model)
        scale = max(1.4826 * float(np.median(error[:: scale_step(len(error))])), 1e-12)
        weight = np.minimum(1.0, HUBER_LIMIT * scale / np.maximum(error, 1e-12))
    return gain, offset


def scale_step(samples: int) -> int:
    """Of so many samples every which one decides on the scale of the errors."""
    return max(1, samples // MOST_RANKED)


def fitted_samples(
    values: FloatArray, covered: BoolArray, template: FloatArray, ground: Expected
) -> FloatArray:
    """Crystal with its level, background and data (3, n), of about 20000 samples, evenly taken.

    Where nothing is known yet, all covered samples are used.
    """
    m1, m2 = template.shape
    crystalline = covered & ~np.repeat(np.repeat(ground.ignored, m1, axis=0), m2, axis=1)
    fitted = crystalline & ground.known
    indices = np.flatnonzero(fitted if fitted.any() else covered)
    chosen = indices[:: max(1, len(indices) // MOST_FITTED)]
    crystal = np.tile(template, ground.ignored.shape)
    cells = at_samples(planes_of(ground.cells, (m1, m2)), (m1, m2))
    expected = [crystal + np.where(ground.known, ground.level, 0), np.where(ground.known, cells, 0)]
    return np.stack([entry.ravel()[chosen] for entry in (*expected, values)], dtype=float)


def subtract_crystal(
    values: FloatArray,
    covered: BoolArray,
    template: FloatArray,
    line: tuple[float, float],
    ground: Expected,
) -> FloatArray:
    """Turn samples into residuals, in place; (3, n1, n2) what their cells are like.

    That is their mean residual, or where half of what is covered is known at least, the mean of
    how it differs from what is known; the share of them that is covered; and that is known.

    Parameters
    ----------
    values, covered : (P, Q) samples, and where they hold data.
    template : (m1, m2) mean unit cell.
    line : gain and offset of the frame.
    ground : the level of each sample and where it is known.
    """
    shape = template.shape
    crystal = np.tile(template, np.array(values.shape) // shape)
    values[...] = ((values - line[1]) / line[0] - crystal) * covered
    seen = covered & ground.known
    beyond = np.where(seen, values - ground.level, 0)
    sums = [_cell_sum(entry, shape) for entry in (values, covered, beyond, seen)]
    everything, count, of_known, known_count = sums
    plain, known = (
        entry / np.maximum(number, 1)
        for entry, number in ((everything, count), (of_known, known_count))
    )
    means = np.where(2 * known_count >= count, known, plain)
    return np.stack([means, count / template.size, known_count / template.size])


def subtract_cells(values: FloatArray, covered: BoolArray, cells: FloatArray) -> None:
    """Subtract the planes of all `cells` (n1, n2) from the covered samples (P, Q), in place."""
    m1, m2 = np.array(values.shape) // cells.shape
    values -= at_samples(planes_of(cells, (m1, m2)), (m1, m2)) * covered


def smooth_cells(cells: FloatArray, sigma: float) -> FloatArray:
    """(n1, n2) Gaussian filter over cells, edges reflected."""
    return np.asarray(ndimage.gaussian_filter(np.asarray(cells, float), sigma))


def _cell_sum(values: FloatArray, samples: tuple[int, ...]) -> FloatArray:
    """(n1, n2) sums of (P, Q) over cells of `samples` (m1, m2)."""
    m1, m2 = samples
    split = values.reshape(values.shape[0] // m1, m1, values.shape[1] // m2, m2)
    return np.asarray(split.sum(axis=(1, 3)))
