"""Links between pages lead somewhere."""

from __future__ import annotations

import re

import pytest

from .pages_for_tests import DOCS, PAGES, ROOT, Page, read_page


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_relative_links_lead_to_files_and_titles(page: Page) -> None:
    """A file that exists, and a title that it has."""
    for target in re.findall(r"\]\(([^)\s]+)\)", page.prose):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, anchor = target.partition("#")
        found = (page.path.parent / name).resolve() if name else page.path
        assert found.exists(), f"{page.name}: {target}"
        assert found.is_relative_to(ROOT), f"{page.name}: {target}"
        if anchor:
            assert anchor in read_page(found).anchors, f"{page.name}: {target}"


def test_every_page_is_reached_from_the_index() -> None:
    """A page that no list names is not found."""
    index = next(page for page in DOCS if page.name == "docs/index.md")
    listed = {(index.path.parent / target).resolve() for target in re.findall(r"\]\(([^)#]+)\)", index.prose)}
    assert {page.path for page in DOCS} - {index.path} == listed


def test_glossary_defines_the_words_of_the_field() -> None:
    """Those that everything else uses."""
    glossary = next(page for page in DOCS if page.name == "docs/glossary.md")
    words = [
        *("service", "endpoint", "dependency", "service graph", "provider", "hook", "worker", "watcher"),
        *("arbiter", "transport", "frame", "client", "slot", "run"),
    ]
    for word in words:
        assert f"\n### {word}\n" in glossary.text, word
