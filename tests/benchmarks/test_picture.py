"""Figures as a picture."""

from __future__ import annotations

from xml.etree import ElementTree as ET

import pytest

from benchmarks.figures import Figure
from benchmarks.picture import to_svg

from .figures_for_tests import NAMES, rate_figure, time_figure

SVG = "{http://www.w3.org/2000/svg}"


def drawn(*figures: Figure) -> ET.Element:
    return ET.fromstring(to_svg(figures, NAMES, "Calls & streams"))


def bars_of(picture: ET.Element) -> list[ET.Element]:
    return [each for each in picture.iter(f"{SVG}rect") if each.get("rx")]


def texts_of(picture: ET.Element) -> list[str]:
    return ["".join(each.itertext()) for each in picture.iter(f"{SVG}text")]


def test_picture_is_well_formed_and_named() -> None:
    picture = drawn(time_figure())
    assert picture.tag == f"{SVG}svg"
    assert picture.get("aria-label") == "Calls & streams"


def test_each_side_with_a_value_has_a_bar() -> None:
    assert len(bars_of(drawn(time_figure(), rate_figure()))) == 4


def test_side_without_a_value_has_none() -> None:
    picture = drawn(time_figure())
    assert not any("BentoML" in text for text in texts_of(picture))


def test_greater_value_has_a_longer_bar() -> None:
    floor, ours = bars_of(drawn(time_figure()))
    assert float(floor.get("width", "")) < float(ours.get("width", ""))


def test_scale_is_logarithmic() -> None:
    values = {"floor": [100.0], "circus": [1_000.0], "bento": [10_000.0]}
    low, middle, high = (float(bar.get("width", "")) for bar in bars_of(drawn(time_figure(values=values))))
    assert high - middle == pytest.approx(middle - low, abs=0.5)


def test_names_are_escaped() -> None:
    picture = drawn(time_figure(values={"ray_serve": [5.0]}))
    assert "Ray <Serve>" in texts_of(picture)


def test_each_panel_says_unit_and_direction() -> None:
    texts = texts_of(drawn(time_figure(), rate_figure()))
    assert any("µs, less is better, logarithmic" in text for text in texts)
    assert any("calls/s, more is better, logarithmic" in text for text in texts)


@pytest.mark.parametrize(
    "values", [{"floor": [0.001], "circus": [1e7]}, {"floor": [3.0]}, {"floor": [1000.0]}]
)
def test_everything_is_within_the_picture(values: dict[str, list[float]]) -> None:
    picture = drawn(time_figure(values=values))
    width, height = float(picture.get("width", "")), float(picture.get("height", ""))
    for bar in bars_of(picture):
        assert float(bar.get("x", "")) + float(bar.get("width", "")) <= width
        assert float(bar.get("y", "")) + float(bar.get("height", "")) <= height


def test_figure_without_values_is_left_out() -> None:
    assert bars_of(drawn(time_figure(values={}))) == []


def test_value_of_nothing_is_drawn() -> None:
    """No failed calls is the best value there is, and has no logarithm."""
    assert len(bars_of(drawn(time_figure(values={"floor": [0.0], "circus": [3.0]})))) == 2
