"""``python -m livedetect``."""

from livedetect.cli import main

main()
