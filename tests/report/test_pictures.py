import io

import numpy as np
import pytest
from matplotlib.image import imread

from livedetect.report.notes import Outline, Picture, RunNotes
from livedetect.report.pictures import Marking, frame_png, grey_limits, marking_for, nice_length_nm
from livedetect.types import Calibration, Frame, NoticeEvent, RegionEvent, Track


def picture(shape=(64, 64), level=0.5, tracks=(), **calibration):
    data = np.full(shape, level, np.float32)
    data[0, 0], data[-1, -1] = 0.0, 1.0
    frame = Frame.from_array(data, index=20, calibration=Calibration(**calibration))
    return Picture(frame=frame, tracks=tuple(tracks))


def track(confirmed_frame, *, at_start=False):
    return Track(
        defect_id=1,
        x_px=32.0,
        y_px=16.0,
        x_nm=None,
        y_nm=None,
        kind="unknown",
        confidence=0.0,
        score=5.0,
        first_seen_frame=confirmed_frame,
        confirmed_frame=confirmed_frame,
        last_seen_frame=20,
        at_start=at_start,
    )


def drawn(picture, marking=None):
    return imread(io.BytesIO(frame_png(picture, marking)))[..., :3]


def coloured(image):
    return (image.max(axis=2) - image.min(axis=2)) > 0.2


@pytest.mark.parametrize(
    ("extent_nm", "length_nm"), [(8.0, 2.0), (14.0, 2.0), (20.0, 5.0), (0.3, 0.05), (1000.0, 200.0)]
)
def test_scale_bars_have_round_lengths(extent_nm, length_nm):
    assert nice_length_nm(extent_nm) == pytest.approx(length_nm)


def test_the_scale_bar_is_as_long_as_it_says():
    with_bar, without = drawn(picture(pixel_size_nm=0.1)), drawn(picture())
    changed = (np.abs(with_bar - without) > 0.3).all(axis=2)
    columns = changed[int(0.977 * len(changed))].nonzero()[0]
    share = (columns.max() - columns.min()) / changed.shape[1]
    assert share == pytest.approx(1.0 / 6.4, abs=0.01)  # 1 nm of 6.4 nm


def test_pictures_are_enlarged_in_their_own_proportions():
    assert drawn(picture((32, 64))).shape[:2] == (544, 1088)
    assert drawn(picture((32, 64), pixel_aspect=2.0)).shape[:2] == (1088, 1088)
    assert drawn(picture((1000, 2200))).shape[:2] == (500, 1100)


def test_a_ring_leaves_the_atoms_free():
    marking = Marking(ring_px=6.0)
    image = drawn(picture(tracks=[track(3)]), marking)
    zoom = image.shape[0] / 64
    rows, columns = np.indices(image.shape[:2]) / zoom - 0.5
    inside = np.hypot(columns - 32, rows - 16) < 5.4
    assert coloured(image).any()
    assert not coloured(image)[inside].any()
    assert coloured(image).mean() < 0.01


@pytest.mark.parametrize(
    ("marker", "warm"), [(track(19), True), (track(3), False), (track(19, at_start=True), None)]
)
def test_new_earlier_and_initial_defects_differ_in_colour(marker, warm):
    image = drawn(picture(tracks=[marker]), Marking(ring_px=6.0))
    red, green, blue = image[coloured(image)].mean(axis=0)
    if warm is None:
        assert min(red, green) > blue + 0.2
        assert abs(red - green) < 0.1
    else:
        assert (red > blue + 0.2) == warm


def test_regions_of_other_segments_are_not_drawn():
    event = RegionEvent(
        event="region_confirmed",
        frame=1,
        time_s=0.0,
        segment_id=1,
        region_id=0,
        kind="hole",
        polygon_px=((10.0, 10.0), (50.0, 10.0), (50.0, 50.0)),
    )
    outlines = (Outline(event=event, drift_px=(0.0, 0.0)),)
    other = picture()
    same = Picture(frame=other.frame, segment_id=1)
    assert not coloured(drawn(other, Marking(outlines=outlines))).any()
    assert coloured(drawn(same, Marking(outlines=outlines))).any()


def test_rings_follow_the_lattice():
    ready = NoticeEvent(
        event="model_ready", frame=0, time_s=0.0, values={"lattice_px": [[0.0, 20.0], [30.0, 0.0]]}
    )
    assert marking_for(RunNotes(models=[ready]), picture()).ring_px == pytest.approx(11.0)
    assert marking_for(RunNotes(), picture((64, 400))).ring_px == pytest.approx(6.0)


def test_grey_limits_survive_constant_and_missing_pixels():
    constant = Picture(frame=Frame.from_array(np.full((8, 8), 7)))
    missing = Picture(frame=Frame.from_array(np.full((8, 8), np.nan)))
    low, high = grey_limits(constant)
    assert low == 7
    assert high > low
    assert grey_limits(missing) == (0.0, 1.0)
