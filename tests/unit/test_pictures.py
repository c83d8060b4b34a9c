"""The pictures of the documents say what the code does."""

from config import ROOT
from steadypool.retry import MOST_TRIES


def test_the_way_of_a_read_says_how_often_a_write_is_tried() -> None:
    picture = (ROOT / "docs" / "images" / "way-of-a-read.svg").read_text(encoding="utf-8")

    assert f"deadlock: all of it again, {MOST_TRIES} tries in all<" in picture
