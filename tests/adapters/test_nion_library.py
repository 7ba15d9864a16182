"""Libraries of Nion Swift: one item out of many."""

import json

import numpy as np
import pytest

import livedetect
from livedetect.errors import FrameReadError, SourceError
from livedetect.stream.registry import reader_for
from livedetect.types import Frame, Rejection
from tests.adapters.reader_contract import FRAMES
from tests.adapters.swift_files import SCAN, Library, properties_of

IMAGES = FRAMES.astype("f4")


@pytest.fixture
def library(tmp_path):
    """Three recorded images, a sequence, a large one, a collection, and what are no frames."""
    library = Library(tmp_path)
    for second in (7, 3, 5):
        image = IMAGES[0] + second
        library.add(image, properties_of(image, "Record HAADF", second=second))
    library.add(IMAGES, properties_of(IMAGES, "Sequence HAADF 0", sequence=True, second=10))
    large = IMAGES + 100
    library.add_large(large, properties_of(large, "Großer Stapel", sequence=True, second=20))
    tiles = IMAGES.reshape(2, 2, 40, 24)
    library.add(tiles, properties_of(tiles, "Tableau HAADF 0", second=30))
    library.add(None, properties_of(IMAGES[0], "empty"))
    library.add(IMAGES[0].astype("c8"), properties_of(IMAGES[0], "fft"))
    library.add(IMAGES[0, 0], properties_of(IMAGES[0], "spectrum", datum_dimension_count=1))
    colour = np.zeros((40, 24, 3), "u1")
    library.add(colour, properties_of(colour, "colour", collection_dimension_count=0))
    library.add(np.zeros((4, 40, 24, 3), "u1"), properties_of(IMAGES, "movie", sequence=True))
    camera = {"offset": 0.0, "scale": 2.0, "units": "rad"}
    library.add(IMAGES, properties_of(IMAGES, "camera", dimensional_calibrations=[camera] * 3))
    return library


def play(library, item):
    source = livedetect.open_source(f"{library.path}?item={item}", live=False)
    items = list(source)
    assert all(isinstance(item, Frame) for item in items)
    return items


def test_without_a_choice_the_items_with_frames_are_listed_in_their_order(library):
    with pytest.raises(SourceError, match="choose one") as problem:
        livedetect.open_source(library.path)
    lines = str(problem.value).splitlines()[1:]
    titles = ["Record HAADF", "Sequence HAADF 0", "Großer Stapel", "Tableau HAADF 0"]
    assert [next(title for title in titles if title in line) for line in lines] == titles
    assert [line.split("×")[0].split()[-1] for line in lines] == ["3", "4", "4", "4"]


def test_recorded_images_of_one_title_are_played_by_their_time(library):
    frames = play(library, "Record HAADF")
    assert [float(frame.data[0, 0] - IMAGES[0, 0, 0]) for frame in frames] == [3, 5, 7]
    assert [frame.time_s for frame in frames] == pytest.approx([0, 2, 4])
    assert [frame.index for frame in frames] == [0, 1, 2]


def test_a_sequence_is_played_with_what_swift_knew(library):
    frames = play(library, "sequence haadf 0")
    np.testing.assert_array_equal([frame.data for frame in frames], IMAGES)
    last = frames[-1]
    assert last.calibration.pixel_size_nm == 0.0625
    assert last.calibration.dwell_us == 2
    assert last.calibration.high_tension_kv == 100
    assert last.calibration.rotation_deg == pytest.approx(17.1887, abs=1e-3)
    assert last.stream == "swift/HAADF"
    assert last.time_s == pytest.approx(3 * 0.006144)
    assert last.meta["fov_nm"] == 4
    assert last.meta["scan_id"] == SCAN["scan"]["scan_id"]


def test_a_large_item_by_a_part_of_its_title(library):
    np.testing.assert_array_equal(play(library, "stapel")[2].data, IMAGES[2] + 100)


