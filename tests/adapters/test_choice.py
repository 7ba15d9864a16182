import pytest

from livedetect.errors import SourceError
from livedetect_adapters.choice import Item, chosen

ITEMS = [
    Item(key=f"{number}a3f", title=title, detail="3 × 8 × 8, uint16", open=lambda: None)
    for number, title in enumerate(["Survey", "Record"])
]
REFUSALS = {
    "nothing near": ("foo", "x.h5 holds nothing called 'foo'. It holds:\n"),
    "a slip of the pen": (
        "Recrd",
        "x.h5 holds nothing called 'Recrd'; did you mean 'Record'? It holds:\n",
    ),
}


@pytest.mark.parametrize(("wanted", "said"), REFUSALS.values(), ids=REFUSALS)
def test_what_is_not_there_is_answered_in_whole_sentences(wanted, said):
    with pytest.raises(SourceError) as caught:
        chosen(ITEMS, wanted, "x.h5")
    assert str(caught.value).startswith(said)
    assert "Survey" in str(caught.value)
