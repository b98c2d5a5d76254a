"""Pictures."""

from __future__ import annotations

from pathlib import Path

from bench.figures import plots
from bench.figures.plots import Bar, Pair

PANELS = {"messages/s": [Pair("relay", Bar(9, 8, 10), Bar(12, 11, 15), "(0.75 ×)"), Pair("alone", Bar(1, 1, 1), None)]}
NAMES = ("this project", "the other")


def test_a_picture_is_a_png_and_an_svg_that_says_its_figures(tmp_path: Path) -> None:
    plots.bars(tmp_path / "made" / "relaying", "relaying", PANELS, NAMES)
    assert (tmp_path / "made" / "relaying.png").read_bytes().startswith(b"\x89PNG")
    text = (tmp_path / "made" / "relaying.svg").read_text()
    for said in ("relaying", "messages/s", "alone", "(0.75 ×)", *NAMES):
        assert said in text


def test_the_same_figures_make_the_same_file(tmp_path: Path) -> None:
    for folder in ("one", "two"):
        plots.bars(tmp_path / folder / "relaying", "relaying", PANELS, NAMES)
    assert (tmp_path / "one/relaying.svg").read_bytes() == (tmp_path / "two/relaying.svg").read_bytes()
