"""Commands on the pages exist, with the options that they are given."""

from __future__ import annotations

import re
import shlex

import click
import pytest

from dynamo_core.cli.root import dynamo

from .pages_for_tests import DOCS, PAGES, ROOT, Page

ENDINGS = {";", "&&", "||", "|", ">", ">>", "&", "<"}


def find_lines(page: Page, first: str) -> list[str]:
    """Lines of shell blocks, and code between backticks in the text, that begin with *first*."""
    shells = [block for block in page.blocks if block.language in {"sh", "console", "bash"}]
    joined = "\n".join(block.text.replace("\\\n", " ") for block in shells)
    lines = [line.removeprefix("$ ") for line in joined.splitlines()]
    lines += re.findall(r"`([^`\n]+)`", page.prose)
    return [line for line in lines if line.startswith(f"{first} ")]


def check_command(line: str) -> None:
    """Walk down *line* as click would."""
    command: click.Command = dynamo
    context = click.Context(dynamo, info_name="dynamo")
    words = shlex.split(line, comments=True)[1:]
    for word in words:
        if word in ENDINGS:
            return
        if word.startswith("-"):
            name = word.partition("=")[0]
            known = {
                option
                for each in command.get_params(context)
                for option in [*each.opts, *each.secondary_opts]
            }
            is_override = re.fullmatch(r"--[A-Z]\w*(\.\w+)+", name) is not None
            assert name in known or is_override, f"{line!r}: {command.name} has no option {name}"
        elif isinstance(command, click.Group) and not word.isupper():
            found = command.get_command(context, word)
            assert found is not None, f"{line!r}: no command {word}"
            command, context = found, click.Context(found, info_name=word, parent=context)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_of_the_page_exist(page: Page) -> None:
    """Every ``dynamo`` line: commands by name, options as they are spelt."""
    for line in find_lines(page, "dynamo"):
        check_command(line)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_targets_of_make_exist(page: Page) -> None:
    """Every ``make`` line."""
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    for line in find_lines(page, "make"):
        named = [word for word in shlex.split(line)[1:] if "=" not in word]
        assert set(named) <= targets, f"{page.name}: {line}"


def test_every_command_stands_in_the_reference() -> None:
    """With its options."""
    text = "".join(page.text for page in DOCS)
    context = click.Context(dynamo, info_name="dynamo")
    for name in dynamo.list_commands(context):
        assert f"dynamo {name}" in text, name
        command = dynamo.get_command(context, name)
        assert command is not None
        for option in command.params:
            if isinstance(option, click.Option):
                assert any(f"`{spelt}" in text for spelt in option.opts), f"{name} {option.opts}"
