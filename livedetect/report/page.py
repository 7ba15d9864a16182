"""One HTML page with everything in it: no scripts, no other files, no network."""

from __future__ import annotations

import base64
import datetime as dt
from collections.abc import Iterable
from html import escape
from pathlib import Path

import livedetect
from livedetect.report import pictures, tables
from livedetect.report.curves import curves_png
from livedetect.report.notes import Picture, RunNotes
from livedetect.report.style import STYLE

REPORT_NAME, LAST_FRAME_NAME = "report.html", "last_frame.png"
BUSIEST_NEW_FRAMES = 1


def write_report(notes: RunNotes, directory: Path) -> Path:
    """Write ``report.html`` and, if a frame was analysed, ``last_frame.png``.

    Returns
    -------
    Path of the page.

    Raises
    ------
    OSError : the directory cannot be written to.
    """
    directory.mkdir(parents=True, exist_ok=True)
    last = None
    if notes.last is not None:
        last = pictures.frame_png(notes.last, pictures.marking_for(notes, notes.last))
        (directory / LAST_FRAME_NAME).write_bytes(last)
    path = directory / REPORT_NAME
    path.write_text(page_html(notes, last), encoding="utf-8")
    return path


def page_html(notes: RunNotes, last_png: bytes | None) -> str:
    """The whole page; `last_png` is the picture of the last frame with its markers."""
    source = escape(str(notes.started.get("source", "a run")))
    body = "\n".join(
        [
            f"<header><p class=kicker>livedetect report</p><h1>{source}</h1>",
            f"<p class=lead>{escape(tables.headline(notes))}</p>",
            _warnings(notes),
            "</header>",
            _figures(notes, last_png),
            _facts(notes),
            _lists(notes),
            f"<footer>livedetect {escape(livedetect.__version__)}, written {_now()}</footer>",
        ]
    )
    return (
        "<!DOCTYPE html>\n<html lang=en><head><meta charset=utf-8>"
        "<meta name=viewport content='width=device-width, initial-scale=1'>"
        f"<title>livedetect: {source}</title><style>{STYLE}</style></head>"
        f"<body><main>\n{body}\n</main></body></html>\n"
    )


def _warnings(notes: RunNotes) -> str:
    lines = tables.warning_lines(notes)
    return "".join(f"<p class=note>{escape(line)}</p>" for line in lines)


def _figures(notes: RunNotes, last_png: bytes | None) -> str:
    parts = []
    if notes.first is not None:
        parts.append(_figure(pictures.frame_png(notes.first), _caption("First frame", notes.first)))
    if last_png is not None and notes.last is not None:
        legend = _legend(notes, pictures.NEW_FRAMES)
        parts.append(_figure(last_png, _caption("Last frame", notes.last) + legend))
    if notes.busiest is not None and notes.busiest.births > 0:
        marking = pictures.marking_for(notes, notes.busiest, new_frames=BUSIEST_NEW_FRAMES)
        caption = _caption("Frame with most new defects", notes.busiest)
        caption += f" {notes.busiest.births} new." + _legend(notes, BUSIEST_NEW_FRAMES)
        parts.append(_figure(pictures.frame_png(notes.busiest, marking), caption))
    if notes.series.latest is not None:
        parts.append(_figure(curves_png(notes), _curves_caption(notes)))
    return f"<section class=pictures>{''.join(parts)}</section>"


def _caption(title: str, picture: Picture) -> str:
    low, high = pictures.grey_limits(picture)
    frame = picture.frame
    text = f"Frame {frame.index}, {tables.quantity(frame.time_s)} s. "
    black, white = tables.quantity(low, digits=5), tables.quantity(high, digits=5)
    text += f"Black {black}, white {white} in the source’s units."
    return f"<b>{title}.</b> {escape(text)}"


def _legend(notes: RunNotes, new_frames: int) -> str:
    age = "in this frame" if new_frames == 1 else f"in the latest {new_frames} frames"
    entries = [(pictures.NEW, "2.4", "", f"formed {age}"), (pictures.HELD, "1.5", "", "earlier")]
    if notes.at_start:
        entries.append((pictures.AT_START, "1.5", "2.5 2", "there at the start"))
    rings = [
        f"<span class=key><svg width=16 height=16><rect width=16 height=16 rx=3 fill='#444'/>"
        f"<circle cx=8 cy=8 r=5 fill=none stroke='{colour}' stroke-width={width} "
        f"stroke-dasharray='{dash}'/></svg>{escape(text)}</span>"
        for colour, width, dash, text in entries
    ]
    if notes.outlines:
        rings.append(
            "<span class=key><svg width=16 height=16><rect x=2 y=2 width=12 height=12 "
            f"fill='#444' stroke='{pictures.REGION}' stroke-width=2 /></svg>region</span>"
        )
    return f"<span class=legend>{''.join(rings)}</span>"


def _curves_caption(notes: RunNotes) -> str:
    caption = "<b>Defects against frame and dose.</b> Solid: defects formed so far; dashed: "
    caption += "defects marked in the frame, those of the start included, where that differs; "
    caption += "grey: warm-up."
    latest = notes.series.latest
    if latest is not None and latest.dose_e_per_A2 is None:
        caption += " The probe current is not known, so no dose is given."
    return caption


def _figure(png: bytes, caption: str) -> str:
    data = base64.b64encode(png).decode("ascii")
    return (
        f"<figure><img alt='' src='data:image/png;base64,{data}'>"
        f"<figcaption>{caption}</figcaption></figure>"
    )


def _facts(notes: RunNotes) -> str:
    blocks = {
        "Run": tables.run_pairs(notes),
        "Scan": tables.scan_pairs(notes),
        "Crystal": tables.model_pairs(notes),
        "Frames": tables.ledger_pairs(notes),
    }
    return "<section class=facts>" + "".join(map(_pairs, blocks, blocks.values())) + "</section>"


def _lists(notes: RunNotes) -> str:
    sections = {
        "Defects": tables.defect_table(notes),
        "Regions": tables.region_table(notes),
        "Phases": tables.phase_table(notes),
        "Notices": tables.notice_table(notes),
    }
    shown = [_table(title, table) for title, table in sections.items() if table.rows]
    settings = _pairs("", tables.setting_pairs(notes))
    return "".join(shown) + f"<details><summary>All settings</summary>{settings}</details>"


def _pairs(title: str, pairs: Iterable[tuple[str, str]]) -> str:
    rows = [f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in pairs]
    head = f"<h2>{escape(title)}</h2>" if title else ""
    return f"<div>{head}<dl>{''.join(rows)}</dl></div>" if rows else ""


def _table(title: str, table: tables.Table) -> str:
    heads = "".join(f"<th>{escape(head)}</th>" for head in table.heads)
    rows = "".join(
        "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in table.rows
    )
    return (
        f"<section><h2>{escape(title)}</h2><table><thead><tr>{heads}</tr></thead>"
        f"<tbody>{rows}</tbody></table></section>"
    )


def _now() -> str:
    return dt.datetime.now(dt.UTC).astimezone().strftime("%Y-%m-%d %H:%M %Z")
