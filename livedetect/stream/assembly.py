"""Frames that arrive in blocks of rows, put together again; no sockets, no clocks."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


class Assembly:
    """One frame that is being scanned, from its first row down."""

    def __init__(self, shape: tuple[int, int], dtype: np.dtype[Any]) -> None:
        self._data = np.zeros(shape, dtype)
        self._broken = False
        self.rows_done = 0
        """Rows from the top that are there without a hole."""

    @property
    def complete(self) -> bool:
        """Every row has come."""
        return self.rows_done == len(self._data)

    def has(self, end: int) -> bool:
        """Whether every row before `end` has come."""
        return end <= self.rows_done

    def add(self, first: int, block: NDArray[Any]) -> bool:
        """Take in the rows (n, W) from `first` on; True if they followed those that are there.

        Once a block is missing nothing more is taken: such a frame stays torn.
        """
        self._broken = self._broken or first != self.rows_done
        if self._broken or block.shape[1] != self._data.shape[1] or block.dtype != self._data.dtype:
            self._broken = True
            return False
        end = min(first + len(block), len(self._data))
        self._data[first:end] = block[: end - first]
        self.rows_done = end
        return True

    def pixels(self) -> NDArray[Any]:
        """The frame (H, W), read-only, zero where no row has come; what is there stays as it is."""
        view = self._data.view()
        view.setflags(write=False)
        return view
