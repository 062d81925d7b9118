"""The page of the documentation that a run renews."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from benchmarks import machine, page

from .figures_for_tests import NAMES, rate_figure, time_figure

EMPTY = f"# Performance\n\nBefore.\n\n{page.BEGIN}\n{page.END}\n\nAfter.\n"


@pytest.fixture
def written(tmp_path: Path) -> Path:
    """A page of its own, without figures yet."""
    path = tmp_path / "performance.md"
    path.write_text(EMPTY, "utf-8")
    return path


def test_what_is_written_by_hand_stays(written: Path) -> None:
    page.write([time_figure()], NAMES, written)
    text = written.read_text("utf-8")
    assert text.startswith("# Performance\n\nBefore.")
    assert text.endswith("After.\n")
    assert "**120** (119 to 150) 1.20×" in text


def test_writing_twice_gives_the_same_page(written: Path) -> None:
    page.write([time_figure()], NAMES, written)
    once = written.read_text("utf-8")
    page.write([time_figure()], NAMES, written)
    assert written.read_text("utf-8") == once


def test_run_of_one_part_keeps_the_others(written: Path) -> None:
    page.write([time_figure(part="startup", place="", work="start")], NAMES, written)
    page.write([time_figure()], NAMES, written)
    text = written.read_text("utf-8")
    assert "| start |" in text
    assert "| one at a time |" in text


def test_picture_and_values_lie_beside_the_page(written: Path) -> None:
    page.write([time_figure()], NAMES, written)
    assert written.with_suffix(".svg").read_text("utf-8").startswith("<svg")
    assert page.read(written.with_suffix(".json"))["figures"][0]["values"]["circus"] == [119, 120, 150]


def test_every_budget_has_a_line_and_a_verdict() -> None:
    figures = [
        time_figure(),
        rate_figure(budget=0.9),
        time_figure(budget=None),
        time_figure(budget=None, limit=130),
    ]
    _, _, *lines = page.budget_table(figures)
    assert lines == [
        "| one at a time | apart | ≤ 1.3× | 1.20× | met |",
        "| 64 in flight | apart | ≥ 0.9× | 0.60× | **not met** |",
        "| one at a time | apart | ≤ 130 µs | 120 µs | met |",
    ]


def test_paths_of_the_machine_are_not_shown(written: Path) -> None:
    page.write([time_figure(notes={"bento": "OSError: no /some/where/in/here"})], NAMES, written)
    text = written.read_text("utf-8") + written.with_suffix(".json").read_text("utf-8")
    assert "/some/where" not in text


def test_machine_is_described_without_its_name() -> None:
    facts = " ".join(machine.describe().values())
    assert "dynamo-core" in facts
    assert socket.gethostname() not in facts.split()


def test_page_without_marks_is_refused() -> None:
    with pytest.raises(ValueError, match="figures: end"):
        page.fill("# Performance\n", "block")


def test_page_of_the_documentation_has_the_marks() -> None:
    assert "block" in page.fill(page.PAGE.read_text("utf-8"), "block")


@pytest.mark.parametrize(("starts", "is_warned"), [(4, True), (5, False)])
def test_figures_of_few_starts_are_called_tries(starts: int, is_warned: bool) -> None:
    figure = make_figure("startup", values={"circus": [1.0] * starts})
    assert ("only tried: startup" in page.to_block([figure], NAMES, {})) is is_warned


def test_writing_twice_gives_the_same_page(empty: Path) -> None:
    page.write([make_figure("startup")], NAMES, empty)
    once = empty.read_text("utf-8")
    page.write([make_figure("startup")], NAMES, empty)
    assert empty.read_text("utf-8") == once


def test_page_of_the_documentation_has_the_marks() -> None:
    assert "block" in page.fill(page.PAGE.read_text("utf-8"), "block")
