import base64
import dataclasses
import html.parser
import io

import numpy as np
import pytest
from matplotlib.image import imread

from livedetect.report.collector import FRAMES_IN_FLIGHT, ReportCollector
from livedetect.report.notes import MOST_ROWS
from livedetect.report.tables import model_pairs, warning_lines
from livedetect.types import (
    Calibration,
    DefectEvent,
    Frame,
    FrameResult,
    Gap,
    NoticeEvent,
    Phase,
    RegionEvent,
    Registration,
    Track,
)

KNOWN = Calibration(pixel_size_nm=0.02, dwell_us=8.0, current_pA=50.0, current_source="operator")


class Page(html.parser.HTMLParser):
    """Text and pictures of a page, and whatever it would fetch from elsewhere."""

    def __init__(self, source):
        super().__init__()
        self.images, self.links, self.text = [], [], []
        self.feed(source)

    def handle_starttag(self, tag, attrs):
        values = dict(attrs)
        self.links += [v for k, v in attrs if k in ("href", "src") and not v.startswith("data:")]
        if tag == "img":
            self.images.append(base64.b64decode(values["src"].partition("base64,")[2]))

    def handle_data(self, data):
        self.text.append(data)


def frame(index, calibration=KNOWN, shape=(48, 64)):
    pixels = np.random.default_rng(index).poisson(20, shape).astype(np.uint16)
    return Frame.from_array(pixels, index=index, time_s=0.5 * index, calibration=calibration)


def track(number, confirmed, *, at_start=False):
    return Track(
        defect_id=number,
        x_px=10.0 + 5 * number,
        y_px=20.0,
        x_nm=0.2,
        y_nm=0.4,
        kind="vacancy",
        confidence=0.9,
        score=9.0,
        first_seen_frame=confirmed,
        confirmed_frame=confirmed,
        last_seen_frame=confirmed,
        at_start=at_start,
    )


def defect(number, at_frame, event="defect_confirmed"):
    return DefectEvent(
        event=event,
        frame=at_frame,
        time_s=0.5 * at_frame,
        defect_id=number,
        first_seen_frame=at_frame - 1,
        x_px=10.0 + 5 * number,
        y_px=20.0,
        x_nm=0.2,
        y_nm=-0.4,
        score=9.0,
        p_value=1e-9,
        kind="half_vacancy",
        confidence=0.9,
        dose_e_per_A2=1e5,
    )


def notice(name, at_frame, **values):
    return NoticeEvent(event=name, frame=at_frame, time_s=0.5 * at_frame, values=values)


def result(index, **values):
    defaults = {
        "frame": index,
        "time_s": 0.5 * index,
        "phase": Phase.LIVE,
        "disposition": "scored",
        "dose_e_per_A2": 1e4 * (index + 1),
        "registration": Registration(drift_x_px=0.5 * index, drift_y_px=0.0, gain=1.0, offset=0.0),
    }
    return FrameResult(**{**defaults, **values})


def play(collector, length=8, calibration=KNOWN):
    """Three frames of warm-up, a defect at the start, two births in frame 5, a region, a gap."""
    started = {"session_id": "s1", "source": "made <here>", "version": "1", "settings": {"nu": 0.1}}
    collector.on_event(notice("run_started", 0, **started))
    ready = notice(
        "model_ready",
        2,
        frames_used=3,
        lattice_nm=[[0.3, 0.0], [0.0, 0.4]],
        lattice_px=[[15.0, 0.0], [0.0, 20.0]],
        sites=80,
        false_markers_per_1000_frames=1.0,
        fallback=False,
        warnings=["look out"],
    )
    outline = ((4.0, 4.0), (14.0, 4.0), (14.0, 14.0))
    region = RegionEvent(
        event="region_confirmed", frame=6, time_s=3.0, region_id=0, kind="hole", polygon_px=outline
    )
    happened = {
        2: (ready, defect(0, 2, "defect_at_start")),
        5: (defect(1, 5), defect(2, 5)),
        6: (region,),
    }
    tracks = ()
    for index in range(length):
        collector.on_frame(frame(index, calibration))
        tracks += {2: (track(0, 2, at_start=True),), 5: (track(1, 5), track(2, 5))}.get(index, ())
        warm = index < 3
        values = {"phase": Phase.WARMING_UP, "disposition": "warm_up"} if warm else {}
        dose = {} if calibration.current_pA else {"dose_e_per_A2": None}
        collector.on_result(
            result(index, events=happened.get(index, ()), active_tracks=tracks, **values, **dose)
        )
    gap = notice("gap", length, first_missing=length, missing_frames=2, reason="missing")
    collector.on_frame(Gap(first_missing=length, missing_frames=2))
    collector.on_result(result(length, disposition="none", events=(gap,), registration=None))
    ledger = {"sent": length + 2, "received": length, "missing": 2, "warm_up": 3}
    collector.on_event(
        notice("run_ended", length, status="success", ledger={**ledger, "scored": length - 3})
    )


@pytest.fixture
def page(tmp_path):
    collector = ReportCollector(tmp_path / "deep" / "report")
    play(collector)
    collector.close()
    return (tmp_path / "deep" / "report" / "report.html").read_text(encoding="utf-8")


