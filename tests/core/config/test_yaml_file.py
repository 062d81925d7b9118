"""Reading a file: what is kept, and what is refused at which line."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dynamo_core.config import nodes
from dynamo_core.config.nodes import Items, Kind, Scalar, Table
from dynamo_core.config.yaml_file import LARGEST_FILE_BYTES, parse_yaml, read_yaml_file
from dynamo_core.errors import ConfigError, Location, Problem


def lines_of(text: str) -> list[str]:
    """The mistakes in *text*, each with its line."""
    with pytest.raises(ConfigError) as caught:
        parse_yaml(text, "f.yaml")
    return [str(problem).removeprefix("f.yaml:") for problem in caught.value.problems]


def test_scalars_keep_their_text_and_line() -> None:
    found = parse_yaml("a: 1.10\nb:\n  - 007\n  - 'no'\n", "f.yaml")
    a, b = found.entries["a"], found.entries["b"]
    assert a == Scalar("1.10", Kind.PLAIN)
    assert a.source == Location("f.yaml", 1)
    assert isinstance(b, Items)
    assert b.items == (Scalar("007", Kind.PLAIN), Scalar("no", Kind.TEXT))
    assert [item.source for item in b.items] == [Location("f.yaml", 3), Location("f.yaml", 4)]
    assert found.source_of("b") == Location("f.yaml", 2)


def test_quoted_and_block_scalars_and_str_tags_are_texts() -> None:
    found = parse_yaml('a: "1"\nb: |\n  2\nc: !!str 3\nd: ! 4\n', "f.yaml")
    assert nodes.plain(found) == {"a": "1", "b": "2\n", "c": "3", "d": "4"}


def test_keys_are_texts() -> None:
    assert nodes.plain(parse_yaml("1: a\ntrue: b\n1.10: c\n", "f")) == {"1": "a", "true": "b", "1.10": "c"}


@pytest.mark.parametrize("text", ["", "# only a comment\n", "---\n", "null\n", "{}", "--- {}\n...\n"])
def test_an_empty_file_is_an_empty_mapping(text: str) -> None:
    assert parse_yaml(text, "f") == Table()


def test_anchors_repeat_and_merge_keys_join() -> None:
    text = """
base: &base {a: 1, b: 2}
more: &more {b: 3, c: 4}
one: {<<: *base, b: 5}
two: {<<: [*base, *more], d: 6}
quoted: {"<<": 7}
"""
    found = nodes.plain(parse_yaml(text, "f"))
    assert found["one"] == {"a": 1, "b": 5}
    assert found["two"] == {"b": 2, "c": 4, "a": 1, "d": 6}
    assert found["quoted"] == {"<<": 7}


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a: 1\nb: 2\na: 3\n", "3: the key 'a' is given again, first in line 1"),
        ("a:\n  b: 1\n  b: 1\n", "3: the key 'b' is given again, first in line 2"),
        ("a:\n\t- 1\n", "2: no YAML: a tab cannot indent; use spaces"),
        ("a: [1,\nb: 2\n", "3: no YAML: expected ',' or ']', but got '<stream end>' (while parsing a flow sequence that begins in line 1)"),
        ("a: 1\n b: 2\n", "2: no YAML: mapping values are not allowed here"),
        ("a: 1\nb: \x01\n", "2: no YAML: the character U+0001 is not allowed"),
        ("- a\n", "1: the file must hold a mapping with one key per service, got a list"),
        ("\njust text\n", "2: the file must hold a mapping with one key per service, got 'just text'"),
        ("a: 1\n---\nb: 2\n", "2: the file must hold one document, another one begins here"),
        ("a: 1\nb: *c\n", "2: nothing before it is called &c"),
        ("a: &a\n  b: *a\n", "2: *a stands inside of what it repeats"),
        ("a: !!int 3\n", "1: the tag !!int is not supported; only !!str is, which makes a text of any scalar"),
        ("a: !env X\n", "1: the tag !env is not supported; only !!str is, which makes a text of any scalar"),
        ("a: !!python/object/apply:os.system [id]\n", "1: the tag !!python/object/apply:os.system is not supported; only !!str is, which makes a text of any scalar"),
        ("a: !!set {b}\n", "1: the tag !!set is not supported; only !!str is, which makes a text of any scalar"),
        ("? [a]\n: 1\n", "1: a key must be a text, got a list"),
        ("?\n: 1\n", "1: a key must be a text, got nothing"),
        ("a: {<<: 3}\n", "1: '<<' must be a mapping or a list of mappings"),
        ("a: [" + "[" * 64 + "]" * 65 + "\n", "1: nested deeper than 64 levels"),
    ],
)  # fmt: skip
def test_mistakes_are_located(text: str, problem: str) -> None:
    assert lines_of(text) == [problem]


def test_mistakes_that_leave_the_rest_readable_are_told_together() -> None:
    text = "a: !x 1\nb: 2\nb: 3\nc: [\n"
    assert [line.split(":")[0] for line in lines_of(text)] == ["1", "3", "5"]


def test_a_deep_chain_of_aliases_is_refused() -> None:
    """Each line is shallow, and what it stands for is not."""
    text = "a0: &a0 [1]\n" + "".join(f"a{i}: &a{i} [*a{i - 1}]\n" for i in range(1, 100))
    (problem,) = lines_of(text)
    assert "nested deeper than 64 levels" in problem


def test_an_alias_bomb_is_refused_before_it_goes_off() -> None:
    text = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n"
    text += "".join(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]\n" for i in range(1, 10))
    (problem,) = lines_of(text)
    assert problem == "6: the file stands for more than 100000 values, aliases included"


def test_a_file_is_read_with_or_without_a_mark(tmp_path: Path) -> None:
    path = tmp_path / "app.yaml"
    for content in (b"a: \xc3\xa4\n", b"\xef\xbb\xbfa: \xc3\xa4\r\n"):
        path.write_bytes(content)
        assert nodes.plain(read_yaml_file(str(path), what="it")) == {"a": "ä"}


def test_files_that_cannot_be_read_say_why(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"^it cannot be read: No such file or directory$"):
        read_yaml_file(str(tmp_path / "absent"), what="it")
    with pytest.raises(ConfigError, match=r"^it cannot be read: Is a directory$"):
        read_yaml_file(str(tmp_path), what="it")
    with pytest.raises(ConfigError, match=r"^it cannot be read: embedded null byte$"):
        read_yaml_file("a\0b", what="it")
    path = tmp_path / "app.yaml"
    path.write_bytes(b"a: 1\nb: \xff\n")
    with pytest.raises(ConfigError, match=r"app\.yaml:2: no YAML: the file is not UTF-8"):
        read_yaml_file(str(path), what="it")
    with path.open("wb") as file:
        file.truncate(LARGEST_FILE_BYTES + 1)
    with pytest.raises(ConfigError, match=r"^it is larger than 16777216 bytes$"):
        read_yaml_file(str(path), what="it")


@given(st.text(alphabet="ab:-[]{},&*!|>'\"#\n \t?<%@`1.~\\", max_size=40))
def test_no_text_is_more_than_a_config_error(text: str) -> None:
    problems: tuple[Problem, ...] = ()
    try:
        found = parse_yaml(text, "f.yaml")
    except ConfigError as exc:
        problems = exc.problems
    else:
        assert nodes.from_data(nodes.to_data(found)) == found
    assert all(problem.location is not None for problem in problems)
