"""Markers: where, what sign, how large."""

import numpy as np
import pytest

from livedetect.viewer.markers import GLYPHS, STYLES, base_diameter_px, legend_of, markers_of


def tracks(**changes):
    columns = {
        "defect_id": [1, 2],
        "x_px": [10.0, 30.0],
        "y_px": [20.0, 40.0],
        "kind": ["vacancy", "something else"],
        "confidence": [0.9, 0.1],
        "score": [7.0, None],
        "confirmed_frame": [3, 98],
        "at_start": [True, False],
    }
    return columns | changes


def test_positions_are_row_then_column():
    np.testing.assert_array_equal(
        markers_of(tracks(), 100, (64, 48), 16.0).position_px, [[20.0, 10.0], [40.0, 30.0]]
    )


def test_recent_markers_are_larger_and_those_of_the_start_are_not():
    assert list(markers_of(tracks(), 100, (64, 48), 16.0).diameter_px) == [16.0, 24.0]
    assert list(markers_of(tracks(), 4, (64, 48), 16.0).diameter_px) == [16.0, 24.0]


def test_unknown_kinds_have_a_sign_too():
    markers = markers_of(tracks(), 100, (64, 48), 16.0)
    assert markers.symbol == ["disc", STYLES["unknown"][0]]
    assert "unknown&nbsp;1" in legend_of(["something else"])


def test_markers_that_drifted_out_of_the_frame_are_left_out():
    drifted = tracks(x_px=[47.6, 30.0])
    markers = markers_of(drifted, 100, (64, 48), 16.0)
    np.testing.assert_array_equal(markers.position_px, [[40.0, 30.0]])
    assert markers.features["defect_id"] == [2]
    assert len(markers.symbol) == len(markers.border_color) == len(markers.diameter_px) == 1


def test_no_tracks_give_empty_arrays():
    empty = {name: [] for name in tracks()}
    markers = markers_of(empty, 0, (64, 48), 16.0)
    assert markers.position_px.shape == (0, 2)
    assert markers.border_color.shape == (0, 4)


def test_every_kind_has_a_style_and_every_symbol_a_glyph():
    kinds = {"vacancy", "half_vacancy", "displaced", "adatom", "antisite", "bright", "dark"}
    assert set(STYLES) == kinds | {"unknown"}
    assert {symbol for symbol, _ in STYLES.values()} == set(GLYPHS)


@pytest.mark.parametrize(
    ("lattice", "diameter"),
    [
        ([[16.0, 0.0], [0.0, 20.0]], 16.0),
        ([[3.0, 4.0], [10.0, 0.0]], 5.0),
        (None, 16.0),
        ("abc", 16.0),
        ([[0.0, 0.0], [0.0, 0.0]], 16.0),
        ([[1, 2], [3]], 16.0),
    ],
)
def test_diameter_is_the_lattice_constant_where_it_is_known(lattice, diameter):
    assert base_diameter_px({"lattice_px": lattice}, (512, 512)) == pytest.approx(diameter)
