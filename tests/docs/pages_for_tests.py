"""Pages of the documentation, taken apart."""

from __future__ import annotations

import re
from pathlib import Path

import attrs

ROOT = Path(__file__).resolve().parents[2]


@attrs.frozen
class Block:
    """A fenced block.

    Attributes:
        language: What stands after the fence.
        text: What is between the fences.
        line: Number of its first line.
        is_run: False where a comment before it says so.
    """

    language: str
    text: str
    line: int
    is_run: bool

    @property
    def lines(self) -> list[str]:
        return self.text.splitlines()

    @property
    def file_name(self) -> str | None:
        """The file that the block is, by the comment in its first line."""
        found = re.match(r"# ([\w.-]+\.(?:py|yaml|toml))\n", self.text)
        return None if found is None else found[1]


@attrs.frozen
class Page:
    """A page in Markdown."""

    path: Path
    text: str
    blocks: tuple[Block, ...]

    @property
    def name(self) -> str:
        return str(self.path.relative_to(ROOT))

    @property
    def prose(self) -> str:
        """The text without its fenced blocks and comments."""
        return re.sub(r"<!--.*?-->", "", _FENCED.sub("", self.text), flags=re.DOTALL)

    @property
    def anchors(self) -> set[str]:
        """What a link can lead to within the page, as GitHub has it."""
        titles = re.findall(r"^#+ (.+)$", self.prose, re.MULTILINE)
        return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


_FENCED = re.compile(r"^```(\S*)[^\n]*\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def read_page(path: Path) -> Page:
    """Read one page."""
    text = path.read_text("utf-8")
    blocks = [
        Block(
            language=found[1],
            text=found[2],
            line=text.count("\n", 0, found.start(2)) + 1,
            is_run=re.search(r"<!-- not run: [^>]+ -->\n$", text[: found.start()]) is None,
        )
        for found in _FENCED.finditer(text)
    ]
    return Page(path=path, text=text, blocks=tuple(blocks))


def read_pages() -> list[Page]:
    """Every page of the repository."""
    folders = ("docs", "examples", "plugins", "newsfragments")
    found = [*ROOT.glob("*.md"), *(path for folder in folders for path in (ROOT / folder).rglob("*.md"))]
    return [read_page(path) for path in sorted(found) if ".venv" not in path.parts]


PAGES = read_pages()
DOCS = [page for page in PAGES if page.path.is_relative_to(ROOT / "docs")]
