"""The crystal under Nion's simulated microscope: what usim scans is a `LatticeSpecimen`."""

from __future__ import annotations

from typing import Any

import numpy as np
from nion.instrumentation import HardwareSource
from nion.usim_device import InstrumentDevice, ScanDevice
from numpy.typing import NDArray

from nionswift_plugin.livedetect_lattice.specimen import LatticeSpecimen, View

DEVICE = "usim_scan_device"
PIXEL_TIME_US = 1.0
SIZES = (256, 512, 1024)

specimen: LatticeSpecimen | None = None
"""What lies under the beam, once `install` was called."""


def install(spec: str) -> LatticeSpecimen:
    """Put a crystal under usim's beam; must happen before usim's ``run``."""
    global specimen  # noqa: PLW0603 - usim makes its own objects from these classes, once
    specimen = LatticeSpecimen(spec)
    InstrumentDevice.ScanDataGenerator = LatticeGenerator  # type: ignore[misc]
    ScanDevice.ScanBoxSimulator = LatticeScanBox  # type: ignore[misc]
    return specimen


def crystal() -> LatticeSpecimen:
    """The specimen; raises `RuntimeError` before `install`."""
    if specimen is None:
        raise RuntimeError("no lattice was installed")
    return specimen


def current_pA(instrument: Any) -> float:  # noqa: N802 - the unit is written so
    """Probe current on the specimen: none while the beam is blanked."""
    if instrument.get_value("C_Blank"):
        return 0.0
    return float(instrument.get_value("BeamCurrent") or 0.0) * 1e12


class LatticeGenerator(InstrumentDevice.ScanDataGenerator):
    """Makes the picture of a scan."""

    def generate_scan_data(self, instrument: Any, scan_frame_parameters: Any) -> NDArray[Any]:
        """A whole frame, as usim wants it at the frame's start."""
        LatticeScanBox.instrument = instrument
        view = view_of(instrument, scan_frame_parameters)
        return crystal().image(view, current_pA(instrument)).astype(np.float32)


class LatticeScanBox(ScanDevice.ScanBoxSimulator):
    """Tells the specimen where the beam goes."""

    instrument: Any = None

    def reset_frame(self) -> None:
        """A scan begins."""
        super().reset_frame()
        crystal().begin_scan()

    def _advance_pixel(self, n: int) -> None:
        first = self.current_pixel_flat
        super()._advance_pixel(n)
        if self.instrument is not None:
            crystal().expose(first, self.current_pixel_flat, current_pA(self.instrument))


def view_of(instrument: Any, parameters: Any) -> View:
    """Where a scan with usim's `parameters` looks; stage and beam shift move the specimen."""
    offset_m = instrument.value_manager.actual_offset_m
    centre = parameters.center_nm
    return View(
        shape=(parameters.size.height, parameters.size.width),
        pixel_nm=parameters.fov_size_nm.width / parameters.size.width,
        centre_nm=(centre.x - 1e9 * offset_m.x, centre.y - 1e9 * offset_m.y),
        rotation_rad=float(parameters.rotation_rad),
        dwell_us=float(parameters.pixel_time_us),
    )


def set_scan(device: Any, profile: int, size: int, pixel_time_us: float = PIXEL_TIME_US) -> None:
    """Let a profile of the scan device see atoms: the specimen's own pixels, `size` of them."""
    parameters = device.get_frame_parameters(profile)
    parameters.pixel_size = (size, size)
    parameters.fov_nm = size * crystal().nm_per_px
    parameters.pixel_time_us = pixel_time_us
    device.set_frame_parameters(profile, parameters)


def device() -> Any:
    """The scan device of usim, None before it is there."""
    found = HardwareSource.HardwareSourceManager()
    return found.get_hardware_source_for_hardware_source_id(DEVICE)


def prepare(hardware: Any) -> None:
    """Set current and scans of usim as the spec says, as soon as `hardware` is its scan device."""
    if getattr(hardware, "hardware_source_id", "") != DEVICE:
        return
    column = hardware.stem_controller
    column.SetVal("BeamCurrent", crystal().settings.current_pA * 1e-12)
    column.SetVal("EHT", crystal().settings.high_tension_kv * 1e3)
    for profile, size in enumerate(SIZES):
        set_scan(hardware, profile, size)
