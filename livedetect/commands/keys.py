"""``livedetect keys``: keys for frames that travel between computers."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from livedetect.commands.telling import tell


def keys(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="Where to write the two keys.")],
) -> None:
    """Make the keys with which a producer and a subscriber know each other (CURVE)."""
    from livedetect.stream.curve import create_keys

    producer, subscriber = create_keys(directory)
    tell(f"{producer}: for the computer at the microscope,")
    tell(f"  livedetect simulate SPEC --to tcp://ADDRESS:5590?curve={producer.name}")
    tell(f"{subscriber}: for the computer that analyses,")
    tell(f"  livedetect run tcp://MICROSCOPE:5590?curve={subscriber.name}")
    tell("Both hold a secret: hand them over personally, and keep no other copies.")
