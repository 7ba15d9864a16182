"""Where on the specimen the frames come from: the areas of a session and its segments.

The one place that decides whether new frames show a known area. What it says about that
comes back as names and values of events.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from livedetect.detect.affine import Affine
from livedetect.detect.announce import Stamp
from livedetect.detect.area import LEAST_OVERLAP, Area
from livedetect.detect.arrays import FloatArray
from livedetect.detect.crystal_model import CrystalModel
from livedetect.detect.dose import DoseMeter
from livedetect.detect.drift_alarm import RECOVERED_SHARE
from livedetect.detect.method import Scored
from livedetect.detect.place_matching import Match, Seen, best_match
from livedetect.detect.regions import Region
from livedetect.detect.relearning import Taken
from livedetect.detect.scan_setting import ScanSetting
from livedetect.detect.slips import slipped_by
from livedetect.detect.stored_mean import StoredMean
from livedetect.detect.tracking import positions_of
from livedetect.errors import LivedetectError, SettingsError

CHECK_FRAMES = 4
REFUSALS = 4
"""Frames without its crystal after which a model taken up again is given up."""
SLIP_CELLS = 0.5
"""A displacement beyond this is none that the registration has followed."""
SAME_PLACE = 0.25
"""Cells by which the places of a defect, seen twice, differ at most."""

Said = tuple[str, Mapping[str, Any]]
Cause = Literal["jump", "crowd", "pause", "refocus", "return"]
SLIPPING: tuple[Cause, ...] = ("jump", "crowd")
"""After these the lattice may have been taken for its neighbour."""
Verdict = Literal["stays", "elsewhere"]


@dataclass(slots=True, kw_only=True)
class PlaceCheck:
    """A few frames in which nothing is confirmed or learnt, to see where they come from."""

    cause: Cause
    """Why the place is in doubt."""
    mean: StoredMean
    """What the frames show, at the drift that the registration believes in."""
    settling: int = 0
    """Frames still to be left out at the start."""
    frames: int = 0
    """Taken in."""
    refused: int = 0
    """In which the crystal was not found."""
    at_home: bool = False
    """The latest frame shows that the registration has not slipped."""
    outliers: float = 0.0
    """Sum of the shares of outlying samples."""
    regions: list[Region] = field(default_factory=list)
    """Seen meanwhile."""
    candidates: FloatArray = field(default_factory=lambda: np.zeros((0, 2)))
    """(n, 2) places that stand out in the latest frames, from before it left out, px."""

    def note(self, scored: Scored) -> None:
        """What a frame looked like at the drift that the registration believes in."""
        self.regions += scored.regions
        fresh = [c for c in scored.candidates if c.window_frames <= self.frames + 1]
        self.candidates = positions_of(fresh)

    def add(self, frame: FloatArray, shift: FloatArray, outlier_share: float) -> bool:
        """Take in a frame (H, W) of drift (x, y); True once there are enough."""
        if self.settling:
            self.settling -= 1
            return False
        self.mean.add_always(frame, shift)
        self.outliers += outlier_share
        self.frames += 1
        return self.frames >= CHECK_FRAMES

    def refuse(self) -> bool:
        """Note a frame without the crystal; True once a model taken up again is to be left."""
        self.refused += self.cause == "return"
        return self.refused >= REFUSALS

    @property
    def sees_another_crystal(self) -> bool:
        """Whether a change of the optics has left too much that the model does not know."""
        return self.cause == "refocus" and self.outliers > RECOVERED_SHARE * self.frames

    def other_crystal(self) -> Said:
        """What is said then."""
        reason = "the optics make another crystal of it: set the baseline here"
        return "model_drifted", {"reason": reason, "outlier_share": self.outliers / self.frames}


class Places:
    """All areas of a session, and the segment that is running."""

    def __init__(self) -> None:
        self.areas = [Area(0, DoseMeter())]
        self.setting: ScanSetting | None = None
        """Of the running segment."""
        self.segment_id = 0
        self._current = 0
        self._same_place = False

    @property
    def area(self) -> Area:
        """Where the frames come from."""
        return self.areas[self._current]

    def stamp(self, frame: int, time_s: float) -> Stamp:
        """When, where and after which dose something happened."""
        return Stamp(
            frame=frame,
            time_s=time_s,
            area_id=self.area.area_id,
            segment_id=self.segment_id,
            dose_e_per_A2=self.area.dose.total,
        )

    def begin(self, setting: ScanSetting) -> dict[str, Any]:
        """Start a segment if the setting is a new one: what has changed, old and new.

        A model that the area holds for it is taken up again, to be checked.
        """
        changes = self.setting.differences(setting) if self.setting else {}
        self.setting = self.setting if self.setting and not changes else setting
        if changes:
            self.segment_id += 1
            self._take_up(setting)
        return changes

    def rebaseline(self) -> None:
        """Put the model aside: the next one is of the same place, whatever it looks like."""
        self._same_place = True
        self.area.leave()

    def replace(self, taken: Taken) -> CrystalModel:
        """Let a newer model of the same place take over from the one in use.

        Raises `LivedetectError` if there is none, or if it is of another crystal.
        """
        if isinstance(taken.model, LivedetectError):
            raise taken.model
        if isinstance(taken.model, Exception):
            raise LivedetectError(f"{type(taken.model).__name__}: {taken.model}") from taken.model
        self.area.replace(taken.model, taken.start)
        return taken.model

    def settle(self, new: CrystalModel) -> list[Said]:
        """Find the place of a new model and use it."""
        said: list[Said] = []
        if self.area.models:
            said.append(self._place_new(new))
        self.area.adopt(new)
        self._same_place = False
        if len(self.area.models) == 1 and len(self.areas) > 1:
            said += self._offer(new)
        return said

    def check(
        self, cause: Cause, *, settling: int = 0, after: PlaceCheck | None = None
    ) -> PlaceCheck:
        """Begin to doubt the place, with the latest frame; `after` another doubt, not cleared."""
        model = self.area.model
        assert model is not None and self.setting is not None  # noqa: PT018, S101
        if after is not None:  # nobody knows where the frames between lay
            model.method.restart(model.method.shift)
        if cause != "return":
            self.area.dose.mark()
        mean = StoredMean(self.setting.shape, model.cell_px)
        return PlaceCheck(cause=cause, mean=mean, settling=settling)

    def put_right(self, check: PlaceCheck) -> Said | None:
        """What is said if the latest frame shows that the registration has slipped; it is told."""
        model = self.area.model
        assert model is not None  # noqa: S101 - a check needs one
        if check.cause not in SLIPPING:
            return None
        slip = model.method.slip(1)
        if slip is None and check.frames:
            slip = model.method.slip(check.frames + 1)
        check.at_home = slip is not None and not slip.any()
        if slip is None or check.at_home:
            return None
        model.method.restart(model.method.shift + slip)
        check.frames, check.mean = 0, self.check(check.cause).mean
        return "source_changed", _slipped(model, slip, check.cause)

    def conclude(self, check: PlaceCheck) -> tuple[Verdict, list[Said]]:
        """Where the checked frames come from; the registration is put right if need be."""
        model = self.area.model
        assert model is not None  # noqa: S101 - a check needs one
        if check.at_home:
            return "stays", []
        slip = self._slip(model, check)
        if slip is not None:
            model.method.restart(model.method.shift + slip)
            return "stays", [("source_changed", _slipped(model, slip, check.cause))]
        known = model.placement.apply(positions_of(self.area.tracker.active))
        seen = Seen(mean=check.mean, basis_px=model.method.lattice_px, defects_px=np.zeros((0, 2)))
        match = best_match(model.seen(known), seen, [Affine.scaling(1, 1)])
        if match is None:
            return "stays", []
        if _is_elsewhere(match):
            self.segment_id += 1
            return "elsewhere", [self._start_area(match)]
        moved = match.to_old.origin
        far = float(np.hypot(*moved)) > SLIP_CELLS * model.cell_px
        if not (far and match.certain):
            return "stays", []
        model.method.restart(model.method.shift - moved)
        return "stays", [("source_changed", _moved(model, match, check.cause))]

    def _slip(self, model: CrystalModel, check: PlaceCheck) -> FloatArray | None:
        """(x, y) lattice vector by which a jump was misjudged, px; None if that is not known."""
        basis = model.method.lattice_px
        if basis is None or check.cause not in SLIPPING:
            return None
        known = positions_of(self.area.tracker.newcomers())
        return slipped_by(known, check.candidates, basis, SAME_PLACE * model.cell_px)

    def drop_model(self) -> None:
        """The model in use does not fit the frames: another one must be learnt."""
        assert self.area.in_use is not None  # noqa: S101 - nothing else can be dropped
        self.area.drop(self.area.in_use)

    def return_to(self, area_id: Any) -> None:
        """Merge the present area into an earlier one that has been offered.

        Raises `SettingsError` if it has not, or if the crystal is just being learnt.
        """
        present = self.area
        if not isinstance(area_id, int) or area_id not in present.offers:
            offered = ", ".join(map(str, present.offers)) or "none"
            raise SettingsError(f"area {area_id!r} has not been offered; on offer: {offered}")
        if present.model is None:
            raise SettingsError("the crystal is being learnt: return_to_area once it is ready")
        earlier = self.areas[int(area_id)]
        earlier.take_over(present, present.offers[int(area_id)])
        self.areas[self._current] = Area(present.area_id, DoseMeter())
        self._current = int(area_id)

    def _take_up(self, setting: ScanSetting) -> None:
        area, self._same_place = self.area, False
        if area.model is not None:
            area.dose.mark()
        if not area.models:
            return
        centre = area.models[area.latest].field_centre()
        area.leave()
        index = area.model_for(setting)
        if index is not None:
            area.enter(index)
            model = area.models[index]
            model.method.restart(model.shift_for(centre))

    def _place_new(self, new: CrystalModel) -> Said:
        """Lay a new model beside those of the area, or start an area with it."""
        found = self.area.locate(new)
        if not self._same_place and (found is None or _is_elsewhere(found[1])):
            return self._start_area(found[1] if found else None)
        if found is None:
            old = self.area.models[self.area.latest]
            new.placement = old.placement.after(old.guesses(new.setting)[0])
            return ("place_recognised", _recognised(None))
        new.placement = found[0].placement.after(found[1].to_old)
        return ("place_recognised", _recognised(found[1]))

    def _start_area(self, match: Match | None) -> Said:
        left = self.area
        left.leave()
        area = Area(len(self.areas), left.dose.split())
        self.areas.append(area)
        self._current = area.area_id
        if match is None:
            reason = "another lattice than the calibration makes of the known one: a new area"
        else:
            reason = "a new area: the field shows little or nothing of the one before"
        overlap = match.overlap if match and match.certain else None
        return ("source_changed", {"reason": reason, "left_area": left.area_id, "overlap": overlap})

    def _offer(self, new: CrystalModel) -> list[Said]:
        """Say so if a new area looks like an earlier one; the operator decides."""
        for earlier in reversed(self.areas[: self._current]):
            found = earlier.locate(new) if earlier.models else None
            if found is None or not found[1].certain or _is_elsewhere(found[1]):
                continue
            there = found[0].placement.after(found[1].to_old)
            self.area.offers[earlier.area_id] = there.after(new.placement.inverse)
            values = {
                "reason": f"this looks like area {earlier.area_id}: the command return_to_area "
                "takes up its defects and dose",
                "earlier_area": earlier.area_id,
                "overlap": found[1].overlap,
                "landmarks": found[1].landmarks,
            }
            return [("source_changed", values)]
        return []


def _is_elsewhere(match: Match) -> bool:
    return match.contradicted or (match.certain and match.overlap < LEAST_OVERLAP)


def _moved(model: CrystalModel, match: Match, cause: Cause) -> dict[str, Any]:
    return {**_slipped(model, -match.to_old.origin, cause), "overlap": match.overlap}


def _slipped(model: CrystalModel, moved: FloatArray, cause: Cause) -> dict[str, Any]:
    pixel, moved_px = model.setting.pixel_size_nm, moved.tolist()
    return {
        "reason": "the field has moved within the area",
        "cause": cause,
        "moved_px": moved_px,
        "moved_nm": None if pixel is None else [pixel * along for along in moved_px],
    }


def _recognised(match: Match | None) -> dict[str, Any]:
    certain = match is not None and match.certain
    if match is not None and certain:
        reason = f"the known area, recognised by {match.landmarks} landmarks"
    else:
        reason = "taken for the known area; nothing certain to recognise it by: a lattice slip "
        reason += "cannot be excluded"
    overlap = match.overlap if match else None
    return {"reason": reason, "certain": certain, "overlap": overlap}
