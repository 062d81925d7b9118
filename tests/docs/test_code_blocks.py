"""Programs and files on the pages work, and print what the pages say."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import tomllib
from typing import TYPE_CHECKING

import pytest
import yaml

from .pages_for_tests import DOCS, PAGES, Block, Page

if TYPE_CHECKING:
    from pathlib import Path

REFERENCE = {page.path for page in DOCS if page.path.parent.name == "reference"}
"""Pages of fragments, whose own tests look at what they say."""
WITH_PROGRAMS = [
    page
    for page in PAGES
    if page.path not in REFERENCE and any(block.language == "python" for block in page.blocks)
]
PYTEST = ("-m", "pytest", "-q", "-p", "no:cacheprovider", "-c", "pytest.ini")
PYTEST_INI = "[pytest]\nasyncio_mode = auto\nasyncio_default_fixture_loop_scope = function\n"


def run_python(folder: Path, *words: str) -> str:
    environ = {
        name: value for name, value in os.environ.items() if not name.startswith(("DYNAMO_", "PYTEST_"))
    }
    done = subprocess.run(
        [sys.executable, "-W", "error", *words],
        cwd=folder,
        env={**environ, "PYTHONPATH": str(folder)},
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    assert done.returncode == 0, f"{words}: exit {done.returncode}\n{done.stdout}{done.stderr}"
    return done.stdout


def needs_missing_plugin(block: Block) -> bool:
    plugins = ("dynamo_circus", "dynamo_bentoml")
    return any(name in block.text and importlib.util.find_spec(name) is None for name in plugins)


@pytest.mark.parametrize("page", WITH_PROGRAMS, ids=lambda page: page.name)
def test_programs_run_and_print_what_the_page_says(page: Page, tmp_path: Path) -> None:
    """In order, in one folder, beside the files that the page has shown so far."""
    (tmp_path / "pytest.ini").write_text(PYTEST_INI, "utf-8")
    followers = [*page.blocks[1:], None]
    for block, follower in zip(page.blocks, followers, strict=True):
        if not block.is_run or needs_missing_plugin(block):
            continue
        if block.file_name is not None:
            (tmp_path / block.file_name).write_text(block.text, "utf-8")
            if block.file_name.startswith("test_"):
                run_python(tmp_path, *PYTEST, block.file_name)
            elif block.language == "python":
                run_python(tmp_path, block.file_name)
        elif block.language == "python":
            program = tmp_path / f"line_{block.line}.py"
            program.write_text(block.text, "utf-8")
            printed = run_python(tmp_path, program.name)
            if follower is not None and follower.language == "text":
                assert printed == follower.text, f"{page.name}:{block.line}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_files_of_data_are_well_formed(page: Page) -> None:
    """YAML and TOML."""
    for block in page.blocks:
        if block.language == "yaml":
            yaml.safe_load(block.text)
        elif block.language == "toml":
            tomllib.loads(block.text)
