"""The pages of a TIFF file: where they are, and whether they are complete."""

from __future__ import annotations

import struct
from typing import Any

import tifffile

_STRIP_OFFSETS, _STRIP_BYTES, _TILE_OFFSETS, _TILE_BYTES = 273, 279, 324, 325
_INTEGERS = {3: "H", 4: "I", 16: "Q"}
_MOST_STRIPS = 10_000_000


class PageChain:
    """The linked list of pages, followed as far as it is complete.

    tifffile parses every tag of a page, half a millisecond each; where its pixels lie is all
    that is needed here, and a growing file is walked again and again.
    """

    def __init__(self, tif: tifffile.TiffFile) -> None:
        self._tif = tif
        self._order = tif.byteorder
        # formats of a count of tags, of a tag, and of an offset
        self._formats = ("Q", "HHQ8s", "Q") if tif.tiff.is_bigtiff else ("H", "HHI4s", "I")
        self._pointer_at = 8 if tif.tiff.is_bigtiff else 4
        self.offsets: list[int] = []
        self._known: set[int] = set()
        self.torn = ""

    def extend(self) -> None:
        """Add the pages that have become complete since the last call."""
        size = size_now(self._tif)
        while True:
            offset = self._pointer(size)
            self.torn = self._add(offset, size) if offset else ""
            if not offset or self.torn:
                return

    def page(self, position: int) -> tifffile.TiffPage:
        """Parse the page at `position`."""
        self._tif.filehandle.seek(self.offsets[position])
        return tifffile.TiffPage(self._tif, position)

    def _pointer(self, size: int) -> int:
        width = struct.calcsize(self._formats[2])
        if self._pointer_at + width > size:
            return 0
        return int(self._unpack(self._formats[2], self._pointer_at)[0])

    def _unpack(self, form: str, offset: int) -> tuple[Any, ...]:
        form = self._order + form
        self._tif.filehandle.seek(offset)
        return struct.unpack(form, self._tif.filehandle.read(struct.calcsize(form)))

    def _add(self, offset: int, size: int) -> str:
        """Take the page at `offset` into the list, or say why not."""
        position = len(self.offsets)
        if offset in self._known:
            return f"page {position} points back to an earlier page; the file is damaged"
        if offset >= size:
            return f"page {position} is missing: the file ends before it"
        try:
            end, pointer_at = self._extent(offset)
        except struct.error:
            return f"page {position} is torn: its description is cut"
        if not end:
            return f"page {position} has no pixels yet"
        if end > size:
            return f"page {position} is torn: {size} of {end} bytes are there"
        self.offsets.append(offset)
        self._known.add(offset)
        self._pointer_at = pointer_at
        return ""

    def _extent(self, offset: int) -> tuple[int, int]:
        """End of the pixels (0 if some are not there yet), and place of the next pointer."""
        count = self._unpack(self._formats[0], offset)[0]
        start = offset + struct.calcsize(self._order + self._formats[0])
        width = struct.calcsize(self._order + self._formats[1])
        self._tif.filehandle.seek(start)
        block = self._tif.filehandle.read(count * width)
        if len(block) < count * width:
            raise struct.error("too short")
        tags = {tag[0]: tag for tag in struct.iter_unpack(self._order + self._formats[1], block)}
        starts = self._values(tags.get(_STRIP_OFFSETS) or tags.get(_TILE_OFFSETS))
        lengths = self._values(tags.get(_STRIP_BYTES) or tags.get(_TILE_BYTES))
        whole = starts and len(starts) == len(lengths) and all(starts) and all(lengths)
        end = max(map(sum, zip(starts, lengths, strict=True))) if whole else 0
        return end, start + count * width

    def _values(self, tag: tuple[int, int, int, bytes] | None) -> tuple[int, ...]:
        """The numbers of one tag, which stand in it or, if they are many, elsewhere."""
        if tag is None or tag[1] not in _INTEGERS or tag[2] > _MOST_STRIPS:
            return ()
        form = f"{tag[2]}{_INTEGERS[tag[1]]}"
        width = struct.calcsize(self._order + form)
        if width <= len(tag[3]):
            return struct.unpack(self._order + form, tag[3][:width])
        return self._unpack(form, struct.unpack(self._order + self._formats[2], tag[3])[0])


def size_now(tif: tifffile.TiffFile) -> int:
    """Size of the file now; tifffile remembers the one at opening."""
    handle = tif.filehandle
    handle.seek(0, 2)
    size: int = handle.tell()
    return size
