"""An area: a place on the specimen, with its defects, its dose and its models."""

from __future__ import annotations

import numpy as np

from livedetect.detect.affine import Affine
from livedetect.detect.arrays import FloatArray
from livedetect.detect.crystal_model import CrystalModel
from livedetect.detect.dose import DoseMeter
from livedetect.detect.method import Relearnable
from livedetect.detect.place_matching import Match, best_match
from livedetect.detect.scan_setting import ScanSetting
from livedetect.detect.tracking import Tracker, positions_of

LEAST_OVERLAP = 0.3
"""Share of the smaller field that must have been seen for it to be the same area."""


class Area:
    """Everything known of one place; one model per scan setting, at most one in use."""

    def __init__(self, area_id: int, dose: DoseMeter) -> None:
        self.area_id = area_id
        """Unique in the session."""
        self.dose = dose
        """What it has received."""
        self.tracker = Tracker(0.0)
        """Its defects."""
        self.models: list[CrystalModel] = []
        self.in_use: int | None = None
        """Which of the models judges the frames; None while one is being learnt."""
        self.latest = 0
        """The model that was in use last."""
        self.offers: dict[int, Affine] = {}
        """Earlier areas that this one may be, each with the map from here to there."""

    @property
    def model(self) -> CrystalModel | None:
        """The model in use."""
        return None if self.in_use is None else self.models[self.in_use]

    def model_for(self, setting: ScanSetting) -> int | None:
        """The model of an earlier stretch with the same setting."""
        same = (not model.setting.differences(setting) for model in self.models)
        return next((index for index, fits in enumerate(same) if fits), None)

    def leave(self) -> None:
        """Put the model in use aside; defects keep their places in the area."""
        model = self.model
        if model is None:
            return
        places = model.placement.apply(positions_of(self.tracker.defects))
        for defect, place in zip(self.tracker.defects, places, strict=True):
            defect.place = place
        self.in_use = None

    def enter(self, index: int) -> None:
        """Go on with a model; defects are then where it sees them."""
        model = self.models[index]
        self.in_use = self.latest = index
        self.tracker.merge_radius_px = model.method.merge_radius_px
        places = np.array([d.place for d in self.tracker.defects], float).reshape(-1, 2)
        self.tracker.enter(model.placement.inverse.apply(places), model.learnt)

    def adopt(self, model: CrystalModel) -> None:
        """Use a new model, in place of an older one of the same setting."""
        index = self.model_for(model.setting)
        model.learnt = tuple(defect.defect_id for defect in self.tracker.defects)
        if index is None:
            index = len(self.models)
            self.models.append(model)
        else:
            self.models[index] = model
        self.enter(index)

    def replace(self, new: CrystalModel, start: FloatArray) -> None:
        """Use a newer model of the same setting, learnt while the one in use was at work.

        Defects that formed meanwhile are no part of its crystal. `start` is the drift (x, y)
        of its first frame in the model in use, px. Raises `LatticeNotFoundError`, with
        nothing changed, if it is of another crystal.
        """
        old = self.model
        assert old is not None  # noqa: S101 - a newer one needs an older one
        if isinstance(new.method, Relearnable):
            newcomers = positions_of(self.tracker.newcomers())
            new.method.succeed(old.method, start, newcomers + start)
        new.method.restart(old.method.shift - start)
        new.placement = old.placement.after(Affine(np.eye(2), -start))
        new.succeeds = True
        new.drift_origin_px = old.drift_origin_px + start
        learnt = old.learnt
        self.leave()
        self.adopt(new)
        new.learnt = learnt
        self.enter(self.latest)

    def drop(self, index: int) -> None:
        """Forget a model that does not fit any more."""
        self.leave()
        del self.models[index]
        self.latest = max(0, len(self.models) - 1)

    def locate(self, new: CrystalModel) -> tuple[CrystalModel, Match] | None:
        """How a new model lies beside the known ones, the latest one asked first."""
        order = [self.latest, *(i for i in range(len(self.models)) if i != self.latest)]
        found = []
        fresh = new.seen(np.zeros((0, 2)))
        for index in order:
            old = self.models[index]
            match = best_match(old.seen(self._places()), fresh, old.guesses(new.setting))
            if match is not None:
                found.append((old, match))
                if match.certain:
                    return old, match
        return found[0] if found else None

    def take_over(self, other: Area, to_here: Affine) -> None:
        """Merge another area, which has turned out to be this one; its model stays in use."""
        other.leave()
        known = self._places()
        for defect in other.tracker.defects:
            assert defect.place is not None  # noqa: S101 - set on leaving
            defect.place = to_here.apply(defect.place[None])[0]
            if not _is_among(defect.place, known, _merge_distance(other)):
                self.tracker.defects.append(defect)
        everything = tuple(defect.defect_id for defect in self.tracker.defects)
        for model in other.models:
            model.placement = to_here.after(model.placement)
            # it has learnt the crystal with all that this area held before
            model.learnt = tuple({*model.learnt, *everything} - _newborn(other))
            index = self.model_for(model.setting)
            if index is None:
                self.models.append(model)
            else:
                self.models[index] = model
        self.dose.merge(other.dose)
        latest = other.models[other.latest]
        self.enter(next(i for i, model in enumerate(self.models) if model is latest))

    def _places(self) -> FloatArray:
        """(n, 2) active defects in the area, once the model has been left."""
        active = self.tracker.active
        return np.array([defect.place for defect in active], float).reshape(-1, 2)


def _merge_distance(area: Area) -> float:
    """The distance at which two defects are one, in the area's units."""
    model = area.models[area.latest]
    scale = np.sqrt(abs(np.linalg.det(model.placement.linear)))
    return float(model.method.merge_radius_px * scale)


def _is_among(place: FloatArray, known: FloatArray, distance: float) -> bool:
    return bool(np.hypot(*(known - place).T).min(initial=np.inf) < distance)


def _newborn(area: Area) -> set[int]:
    """Defects that formed in `area` after its model was ready."""
    learnt = set(area.models[area.latest].learnt)
    return {d.defect_id for d in area.tracker.defects if not d.at_start} - learnt
