"""What the bridge costs and how fast it is, measured in a headless Swift.

``python -m nionswift_plugin.livedetect_lattice.measure --size 512`` prints one JSON object; it is
run by ``livedetect bench nion``, which starts the engine at the address that is printed first.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from typing import Any

import numpy as np

from nionswift_plugin.livedetect_lattice.headless import HeadlessSwift, tell

BLOCK_S = 4.0
SETTLE_FRAMES = 2
LIVE_S = 600.0
CAUGHT_UP_MS = 200.0
EXCHANGE_S = 8.0


class ScanClock:
    """Notes when frames are complete, as a listener of its own."""

    def __init__(self, device: Any) -> None:
        self.completed_s: list[float] = []
        self._listener = device.data_channel_updated_event.listen(self._updated)

    def _updated(self, channel: Any, _: Any) -> None:
        if channel.state == "complete":
            self.completed_s.append(time.perf_counter())

    def periods_ms(self) -> np.ndarray[Any, np.dtype[np.float64]]:
        """Times between frames since the last call, without the first few."""
        times, self.completed_s = self.completed_s[SETTLE_FRAMES:], []
        return 1e3 * np.diff(times)


class Measurement:
    """One frame size, in one Swift."""

    def __init__(self, swift: HeadlessSwift, options: argparse.Namespace) -> None:
        from nionswift_plugin import livedetect_bridge  # noqa: PLC0415 - loaded by Swift by now
        from nionswift_plugin.livedetect_lattice import usim  # noqa: PLC0415 - as above

        bridge = livedetect_bridge.running
        if bridge is None:
            raise RuntimeError("Swift did not load the bridge")
        self.swift, self.options, self.bridge = swift, options, bridge
        self.device = usim.device()
        usim.set_scan(self.device, 0, options.size, options.pixel_time)

    def pump(self, seconds: float) -> None:
        """Let Swift live."""
        self.swift.pump(lambda: False, seconds)

    def cost(self) -> dict[str, Any]:
        """Scan period with and without the bridge in alternating blocks, and the callback's time.

        Without the bridge means: its taps do not listen.
        """
        clock = ScanClock(self.device)
        callback: list[float] = []
        differences: list[float] = []
        medians: dict[bool, list[float]] = {True: [], False: []}
        nominal_s = 1e-6 * self.options.pixel_time * self.options.size**2
        block_s = max(self.options.block, 8 * nominal_s)
        for pair in range(self.options.pairs):
            for tapped in (pair % 2 == 0, pair % 2 == 1):
                self._tap(tapped)
                clock.periods_ms()
                self.pump(block_s)
                callback += [ms for tap in self.bridge._taps.values() for ms in tap.busy_ms]
                medians[tapped].append(float(np.median(clock.periods_ms())))
            differences.append(medians[True][-1] - medians[False][-1])
        self._tap(tapped=True)
        self.pump(1.0)
        without = float(np.median(medians[False]))
        low, high = interval(np.array(differences))
        return {
            "period_without_ms": without,
            "period_with_ms": float(np.median(medians[True])),
            "difference_percent": 100 * float(np.mean(differences)) / without,
            "difference_percent_95": [100 * low / without, 100 * high / without],
            "pairs": len(differences),
            "callback": spread(callback),
        }

    def _tap(self, tapped: bool) -> None:
        self.bridge._device_removed(self.device)
        if tapped:
            self.bridge._device_added(self.device)

    def latency(self) -> dict[str, Any]:
        """From the completed frame to its result, and to the beam blanked, again and again."""
        bridge = self.bridge
        if not self.swift.pump(lambda: bridge.status().engine == "live", LIVE_S):
            raise RuntimeError("no engine became live")
        # what has piled up while the engine learnt is no latency of the steady state
        self.swift.pump(self._caught_up, 60.0)
        bridge.timings.clear()
        bridge.change(action="blank")
        bridge.arm(armed=True)
        wanted = self.options.results
        self.swift.pump(lambda: self._relit() and len(bridge.timings) >= wanted, LIVE_S)
        results = [timing["result_ms"] for timing in bridge.timings]
        blanked = [t["blanked_ms"] for t in bridge.timings if "blanked_ms" in t]
        return {"to_result": spread(results), "to_blanked": spread(blanked)}

    def _caught_up(self) -> bool:
        latest = self.bridge.timings[-1:]
        period_ms = 1e-3 * self.options.pixel_time * self.options.size**2
        return bool(latest) and latest[0]["result_ms"] < period_ms + CAUGHT_UP_MS

    def _relit(self) -> bool:
        """The operator who switches the beam on after every alarm, so that there is another."""
        column = self.device.stem_controller
        if column.TryGetVal("C_Blank")[1] and self.bridge.guard.duty.name == "TRIPPED":
            column.SetVal("C_Blank", 0.0)
        return True


def interval(differences: np.ndarray[Any, Any], draws: int = 10_000) -> tuple[float, float]:
    """95 % bootstrap interval of the mean of paired differences."""
    random = np.random.default_rng(0)
    picks = random.integers(0, len(differences), (draws, len(differences)))
    low, high = np.percentile(differences[picks].mean(axis=1), [2.5, 97.5])
    return float(low), float(high)


def spread(values: list[float]) -> dict[str, Any]:
    """Count, median and 95th percentile in ms."""
    if not values:
        return {"n": 0, "p50": None, "p95": None}
    p50, p95 = np.percentile(values, [50, 95])
    return {"n": len(values), "p50": float(p50), "p95": float(p95)}


def main(arguments: list[str] | None = None) -> int:
    """Measure one frame size."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--pixel-time", type=float, default=1.0)
    parser.add_argument("--pairs", type=int, default=6)
    parser.add_argument("--block", type=float, default=BLOCK_S)
    parser.add_argument("--results", type=int, default=60)
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="livedetect-swift-") as directory:
        swift = HeadlessSwift(directory)
        try:
            tell({"event": "measured", **measured(Measurement(swift, options))})
        except RuntimeError as error:
            tell({"event": "failed", "reason": str(error)})
            return 1
        finally:
            swift.close()
    return 0


def measured(measurement: Measurement) -> dict[str, Any]:
    """Latency first, then cost; raises `RuntimeError` without an engine."""
    bridge, device = measurement.bridge, measurement.device
    bridge.start()
    tell({"event": "ready", "endpoint": bridge.status().endpoint})
    if not measurement.swift.pump(lambda: bridge.status().listeners, LIVE_S):
        raise RuntimeError("no engine came")
    device.start_playing()
    latency = measurement.latency()
    bridge.arm(armed=False)
    tell({"event": "latency", **latency})
    # from here on somebody only takes the frames: an engine would cost the scan its processor
    measurement.pump(EXCHANGE_S)
    cost = measurement.cost()
    device.abort_playing(sync_timeout=10.0)
    return {**latency, **cost}


if __name__ == "__main__":
    sys.exit(main())
