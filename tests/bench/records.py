"""Records with plain values, for the tests of the tables."""

from livedetect.bench.answers import Answered
from livedetect.bench.record import FalseMarker, Found, StreamRecord


def found(kind="vacancy", snr2=100.0, delay=0, **changed):
    values = {
        "kind": kind,
        "birth_frame": 20,
        "snr2": snr2,
        "last_in_view": 59,
        "frames_in_view": 40,
        "delay": delay,
        "distance_px": None if delay is None else 1.0,
        "called": None if delay is None else "vacancy",
    }
    return Found(**{**values, **changed})


def record(defects=(), false=(), **changed):
    markers = [
        FalseMarker(frame=t, x_px=1.0, y_px=1.0, kind="dark", window_frames=8) for t in false
    ]
    values = {
        "stream": "mos2",
        "method": "lattice",
        "frames": 60,
        "judged": 48,
        "nn_px": 10.0,
        "defects": tuple(defects),
        "false": tuple(markers),
    }
    return StreamRecord(**{**values, **changed})


def answered(*records, **label):
    return Answered(label={"crystal": "mos2", "method": "lattice", **label}, records=records)


def rows(table):
    """The rows of a Markdown table as dictionaries."""
    lines = [[cell.strip() for cell in line.split("|")[1:-1]] for line in table.splitlines()]
    return [dict(zip(lines[0], line, strict=True)) for line in lines[2:]]
