"""Does the model still describe the crystal? If not, ask, and never mark everything."""

from __future__ import annotations

DRIFTED_SHARE = 0.05
"""Share of sites beyond 3 sigma at which the model no longer describes the crystal."""
BURST_SHARE = 0.10
"""Share at which not even a single frame's markers are believed."""
RECOVERED_SHARE = 0.03
PATIENCE_FRAMES = 5


class DriftAlarm:
    """Follows the share of outlying sites from frame to frame."""

    def __init__(self) -> None:
        self.drifted = False
        """True while the model does not describe the crystal."""
        self.suspends = False
        """True while no marker should be confirmed."""
        self.regions_too = False
        """True while not even extended changes are believed."""
        self._frames = 0

    def raise_now(self) -> None:
        """The model is known not to describe the crystal any more."""
        self.drifted = self.suspends = self.regions_too = True
        self._frames = 0

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
            announcement = (
                "more than 5 % of the sites changed: set the baseline here"
                if self.drifted
                else "the model fits again"
            )
        self.suspends = self.drifted or outlier_share > BURST_SHARE
        return announcement
