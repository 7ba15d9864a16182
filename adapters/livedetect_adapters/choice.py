"""Choosing one of several images or stacks that a file holds, as ``?item=`` does."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from livedetect.errors import SourceError
from livedetect.setting_fields import did_you_mean

SHORTEST_KEY = 4
_LISTED = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One image or stack of a file that holds several."""

    key: str
    """Names it without doubt: a path inside the file, or a uuid of which the start suffices."""
    title: str
    """What its maker called it; need not be unique."""
    detail: str
    """Shape and date, for the user who has to choose."""
    open: Callable[[], Any]
    """Gives what the reader needs of it."""


def chosen(items: Sequence[Item], wanted: str, name: str) -> Item:
    """The item called `wanted`, or the only one if that is empty.

    Parameters
    ----------
    items : all that hold frames.
    wanted : a key, the first letters of one, a title or a part of one; case does not matter.
    name : of the file, for messages.

    Raises
    ------
    SourceError
        None or several fit; the message lists them.
    """
    if not items:
        raise SourceError(f"{name} holds no image or stack of images")
    fitting = _fitting(items, wanted) if wanted else list(items)
    if len(fitting) == 1:
        return fitting[0]
    if not fitting:
        hint = did_you_mean(wanted, [item.title for item in items])
        raise SourceError(f"{name} holds nothing called {wanted!r}{hint} It holds:\n{_list(items)}")
    what = f"several items called {wanted!r}" if wanted else f"{len(items)} items"
    raise SourceError(
        f'{name} holds {what}: choose one, for example "{name}?item={_short(fitting[0], items)}"\n'
        + _list(fitting)
    )


def _fitting(items: Sequence[Item], wanted: str) -> list[Item]:
    text = wanted.strip().lower()
    # the first question that has an answer decides
    questions: tuple[Callable[[Item], bool], ...] = (
        lambda item: text.strip("/") == item.key.lower().strip("/"),
        lambda item: text == item.title.lower(),
        lambda item: len(text) >= SHORTEST_KEY and item.key.lower().startswith(text),
        lambda item: text in item.title.lower(),
    )
    answers = ([item for item in items if question(item)] for question in questions)
    return next(filter(None, answers), [])


def _short(item: Item, items: Sequence[Item]) -> str:
    """The first letters of a uuid where they are enough, else the whole key."""
    short = item.key.partition("-")[0]
    alike = [other for other in items if other.key.startswith(short)]
    return short if len(alike) == 1 else item.key


def _list(items: Sequence[Item]) -> str:
    width = max(len(item.title) for item in items)
    lines = [
        f"  {_short(item, items)}  {item.title:<{width}}  {item.detail}"
        for item in items[-_LISTED:]
    ]
    more = len(items) - len(lines)
    return "\n".join([f"  ... {more} older ones", *lines] if more > 0 else lines)
