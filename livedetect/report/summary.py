"""The report in plain text, for a terminal or a log."""

from __future__ import annotations

from livedetect.report.notes import RunNotes
from livedetect.report.tables import (
    Pairs,
    headline,
    ledger_pairs,
    model_pairs,
    run_pairs,
    scan_pairs,
    warning_lines,
)


def summary_text(notes: RunNotes) -> str:
    """What was found, in what, how; one fact per line, unknown ones left out."""
    sections = {
        "run": run_pairs(notes),
        "scan": scan_pairs(notes),
        "crystal": model_pairs(notes),
        "frames": ledger_pairs(notes),
    }
    blocks = [headline(notes), *(f"note: {line}" for line in warning_lines(notes))]
    blocks += [_block(title, pairs) for title, pairs in sections.items() if pairs]
    return "\n".join(blocks)


def _block(title: str, pairs: Pairs) -> str:
    known = [(name, value) for name, value in pairs if value != "–"]
    width = max((len(name) for name, _ in known), default=0)
    return "\n".join([title, *(f"  {name:<{width}}  {value}" for name, value in known)])
