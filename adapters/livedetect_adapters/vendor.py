"""Vendor formats through RosettaSciIO, an optional package that is imported when needed."""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from livedetect.errors import FrameReadError, MissingExtraError, SourceError
from livedetect.installing import pip_install
from livedetect.types import Calibration
from livedetect_adapters import calibration as cal
from livedetect_adapters.choice import Item, chosen
from livedetect_adapters.frames import READ_ERRORS, ArrayStack
from livedetect_adapters.metadata import find, scaled, unix_s

MAPPED_BYTES = 256 * 2**20

_MODULES = {
    ".dm3": "digitalmicrograph",
    ".dm4": "digitalmicrograph",
    ".ser": "tia",
    ".emi": "tia",
    ".emd": "emd",
    ".mrc": "mrc",
    ".mrcs": "mrc",
    ".mib": "quantumdetector",
    ".hspy": "hspy",
    ".rpl": "ripple",
    ".nxs": "nexus",
    ".tvips": "tvips",
}


class VendorReader:
    """Opens Gatan, FEI/Thermo Fisher, MRC, Merlin and HyperSpy files."""

    suffixes: Sequence[str] = tuple(_MODULES)

    def open(self, path: Path) -> ArrayStack:
        """Open `path`; raises `MissingExtraError` where RosettaSciIO is not installed."""
        return self.open_item(path, "")

    def open_item(self, path: Path, item: str) -> ArrayStack:
        """Open the image called `item`, else the first; see `livedetect.protocols.ItemReader`."""
        reader = _format(path.suffix.lower())
        if path.stat().st_size == 0:
            raise FrameReadError(f"{path.name} is empty (0 bytes) or still being written")
        try:
            # small files are read, not mapped: a mapped file that another program cuts short
            # kills the process that looks at it
            signals = reader.file_reader(str(path), lazy=path.stat().st_size > MAPPED_BYTES)
        except MemoryError as error:
            raise FrameReadError(f"{path.name} is damaged: {error}") from error
        except (*READ_ERRORS, TypeError, AttributeError, NotImplementedError) as error:
            # these readers raise the same for cut and for foreign files: trying again can help
            problem = f"{type(error).__name__}: {error}"
            raise FrameReadError(f"{path.name} is incomplete or damaged: {problem}") from error
        images = _images(signals, path.name)
        if item:
            images = [chosen(_items(images), item, path.name).open()]
        return _stack(images, path.name)


def _format(suffix: str) -> Any:
    try:
        return importlib.import_module(f"rsciio.{_MODULES[suffix]}")
    except ImportError as error:
        raise MissingExtraError(
            f"{suffix} files need RosettaSciIO: {pip_install('livedetect[formats]')} ({error})"
        ) from error


def _images(signals: list[Mapping[str, Any]], name: str) -> list[Mapping[str, Any]]:
    """Those of the file's signals that are images or stacks of images, at least one."""
    images = [signal for signal in signals if _is_image(signal["data"].shape)]
    if not images:
        shapes = ", ".join(str(signal["data"].shape) for signal in signals)
        raise SourceError(f"{name} holds no image or stack of images; shapes: {shapes or 'none'}")
    return images


def _items(images: list[Mapping[str, Any]]) -> list[Item]:
    return [
        Item(
            key=str(number),
            title=_title(signal),
            detail=f"{' × '.join(map(str, signal['data'].shape))}, {signal['data'].dtype}",
            open=partial(lambda same: same, signal),
        )
        for number, signal in enumerate(images)
    ]


def _stack(images: list[Mapping[str, Any]], name: str) -> ArrayStack:
    """Frames of the first image; the titles of the others stand in the frames' `meta`."""
    signal, *others = images
    general = signal["metadata"].get("General", {})
    array = _Computed(signal["data"])
    meta = {"title": _title(signal)}
    if others:
        meta["other_images"] = ", ".join(_title(other) for other in others)
    stack = ArrayStack(
        array, name, calibration=calibration_of(signal), meta=meta, release=array.release
    )
    if others:
        stack.remark = f"{name} holds other images as well ({meta['other_images']}): ?item=TITLE"
    stack.acquired_s = unix_s(f"{general['date']}T{general['time']}") if "time" in general else None
    axis = signal["axes"][0] if len(signal["axes"]) == 3 else {}
    stack.interval_s = cal.positive(axis.get("scale")) if axis.get("units") == "s" else None
    return stack


def _is_image(shape: tuple[int, ...]) -> bool:
    return len(shape) in (2, 3) or (len(shape) > 3 and sum(n != 1 for n in shape[:-2]) <= 1)


class _Computed:
    """An array, computed in the calling thread where it is dask's."""

    def __init__(self, array: Any) -> None:
        self._array = array
        self.shape = array.shape
        self.dtype = array.dtype

    def __getitem__(self, key: Any) -> Any:
        part = self._array[key]
        return part.compute(scheduler="synchronous") if hasattr(part, "compute") else part

    def release(self) -> None:
        """Let go of the mapped file."""
        self._array = None


def _title(signal: Mapping[str, Any]) -> str:
    return str(signal["metadata"].get("General", {}).get("title", ""))


def calibration_of(signal: Mapping[str, Any]) -> Calibration:
    """Pixel size of the last two axes; beam energy (kV), current (nA) and dwell time."""
    axes = signal["axes"][-2:]
    y, x = ((axis.get("scale"), axis.get("units")) for axis in axes)
    instrument = find(signal["metadata"], "TEM") or {}
    found = {
        "high_tension_kv": find(instrument, "beam_energy"),
        "current_pA": scaled(find(instrument, "beam_current"), 1e3),
        "dwell_us": _dwell_us(instrument, signal.get("original_metadata", {})),
    }
    return cal.scanned(cal.spatial(x, y), found)


def _dwell_us(instrument: Any, original: Any) -> float | None:
    """RosettaSciIO's dwell time (s), DigitalMicrograph's sample time (µs) or Velox's (s)."""
    digiscan = cal.positive(find(find(original, "DigiScan"), "Sample Time"))
    seconds = cal.positive(find(instrument, "dwell_time")) or cal.positive(
        find(find(original, "Scan"), "DwellTime")
    )
    return digiscan or scaled(seconds, 1e6)


READER = VendorReader()
