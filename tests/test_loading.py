"""Loading: garbage is left alone meanwhile, and looked for again afterwards."""

import gc

import pytest

from livedetect.loading import without_collecting


def test_nothing_is_collected_while_something_is_loaded() -> None:
    seen: list[str] = []
    gc.callbacks.append(lambda phase, _: seen.append(phase))
    try:
        with without_collecting():
            with without_collecting():
                assert [[number] for number in range(10_000)]
            assert [[number] for number in range(10_000)]
            assert seen == []
        assert [[number] for number in range(10_000)]
    finally:
        gc.callbacks.pop()
    assert "start" in seen


def test_garbage_is_looked_for_again_even_if_loading_fails() -> None:
    with pytest.raises(ImportError), without_collecting():
        raise ImportError
    assert gc.isenabled()
