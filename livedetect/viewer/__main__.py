"""``python -m livedetect.viewer [ENDPOINT]``."""

import sys

from livedetect.viewer.app import run_program

sys.exit(run_program(sys.argv[1:]))
