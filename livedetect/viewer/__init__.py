"""The napari viewer: a client of the published results; nothing imports it."""