def test_a_collection_is_played_row_by_row(library):
    np.testing.assert_array_equal([f.data for f in play(library, "Tableau HAADF 0")], IMAGES)


def test_the_start_of_the_uuid_names_one_of_two_items_of_one_title(library):
    others = properties_of(IMAGES[:3], "Sequence HAADF 0", sequence=True, second=40)
    library.add(IMAGES[:3], others)
    with pytest.raises(SourceError, match="several items called 'Sequence HAADF 0'"):
        livedetect.open_source(f"{library.path}?item=Sequence HAADF 0")
    assert len(play(library, others["uuid"][:8])) == 3


def test_what_is_not_there_is_answered_with_what_there_is(library):
    with pytest.raises(SourceError, match=r"(?s)nothing called 'Recrd HAADF'.*Record HAADF'\?"):
        livedetect.open_source(f"{library.path}?item=Recrd HAADF")


def test_the_only_item_needs_no_choice(tmp_path):
    library = Library(tmp_path, "Übung 1")
    library.add(IMAGES, properties_of(IMAGES, "Sequence", sequence=True))
    assert len(list(livedetect.open_source(library.path))) == 4


@pytest.mark.parametrize("named", [["C:\\Users\\nion\\My Project.2 Data"], ["/elsewhere/old"], []])
def test_a_library_from_another_computer_finds_the_data_beside_it(library, named):
    library.name(named)
    assert len(play(library, "Sequence HAADF 0")) == 4


def test_what_was_thrown_away_is_not_offered(tmp_path):
    library = Library(tmp_path)
    library.add(IMAGES, properties_of(IMAGES, "kept", sequence=True))
    thrown = library.add(IMAGES, properties_of(IMAGES, "thrown", sequence=True))
    (library.data / "trash").mkdir()
    thrown.rename(library.data / "trash" / thrown.name)
    assert len(list(livedetect.open_source(library.path))) == 4


def test_a_damaged_item_does_not_spoil_the_others(library):
    path = library.add(IMAGES, properties_of(IMAGES, "cut", sequence=True))
    path.write_bytes(path.read_bytes()[:5000])
    assert len(play(library, "Sequence HAADF 0")) == 4


def test_an_image_that_vanished_is_rejected_and_the_others_are_played(library):
    stack = reader_for(library.path).open_item(library.path, "Record HAADF")
    # one of the three, by its place in time
    stack._items[1].path.unlink()
    with pytest.raises(FrameReadError, match=stack._items[1].path.name):
        stack.frame(1)
    assert stack.frame(2).data[0, 0] == IMAGES[0, 0, 0] + 7


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("no json", "no library of Nion Swift"),
        ("[]", "names no data folder"),
        (json.dumps({"project_data_folders": ["Gone Data"]}), "put 'Gone Data' beside it"),
    ],
)
def test_what_is_no_library_says_so(tmp_path, text, message):
    (tmp_path / "x.nsproj").write_text(text, encoding="utf-8")
    with pytest.raises(SourceError, match=message):
        livedetect.open_source(tmp_path / "x.nsproj")


def test_an_empty_library_says_where_it_looked(tmp_path):
    library = Library(tmp_path)
    with pytest.raises(SourceError, match="no images"):
        livedetect.open_source(library.path)


def test_a_folder_with_a_library_is_told_to_name_it(library):
    with pytest.raises(SourceError, match=r"name it, .*My Project\.2\.nsproj"):
        livedetect.open_source(library.path.parent)


def test_the_data_folder_itself_is_read_in_the_order_of_time(tmp_path):
    library = Library(tmp_path)
    paths = [library.add(image, properties_of(image, "Record")) for image in IMAGES[:1]]
    for second in range(1, 4):
        image = IMAGES[second]
        paths.append(library.add(image, properties_of(image, "Record", second=second)))
    items = list(livedetect.open_source(paths[0].parent, live=False))
    assert not [item for item in items if isinstance(item, Rejection)]
    np.testing.assert_array_equal([item.data for item in items], IMAGES)
