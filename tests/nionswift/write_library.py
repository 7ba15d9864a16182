"""Run by Swift's Python: a library and exports as the real Nion Swift writes them."""

import os
import pathlib
import sys

import numpy as np
from nion.data import Calibration, DataAndMetadata
from nion.swift.model import DataItem, ImportExportManager
from nion.swift.test import Storage_test, TestContext

FOLDER = pathlib.Path(sys.argv[1])
IMAGES = np.arange(4 * 40 * 24, dtype=np.float32).reshape(4, 40, 24)
EXPORTED = ("ndata1", "nhdf", "npy")


def described(array, sequence=False, collections=0):
    plain, scale = Calibration.Calibration(), Calibration.Calibration(-0.4, 0.02, "nm")
    return DataAndMetadata.new_data_and_metadata(
        array,
        dimensional_calibrations=[plain] * (array.ndim - 2) + [scale] * 2,
        data_descriptor=DataAndMetadata.DataDescriptor(sequence, collections, 2),
        metadata={
            "hardware_source": {"channel_name": "HAADF", "pixel_time_us": 2.0, "exposure": 0.002},
            "instrument": {"high_tension": 60000.0},
        },
    )


def add(model, xdata, title, large=False):
    item = DataItem.DataItem(large_format=large)
    model.append_data_item(item)
    item.set_xdata(xdata)
    item.title = title
    return item


setup = TestContext.TestSetup()
model = Storage_test.TempProfileContext(FOLDER, no_remove=True).create_document_model()
for number in range(3):
    add(model, described(IMAGES[number]), "Record")
add(model, described(IMAGES, sequence=True), "Sequence", large=True)
tiles = add(model, described(IMAGES.reshape(2, 2, 40, 24), collections=2), "Tiles")
for handler in ImportExportManager.ImportExportManager()._ImportExportManager__io_handlers:
    if handler.extensions[0] in EXPORTED:
        target = FOLDER / f"tiles.{handler.extensions[0]}"
        display = model.get_display_item_for_data_item(tiles)
        handler.write_display_item(display, target, handler.extensions[0])
# Swift leaves threads behind that would keep this process
os._exit(0)
