"""What the how-to page shows works, with the page's own files and commands."""

from __future__ import annotations

import shlex
import stat
from typing import TYPE_CHECKING

import httpx
import pytest

from ..docs.pages_for_tests import DOCS
from ..examples.served_for_tests import read_curl
from .runs_for_tests import BENTOML, DYNAMO, Runs
from .test_bentoml_serve import check_dockerfile

if TYPE_CHECKING:
    from collections.abc import Sequence

PAGE = next(page for page in DOCS if page.name == "docs/how-to/bentoml.md")
PROGRAMS = {"dynamo": DYNAMO, "bentoml": BENTOML}
BUILDER = """#!/bin/sh
# Stands for a container engine: keeps what it is to build, and the file that says how.
if [ "$1" = version ]; then echo '"28.0.0"'; fi
if [ "$1" != build ]; then exit 0; fi
for word in "$@"; do
    case "$last" in -f|--file) cp "$word" "$KEPT/Dockerfile";; esac
    last=$word
done
cp -r "$last" "$KEPT/context"
"""


def find_line(beginning: str) -> str:
    """The page's command with that beginning."""
    shells = [line for block in PAGE.blocks if block.language == "sh" for line in block.lines]
    return next(line for line in shells if line.startswith(beginning))


def words_of(line: str) -> Sequence[str]:
    first, *others = shlex.split(line)
    return [*PROGRAMS[first], *others]


def ask(url: str) -> str:
    method, path, headers, body = read_curl(find_line("curl"))
    return httpx.request(method, url + path, headers=headers, content=body, timeout=30, trust_env=False).text


@pytest.fixture(scope="class")
def page(shared_runs: Runs) -> Runs:
    """A folder with the files of the page."""
    for block in PAGE.blocks:
        if block.file_name is not None:
            (shared_runs.cwd / block.file_name).write_text(block.text, "utf-8")
        elif block.language == "yaml":
            (shared_runs.cwd / "config.yaml").write_text(block.text, "utf-8")
    return shared_runs


class TestPage:
    """In one folder."""

    def test_serve_answers_what_the_page_says(self, page: Runs) -> None:
        """Through the batchable endpoint."""
        answer = next(block.text for block in PAGE.blocks if block.language == "text")
        with page.serving([*words_of(find_line("dynamo serve")), "--port", "0"]) as serving:
            with serving.client() as client:
                assert ask(str(client.base_url).rstrip("/")) == answer.strip()
            serving.wait_for(r"batching of lengths: BentoML decides")
            serving.wait_for(r"Model/\d \| a batch of 1")

    def test_command_of_bentoml_serves_the_module(self, page: Runs) -> None:
        """On the port that it is told."""
        with page.serving([*words_of(find_line("bentoml serve service")), "--port", "0"]) as serving:
            url = serving.wait_for(r"Frontend listens on (http://\S+)")[1]
            assert ask(url) == "5"
            assert "Frontend" in page.dynamo("ps").stdout

    def test_bento_is_served_and_made_a_container(self, page: Runs) -> None:
        """By the commands of the page, with the image of the page; what a container engine would get is checked."""
        page.do([*words_of(find_line("dynamo build")), "-f", "config.yaml"])
        for path in page.cwd.iterdir():
            path.unlink() if path.is_file() else None
        with page.serving([*words_of(find_line("bentoml serve measure")), "--port", "0"]) as serving:
            assert ask(serving.wait_for(r"Frontend listens on (http://\S+)")[1]) == "5"
        programs = page.folder / "programs"
        programs.mkdir()
        engine = programs / "docker"
        engine.write_text(BUILDER)
        engine.chmod(engine.stat().st_mode | stat.S_IXUSR)
        kept = page.folder / "kept"
        kept.mkdir()
        path = f"{programs}:{page.environ()['PATH']}"
        page.do(words_of(find_line("bentoml containerize")), PATH=path, KEPT=str(kept))
        instructions = check_dockerfile((kept / "Dockerfile").read_text("utf-8"))
        assert any(name == "RUN" and "curl" in rest for name, rest in instructions)
        assert instructions[0][1].startswith("python:3.12")
        copied = [rest.split() for name, rest in instructions if name == "COPY"]
        sources = [word for words in copied for word in words[:-1] if not word.startswith("--")]
        assert sources
        for source in sources:
            assert (kept / "context" / source).exists(), source
        assert (kept / "context" / "src" / "graph.py").exists()
