"""The default method: phased patches of the lattice residual, in several time windows."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence

import numpy as np

from livedetect.detect.arrays import BoolArray, FloatArray, IntArray
from livedetect.detect.at_start import Ground, threshold_at_start, unlike_equivalents, well_inside
from livedetect.detect.candidates import Coming, candidates_of, may_be_fringe, unclaimed
from livedetect.detect.common_change import require_same_cell, unlike_share
from livedetect.detect.crowds import Crowds
from livedetect.detect.decision import fit_tail, site_probability
from livedetect.detect.domains import beside_others, carried_on, found, phases_of_cells
from livedetect.detect.drift_alarm import BURST_SHARE
from livedetect.detect.faint_phases import FaintPhases
from livedetect.detect.holes_at_start import as_regions, first_look
from livedetect.detect.humps import without_humps
from livedetect.detect.judgement import Training, fit_judgement, training_patches
from livedetect.detect.kernels.maps import notable_in
from livedetect.detect.lattice import Lattice
from livedetect.detect.level_slip import slip_of_levels
from livedetect.detect.method import Candidate, Findings, Method, Scored
from livedetect.detect.outlines import Surroundings, fine_outline, outlined
from livedetect.detect.phased import Patches, SitePatches
from livedetect.detect.regions import Region, Regions
from livedetect.detect.residual import FrontEnd
from livedetect.detect.rim import Rim
from livedetect.detect.rows import RowSearch, as_region
from livedetect.detect.sensitivity import frames_needed
from livedetect.detect.solitary import Solitary
from livedetect.detect.time_window import Window
from livedetect.detect.unfinished import Look, Rows
from livedetect.detect.warm_up import away_from, births_in, bulk_tail
from livedetect.detect.watch import LEAST_CELLS, WatchedArea, cells_in_view
from livedetect.errors import LatticeNotFoundError
from livedetect.settings import Settings

SUPPRESSION_RADIUS = 0.664
"""1.15 nearest-column distances of a honeycomb, in units of the column scale."""
BORDER_PX, BORDER_CELLS = 8.0, 0.8
MOST_BORDER_CELLS = 1.5
"""Of a frame with close columns the border would otherwise take too much."""
FROZEN_RADIUS = 0.8
"""The baseline stays as it is this close to a defect, in units of the column scale."""
LOST_BRAGG = 0.3  # of the warm-up's Bragg amplitude: less is not recognised as this crystal
ROW_CELLS = 64
"""Cells along each axis that tell how rows of an unchanged crystal scatter."""
BIRTH_TRIALS = 3.0
"""Independent moments of birth that the overlapping splits of the warm-up amount to."""


class LatticeMethod:
    """See `livedetect.detect.method.Method`; positions are in the pixels it is given."""

    DERIVED = ("_watched_blocks",)

    def __init__(
        self,
        frames: Sequence[FloatArray],
        settings: Settings,
        dwell_us: float | None = None,
        lattice: Lattice | None = None,
    ) -> None:
        """Learn from float32 frames (H, W); raises `LatticeNotFoundError`."""
        self._settings = settings
        self._front = FrontEnd(frames, lattice=lattice)
        scale = self._front.columns.scale_px
        cell_px = self._front.lattice.constant_px
        self._border_px = min(BORDER_PX + BORDER_CELLS * cell_px, MOST_BORDER_CELLS * cell_px)
        self.merge_radius_px = SUPPRESSION_RADIUS * scale
        self._frozen_px = FROZEN_RADIUS * scale
        values, self.shift, self._baseline, holes = first_look(self._front, frames)
        self._patches = SitePatches(self._front.grid, self._front.columns)
        self._dwell_us = dwell_us
        self.watch(settings)
        self._regions = Regions(self._front.grid)
        self._holes = as_regions(holes, self._front, self._baseline, self._regions)
        self._crowds = Crowds(self._front.grid, scale)
        self._solitary = Solitary(self._front.grid, scale)
        self._faint_phases = FaintPhases()
        self._windows: list[Window] = []
        self._frozen = self._marked = np.zeros(self._front.grid.shape, bool)
        self._beyond = self._known = np.zeros((0, 2))
        self._watched = self._watched_sites(self.shift)
        self.sites = int(self._watched.sum())
        training = self._training_patches(np.ones(len(self._patches), bool))
        front, patches, baseline = self._front, self._patches, self._baseline
        self._judgement = fit_judgement(front, patches, baseline, training[1], settings)
        self._judgement.calibrate(training.values(), self._site_probability, bulk_tail)
        self._births = self._find_births(values)
        if self._births:
            away = away_from(self._births, self._patches.positions, 2 * self._frozen_px)
            training = self._training_patches(away)
        self._judgement.calibrate(training.values(), self._site_probability, fit_tail)
        self._rows = RowSearch(self._front.grid, self._patches, self._judgement.filters)
        middle, places = self._front.grid.middle(ROW_CELLS)
        held_out = self._baseline.held_out(places).windows()
        some = SitePatches(middle, self._front.columns)
        self._rows.calibrate(held_out, some, self._site_probability)
        self._phases = phases_of_cells(front.grid, *baseline.levels, settings.random_seed)
        self._front.other_phases = carried_on(self._phases) > 0
        self._baseline.end_warm_up(keep_level=self._front.warp.undecided)

    @property
    def lattice_px(self) -> FloatArray:
        """(2, 2) basis vectors (x, y), px."""
        return self._front.lattice.basis_px

    @property
    def warm_up_shifts(self) -> FloatArray:
        """(frames, 2) drift of the frames it was fitted on, px."""
        return self._front.registration.shifts

    @property
    def threshold(self) -> float:
        """Score above which a site becomes a candidate."""
        return self._judgement.score_at(self._site_probability)

    def at_start(self) -> Sequence[Candidate]:
        """Places unlike their equivalents in other cells, from the warm-up mean."""
        phases = np.where(self._regions.surroundings, -1, carried_on(self._phases))
        beside = beside_others(phases, self._regions.cells)
        # also those beyond what is watched: the fringe of a defect there is none of its own
        known = self._patches.all_true(self._baseline.known)
        sites = np.flatnonzero(known & ~self._patches.of_cell(beside))
        ground = self._front.grid, self._patches, self._baseline, self._judgement.filters
        patches = unlike_equivalents(sites, Ground(*ground, phases), self._settings)
        novel = patches.score > threshold_at_start(len(patches.site))
        found = self._candidates(self._eligible(patches.select(novel)))
        return self._within(well_inside(found, self._patches, self._ready, self.merge_radius_px))[0]

    def in_warm_up(self) -> Sequence[tuple[int, Candidate]]:
        """See `Method`."""
        return self._births

    def findings(self) -> Findings:
        """Phases in view, and whether the frames are independent."""
        first = self._phases, self._front.grid, self._baseline.correlations
        return found(*first, cells_in_view(self._front.shape, self.lattice_px), self._holes)

    def score(self, frame: FloatArray) -> Scored:
        """Judge a frame, float32 (H, W)."""
        drift = self._front.locate(frame)
        if self._front.registration.strength(drift) < LOST_BRAGG:
            self._front.registration.undo(drift)
            return Scored.rejected(self._front.registration.shift, "the crystal is not visible")
        residual = self._front.step(frame, drift, self._baseline.level, self._baseline.known)
        if self._front.replaced is not None:
            self._baseline.recall(self._front.replaced, self._front.well_placed)
        if residual.moved_cells != (0, 0):
            self._baseline.move(self._front.grid, residual.moved_cells)
            self._patches.move(self._front.grid)
            self._regions.move(self._front.grid, residual.moved_cells)
            for part in (self._crowds, self._solitary, self._rows):
                part.move(residual.moved_cells)
            self._frozen = self._front.grid.shifted(self._frozen, residual.moved_cells)
            self._marked = self._front.grid.shifted(self._marked, residual.moved_cells)
        ignored = self._not_counted(residual.shift)
        self._windows = self._baseline.windows(residual.values, residual.covered, ignored)
        self.shift = residual.shift
        self._watched = self._watched_sites(residual.shift)
        known = self._baseline
        patches = self._most_novel(known.z, known.lengths, known.notable, self.threshold)
        self._rows.look(self._windows, self._patches, self._watched, self._marked)
        inner = patches.site[self._watched[patches.site]]
        share = self._patches.share_of_cells(inner)
        scores = self._patches.best_of_cells(patches)
        burst = known.outlier_share >= BURST_SHARE and known.common_noise.is_everywhere
        regions = [] if burst else self._new_regions(share, scores)
        candidates, self._beyond = self._within(self._candidates(self._eligible(patches)))
        return Scored(
            candidates=self._announced(candidates, scores),
            regions=regions,
            shift=residual.shift,
            registration=residual.registration,
            watched=self._watched_blocks,
            outlier_share=self._baseline.outlier_share,
            changed_share=self._patches.share_in(self._regions.surroundings, self._watched),
            innovation_px=residual.innovation_px,
            slip_px=residual.slip_px(self._front.lattice.constant_px),
        )

    def look(self, rows: Rows) -> Look:
        """Judge the rows of an unfinished frame; this method is left as it is."""
        trial = copy.deepcopy(self)
        return rows.seen_by(trial, trial._front)

    def to_frame(self, positions: FloatArray) -> FloatArray:
        """Pixels (n, 2) in the latest frame of sample positions (n, 2)."""
        return self._front.to_frame(positions, self.shift)

    def signal(self, positions: FloatArray, window_frames: int | None = None) -> FloatArray:
        """(n, d) z of a time window around sample positions (n, 2), NaN where not watched."""
        sites = self._patches.nearest(positions)
        signal = np.full((len(positions), len(self._patches.offsets_px)), np.nan)
        wanted = window_frames or self._windows[-1].frames
        window = min(self._windows, key=lambda entry: abs(entry.frames - wanted))
        usable = self._watched[sites] & self._patches.all_true(window.cover, sites, window.least)
        signal[usable] = self._patches.take(window.z, sites[usable])
        return signal

    def z_at(self, positions: FloatArray, window_frames: int) -> FloatArray | None:
        """(n,) z of a time window at pixels (n, 2) of the latest frame, NaN where not judged."""
        if not self._windows:
            return None
        window = min(self._windows, key=lambda entry: abs(entry.frames - window_frames))
        straight = positions - self.shift
        warped = np.stack(self._front.warp.at(straight[:, 0], straight[:, 1], self.shift), axis=1)
        z = np.where(window.valid, window.z, np.nan)
        return self._front.grid.read(z, straight - warped)

    def learn(self, defects: FloatArray) -> None:
        """Follow the frame last scored, except around `defects` (n, 2), sample coordinates.

        Nor around what has changed beyond the watched area: it may drift in.
        """
        inside = self._regions.surroundings
        cells = self._patches.cell_of(defects)
        self._solitary.follow(cells, defects)
        self._known, footprint, reach = defects, self._patches.footprint, self._frozen_px
        marked = footprint(defects, reach)
        if inside.any():
            marked |= self._front.grid.spread(inside)
        self._marked, beyond = marked, len(self._beyond) > 0
        self._frozen = marked | footprint(self._beyond, reach) if beyond else marked
        self._front.ignored_cells = inside
        self._baseline.learn(self._front.settled, self._frozen)

    def watch(self, settings: Settings) -> None:
        """Judge another region of the frame."""
        self._settings = settings
        shape = self._front.shape
        area = WatchedArea.from_settings(settings, shape, self._border_px, self._dwell_us)
        enough = cells_in_view(shape, self.lattice_px) >= LEAST_CELLS
        self._area = area if enough else area.closed()
        self._around = self._area.widened(self.merge_radius_px)
        self._wanted = WatchedArea.wanted(settings, shape)

    def restart(self, shift: FloatArray | None = None) -> None:
        """Go on after an interruption, from the drift `shift` or where it was."""
        self._front.registration.restart(shift)
        self._baseline.forget_recent()

    def unlike_share(self) -> float | None:
        """See `Relearnable`."""
        return unlike_share(self._front.grid, self._windows, self._not_counted(self.shift))

    def disown(self, regions: Sequence[Region]) -> None:
        """See `Relearnable`."""
        self._regions.disown([region.number for region in regions])

    def succeed(self, earlier: Method, offset: FloatArray, defects: FloatArray) -> None:
        """See `Relearnable`."""
        if not isinstance(earlier, LatticeMethod):
            raise LatticeNotFoundError("the latest frames call for another method")
        require_same_cell(earlier._front.lattice, self._front.lattice)
        self._regions.inherit(earlier._regions, offset)
        where = self._patches.footprint(defects, self._frozen_px)
        self._baseline.restore(np.zeros(self._front.grid.shape, np.float32), where)

    def sensitivity(self) -> Mapping[str, int | None]:
        """Frames that a defect of each kind needs at the present signal; None: not reliably."""
        noise, frames = self._baseline.usual_noise
        return frames_needed(self._judgement, self._site_probability, frames, noise)

    def slip(self, frames: int) -> FloatArray | None:
        """See `Method`."""
        seen, levels = self._baseline.lately(frames), self._baseline.levels
        return slip_of_levels(self._front.grid, seen, levels)

    def miss(self, frames: int) -> None:
        """Note frames that were not seen: the specimen went on drifting meanwhile."""
        self._front.registration.miss(frames)

    @property
    def _site_probability(self) -> float:
        budget = self._settings.false_markers_per_1000_frames
        return site_probability(budget, self.sites)

    def _watched_sites(self, shift: FloatArray) -> BoolArray:
        """(sites,) True where the whole patch is known and the place is to be judged."""
        ready = self._windows[0].cover if self._windows else self._baseline.known
        self._ready = self._patches.all_true(ready)
        watched = self._ready.copy()
        placement = self._front.warp.placement(shift)
        self._watched_blocks = self._area.keep(watched, self._patches.positions, placement)
        return watched

    def _not_counted(self, shift: FloatArray) -> BoolArray:
        """(P, Q) samples whose changes say nothing of the model: known, or left out by the user."""
        if not (self._settings.roi or self._settings.exclude):
            return self._frozen
        grid = self._front.grid
        inside = self._wanted.contains(self._front.to_frame(grid.cell_centres(), shift))
        return self._frozen | grid.spread(~inside.reshape(grid.cells))

    def _training_patches(self, allowed: BoolArray) -> dict[int, Training]:
        """Held-out patches of the warm-up frames by window length."""
        seed = self._settings.random_seed
        return training_patches(self._patches, self._baseline, allowed, seed)

    def _find_births(self, values: FloatArray) -> list[tuple[int, Candidate]]:
        """Steps in time within the warm-up; their baseline goes back to what was before."""
        held_out = self._baseline.held_out()
        births = births_in(held_out, len(values), self._changed, self.merge_radius_px)
        for first, candidate in births:
            where = self._patches.footprint(candidate.position[None], self._frozen_px)
            self._baseline.restore(values[:first].mean(axis=0), where)
        return births

    def _changed(self, step: Window) -> list[Candidate]:
        """What differs after a moment of the warm-up from what was before."""
        threshold = self._judgement.score_at(self._site_probability / BIRTH_TRIALS)
        z, length = step.z[None], np.array([step.frames])
        patches = self._most_novel(z, length, notable_in(z), threshold)
        patches = self._of_columns(patches, [step], threshold)
        return self._within(self._candidates(patches))[0] if len(patches.site) else []

    def _most_novel(
        self, z: FloatArray, frames: IntArray, notable: IntArray, threshold: float
    ) -> Patches:
        """Sites that score above `threshold`, each in the window where it is most anomalous.

        `z` (w, P, Q) in windows of `frames` (w,), and where it is `notable` in which (P, Q). Also
        those close to what is watched: the fringe of a defect there is no defect of its own.
        """
        windows = self._patches.notable(notable, self._ready)
        sites = np.flatnonzero(windows)
        sites = sites[self._around.contains(self.to_frame(self._patches.positions[sites]))]
        looked = self._patches.looked(z, frames, sites, windows[sites])
        score, row = self._judgement.most_novel(looked, threshold)
        novel = np.isfinite(score)
        sites, row = sites[novel], row[novel]
        patches = looked.rows[row[:, None], looked.patches[novel]]
        return Patches(site=sites, score=score[novel], z=patches, window_frames=frames[row])

    def _candidates(self, above: Patches) -> list[Candidate]:
        return candidates_of(above, self._patches, self._judgement, self.merge_radius_px)

    def _within(self, candidates: Sequence[Candidate]) -> tuple[list[Candidate], FloatArray]:
        """Those at sites of the watched area, known or not, and the places (n, 2) of the others."""
        places = np.array([entry.position for entry in candidates]).reshape(-1, 2)
        sites = self._patches.positions[self._patches.sites_at(places)]
        watched = self._area.contains(self.to_frame(sites))
        coming = Coming(self._ready, self._baseline.history * ~self._frozen)
        watched &= ~may_be_fringe(candidates, self._patches, coming, self.merge_radius_px)
        inside = [entry for entry, kept in zip(candidates, watched, strict=True) if kept]
        return inside, places[~watched]

    def _eligible(self, patches: Patches) -> Patches:
        """Those that may become markers."""
        return self._of_columns(patches, self._windows, self.threshold)

    def _of_columns(self, patches: Patches, windows: Sequence[Window], threshold: float) -> Patches:
        patches = patches.select(~self._patches.of_cell(self._regions.doubtful)[patches.site])
        at_hand, radius_px = self._at_hand(windows), self.merge_radius_px
        return without_humps(patches, self._known, radius_px, at_hand, self._judgement, threshold)

    def _at_hand(self, windows: Sequence[Window]) -> Surroundings:
        """What changes in `windows` are judged by."""
        return Surroundings(self._front.grid, self._patches, windows, self._watched)

    def _announced(self, candidates: list[Candidate], score: FloatArray) -> list[Candidate]:
        """Without members of crowds about to become regions; `score` (n1, n2) as for `Crowds`."""
        positions = np.array([entry.position for entry in candidates]).reshape(-1, 2)
        cells = self._patches.cell_of(positions)
        new = unclaimed(self._known, positions, self.merge_radius_px)
        silent = self._crowds.silent(score * ~self._regions.surroundings, candidates, cells, new)
        silent |= self._rows.kept_back(candidates, cells, new)
        return [entry for entry, quiet in zip(candidates, silent, strict=True) if not quiet]

    def _new_regions(self, share: FloatArray, score: FloatArray) -> list[Region]:
        """Regions that appear with this frame's flagged cells; known ones grow."""
        if self._regions.take_back(self._windows):
            self._baseline.forget_recent()
            return []
        at_hand, template = self._at_hand(self._windows), self._front.template
        faint = self._faint_phases.look(at_hand, self._baseline, template, share)
        flagged = self._solitary.without(share + faint > 0, score + faint)
        lines, new = self._new_lines(), self._regions.grow(flagged, score + faint)
        return lines + [self._described(number, share) for number in new]

    def _described(self, number: int, share: FloatArray) -> Region:
        rim = Rim(self._front, self._patches, self._watched, self.shift, self._border_px)
        mask, change = self._regions.solid(number, share), self._baseline.change()
        region = self._regions.describe(number, mask, change, self._front.template, rim.cells())
        return outlined(region, fine_outline(mask, self._at_hand(self._windows), rim.in_reach))

    def _new_lines(self) -> list[Region]:
        """A row of columns that has changed together."""
        row, grid = self._rows.find(self._site_probability), self._front.grid
        if row is None:
            return []
        number = self._regions.claim(row.cells, row.ahead(grid))
        return [as_region(row, number, grid, self._patches)] if number >= 0 else []
