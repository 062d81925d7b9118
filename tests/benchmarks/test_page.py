"""The page of figures is renewed part by part, and tells nothing of whose machine it was."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks import page
from benchmarks.figures import Figure

NAMES = {"floor": "floor", "circus": "ours"}


def make_figure(part: str, work: str = "work", **fields: object) -> Figure:
    values = {"floor": [1.0, 2.0, 3.0], "circus": [3.0, 4.0, 5.0]}
    return Figure(**{"part": part, "place": "", "work": work, "unit": "s", "values": values, **fields})


@pytest.fixture
def empty(tmp_path: Path) -> Path:
    path = tmp_path / "performance.md"
    path.write_text(f"before\n{page.BEGIN}\nold\n{page.END}\nafter\n", "utf-8")
    return path


def test_what_is_written_by_hand_stays(empty: Path) -> None:
    page.write([make_figure("startup")], NAMES, empty)
    text = empty.read_text("utf-8")
    assert text.startswith(f"before\n{page.BEGIN}\n")
    assert text.endswith(f"{page.END}\nafter\n")
    assert "\nold\n" not in text


def test_a_part_that_was_not_measured_is_kept(empty: Path) -> None:
    page.write([make_figure("startup", "first")], NAMES, empty)
    page.write([make_figure("payloads", "second")], NAMES, empty)
    page.write([make_figure("payloads", "third")], NAMES, empty)
    text = empty.read_text("utf-8")
    assert "first" in text
    assert "second" not in text
    assert text.index("third") < text.index("first"), "parts come in their order"


def test_notes_show_no_path(empty: Path) -> None:
    page.write([make_figure("startup", notes={"circus": "no file /home/someone/x.py there"})], NAMES, empty)
    for path in empty.parent.iterdir():
        assert "someone" not in path.read_text("utf-8"), path.name
    assert "no file … there" in empty.read_text("utf-8")


def test_values_are_kept_as_json(empty: Path) -> None:
    page.write([make_figure("startup")], NAMES, empty)
    kept = json.loads(empty.with_suffix(".json").read_text("utf-8"))
    assert kept["figures"][0]["values"]["circus"] == [3.0, 4.0, 5.0]
    assert set(kept["runs"]) == {"startup"}


def test_a_page_without_marks_is_refused() -> None:
    with pytest.raises(ValueError, match="wants the lines"):
        page.fill("text", "block")


@pytest.mark.parametrize(
    ("fields", "row"),
    [
        ({"base": "floor", "budget": 3}, "| work |  | ≤ 3× | 2.00× | met |"),
        ({"limit": 3}, "| work |  | ≤ 3 s | 4.00 s | **not met** |"),
        ({"limit": 3, "more_is_better": True}, "| work |  | ≥ 3 s | 4.00 s | met |"),
        ({"limit": 3, "values": {}}, "| work |  | ≤ 3 s | - | not measured |"),
    ],
)
def test_each_budget_has_a_verdict(fields: dict[str, object], row: str) -> None:
    assert list(page.budget_table([make_figure("startup", **fields)]))[2:] == [row]


def test_a_figure_without_a_budget_is_not_in_the_table_of_budgets() -> None:
    assert len(list(page.budget_table([make_figure("startup")]))) == 2


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