def test_the_page_needs_nothing_else(page):
    parsed = Page(page)
    assert parsed.links == []
    assert "<script" not in page
    assert "http" not in page
    assert "url(" not in page


def test_the_pictures_are_there_and_not_empty(page):
    images = Page(page).images
    assert len(images) == 4, "first, last, busiest frame, curves"
    for image in images:
        pixels = imread(io.BytesIO(image))
        assert min(pixels.shape[:2]) > 400
        assert pixels.std() > 0.05


def test_the_page_tells_what_happened(page):
    text = " ".join(Page(page).text)
    assert "2 defects formed in 5 judged frames" in text
    assert "1 defect already there at the start, 1 region" in text
    assert "look out" in text
    assert "0.3, 0.4 nm" in text
    assert "half vacancy (90 %)" in text
    assert "0.200, −0.400" in text
    assert "8×10⁴ e/Å²" in text.replace("80000", "8×10⁴")
    assert "1 per 1000 frames" in text
    assert "first_missing 8" in text


def test_the_model_in_use_is_the_one_learnt_last(tmp_path):
    collector = ReportCollector(tmp_path)
    play(collector)
    collector.on_event(
        notice(
            "model_refitted",
            7,
            reason="all cells changed alike",
            frames_used=4,
            sites=77,
            false_markers_per_1000_frames=2.0,
            warnings=["learnt from few"],
        )
    )
    notes = collector.notes
    assert notes.model["sites"] == 77
    assert notes.false_markers_expected == pytest.approx(0.01)
    pairs = dict(model_pairs(notes))
    assert pairs["learnt anew"] == "4 frames"
    assert (pairs["in use from frame"], pairs["models fitted in this run"]) == ("7", "2")
    assert "learnt from few" in warning_lines(notes)
    assert "model_refitted" in [event.event for event in notes.notices]


def test_what_the_user_typed_is_escaped(page):
    assert "made &lt;here&gt;" in page
    assert "<here>" not in page


def test_the_last_frame_lies_beside_the_page(tmp_path):
    collector = ReportCollector(tmp_path)
    play(collector)
    collector.close()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["last_frame.png", "report.html"]
    assert imread(tmp_path / "last_frame.png").shape[1] > 1000


def test_the_frame_with_most_births_is_kept(tmp_path):
    collector = ReportCollector(tmp_path)
    play(collector)
    assert collector.notes.first.frame.index == 0
    assert collector.notes.busiest.frame.index == 5
    assert collector.notes.busiest.births == 2
    assert collector.notes.last.frame.index == 7


def test_a_second_close_writes_nothing(tmp_path):
    collector = ReportCollector(tmp_path)
    play(collector)
    collector.close()
    (tmp_path / "report.html").unlink()
    collector.close()
    assert not (tmp_path / "report.html").exists()


def test_without_a_current_there_is_exposure_and_no_dose(tmp_path):
    collector = ReportCollector(tmp_path)
    play(collector, calibration=dataclasses.replace(KNOWN, current_pA=None))
    collector.close()
    text = " ".join(Page((tmp_path / "report.html").read_text(encoding="utf-8")).text)
    assert "exposure in total" in text
    assert "0.16 s/nm²" in text
    assert "no dose is given" in text


def test_channels_of_one_scan_are_exposed_once(tmp_path):
    collector = ReportCollector(tmp_path)
    for index, scan_id in enumerate(["a", "a", "b"]):
        collector.on_frame(dataclasses.replace(frame(index), scan_id=scan_id))
        collector.on_result(result(index))
    exposure = collector.notes.series.latest.exposure_s_per_nm2
    assert exposure == pytest.approx(2 * 8e-6 / 0.02**2)


def test_a_run_cut_short_still_gives_a_report(tmp_path):
    collector = ReportCollector(tmp_path)
    collector.on_frame(frame(0))
    collector.on_result(result(0, disposition="warm_up", phase=Phase.WARMING_UP))
    collector.close()
    text = " ".join(Page((tmp_path / "report.html").read_text(encoding="utf-8")).text)
    assert "before the warm-up was complete" in text
    assert "cut short" in text


def test_a_run_without_any_frame_gives_a_report(tmp_path):
    collector = ReportCollector(tmp_path)
    collector.on_event(notice("run_started", 0, source="nothing"))
    collector.close()
    assert (tmp_path / "report.html").stat().st_size > 1000
    assert not (tmp_path / "last_frame.png").exists()


def test_a_run_that_never_began_leaves_nothing(tmp_path):
    ReportCollector(tmp_path / "report").close()
    assert not (tmp_path / "report").exists()


def test_memory_is_bounded(tmp_path):
    collector = ReportCollector(tmp_path)
    for index in range(3 * FRAMES_IN_FLIGHT):
        collector.on_frame(frame(index))
    for number in range(MOST_ROWS + 7):
        collector.on_event(defect(number, 5))
    assert len(collector._recent) == FRAMES_IN_FLIGHT
    assert len(collector.notes.defects) == MOST_ROWS
    assert collector.notes.left_out == 7
    assert collector.notes.confirmed == MOST_ROWS + 7
    assert "7 further events" in warning_lines(collector.notes)[-1]
