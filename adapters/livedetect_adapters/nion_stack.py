"""Frames of an array that Nion Swift has described: sequences, collections, single images."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from livedetect_adapters import nion_properties as swift
from livedetect_adapters.frames import ArrayStack, Unfolded


def stack_of(
    array: Any,
    name: str,
    properties: Mapping[str, Any],
    *,
    release: Callable[[], None] = lambda: None,
) -> ArrayStack:
    """Frames of `array`, sequences and collections in the order in which they were scanned.

    Parameters
    ----------
    array : (..., H, W), any real dtype.
    name : of the file, for messages.
    properties : Swift's JSON.
    release : closes the file.
    """
    shape = tuple(array.shape)
    swift.check_images(properties, shape, name)
    stack = ArrayStack(
        Unfolded(array) if _is_collection(properties, shape) else array,
        name,
        calibration=swift.calibration_of(properties),
        meta=swift.meta_of(properties),
        release=release,
    )
    stack.stream = swift.stream_of(properties)
    stack.acquired_s = swift.acquired_s(properties)
    if len(shape) == 2:
        stack.valid_rows = swift.valid_rows_of(properties)
    else:
        stack.interval_s = swift.interval_s(properties)
    return stack


def _is_collection(properties: Mapping[str, Any], shape: tuple[int, ...]) -> bool:
    return len(shape) > 3 and properties.get("datum_dimension_count") == 2
