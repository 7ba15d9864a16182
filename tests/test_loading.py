"""Loading: garbage is left alone meanwhile, and looked for again afterwards."""

import subprocess
import sys

LEFT = """
import gc, weakref
from livedetect.loading import without_collecting

class Ring:
    def __init__(self):
        self.itself = self

seen = []
gc.callbacks.append(lambda phase, _: seen.append(phase))
with without_collecting():
    rings = [Ring() for _ in range(100_000)]
    assert not seen, "something was collected"
assert gc.isenabled() and gc.get_freeze_count() > 100_000
lost = weakref.ref(Ring())
gc.collect()
assert lost() is None
"""


def test_nothing_is_collected_while_something_is_loaded() -> None:
    # in a process of its own: what is frozen stays so
    subprocess.run([sys.executable, "-c", LEFT], check=True, timeout=60)


def test_garbage_is_collected_again_even_if_loading_fails() -> None:
    failing = (
        "import gc\nfrom livedetect.loading import without_collecting\n"
        "try:\n    with without_collecting():\n        import no_such_library\n"
        "except ImportError:\n    pass\nassert gc.isenabled()"
    )
    subprocess.run([sys.executable, "-c", failing], check=True, timeout=60)
