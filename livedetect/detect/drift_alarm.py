"""Does the model still describe the crystal? If not, ask, and never mark everything."""

from __future__ import annotations

DRIFTED_SHARE = 0.05
"""Share of samples beyond 3 sigma at which the model no longer describes the crystal."""
BURST_SHARE = 0.10
"""Share at which not even a single frame's markers are believed."""
RECOVERED_SHARE = 0.03
CHANGED_SHARE = 0.5
"""Share of the watched sites in and beside regions at which hardly anything is left to judge."""
PATIENCE_FRAMES = 5
CONTRAST_FACTOR = 1.6
"""By which the contrast may differ from what was learnt: noise and shape of the columns are
then no longer those of the model, though every site still follows its own baseline."""
RESTORED_FACTOR = 1.3
"""And within which it is as it was."""


class DriftAlarm:
    """Follows the share of outlying samples from frame to frame."""

    def __init__(self) -> None:
        self.drifted = False
        """True while the model does not describe the crystal."""
        self.suspends = False
        """True while no marker should be confirmed."""
        self.regions_too = False
        """True while not even extended changes are believed."""
        self.faded = False
        """True while the contrast is far from what was learnt; markers are believed still."""
        self.hidden = False
        """True while it has faded so far that the frames show no lattice: what stands out is
        noise."""
        self.overgrown = False
        """True once regions have covered most of what is watched; the rest is still judged."""
        self._frames = 0
        self._faded_frames = 0
        self._dimmed = False
        self._changed_frames = 0

    @property
    def fits(self) -> bool:
        """Whether the model describes the crystal, as far as it can be seen."""
        return not (self.drifted or self.hidden)

    @property
    def asks(self) -> bool:
        """Whether a model learnt from the latest frames would serve better."""
        return self.drifted or self.faded

    def raise_now(self) -> None:
        """The model is known not to describe the crystal any more."""
        self.drifted = self.suspends = self.regions_too = True
        self._frames = 0

    @property
    def distrusts_regions(self) -> bool:
        """Whether not even extended changes are believed."""
        return self.regions_too or self.hidden

    def hide(self) -> None:
        """The latest frames show no lattice: if the contrast has faded, nothing is believed."""
        self.hidden = self.faded and self._dimmed
        self.suspends = self.suspends or self.hidden

    def step(self, outlier_share: float) -> str:
        """Take in the share of one frame; returns what to announce, or an empty string."""
        limit = RECOVERED_SHARE if self.drifted else DRIFTED_SHARE
        beyond = outlier_share > limit
        self._frames = self._frames + 1 if beyond != self.drifted else 0
        announcement = ""
        if self._frames >= PATIENCE_FRAMES:
            self.drifted = not self.drifted
            self.regions_too = self.regions_too and self.drifted
            self._frames = 0
            if self.drifted:
                announcement = "more than 5 % of the sites changed: set the baseline here"
            elif self.fits:
                announcement = "the model fits again"
        self.suspends = not self.fits or outlier_share > BURST_SHARE
        return announcement

    def follow_regions(self, changed_share: float) -> str:
        """Take in the share of the watched sites in regions; returns what to announce, once."""
        beyond = changed_share > CHANGED_SHARE
        self._changed_frames = self._changed_frames + 1 if beyond else 0
        if self.overgrown or self._changed_frames < PATIENCE_FRAMES:
            return ""
        self.overgrown = True
        return "most of the view has changed and is judged no more: set the baseline here"

    def follow_contrast(self, contrast: float) -> str:
        """Take in the contrast relative to what was learnt; returns what to announce."""
        factor = RESTORED_FACTOR if self.faded else CONTRAST_FACTOR
        beyond = not 1 / factor < contrast < factor
        self._dimmed = contrast < 1
        self._faded_frames = self._faded_frames + 1 if beyond != self.faded else 0
        if self._faded_frames < PATIENCE_FRAMES:
            return ""
        self.faded, self._faded_frames = beyond, 0
        if beyond:
            return f"the contrast is {contrast:.2g} times what was learnt"
        was_hidden, self.hidden = self.hidden, False
        return "the crystal can be seen again" if was_hidden else ""
