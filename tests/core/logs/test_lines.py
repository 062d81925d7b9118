"""Lines as records: safe to show, with a level that they name themselves."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest

from dynamo_core.logs.lines import (
    LineBatch,
    decode_lines,
    level_of,
    lost_line,
    run_line,
    size_of,
    time_now,
)
from dynamo_core.logs.rendering import (
    as_json,
    as_text,
    has_colours,
    render_file_text,
    render_json,
    render_text,
)
from dynamo_core.provider import LogLine

TIME = "2026-11-23T10:00:00.123Z"


def batch(*texts: str, stream: str = "stderr") -> LineBatch:
    return LineBatch(list(texts), service="Backend", slot=1, stream=stream, time=TIME)


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        (b"\x1b[31mred", "\\x1b[31mred"),
        (b"a\x00b", "a\\x00b"),
        (b"a\rforged", "a\\rforged"),
        (b"\xff\xfe", "\\xff\\xfe"),
        ("tab\tand ünïcode".encode(), "tab\tand ünïcode"),
        ("line\u2028separator\x85".encode(), "line\\u2028separator\\x85"),
        ("right\u202eto left".encode(), "right\\u202eto left"),
        ("isolate\u2066d".encode(), "isolate\\u2066d"),
        (b"cut \xc3", "cut \\xc3"),
    ],
)
def test_what_would_move_a_cursor_is_escaped(raw: bytes, shown: str) -> None:
    """No record can pretend to be another one."""
    assert decode_lines([b"before", raw, b"after"]) == ["before", shown, "after"]


def test_bad_utf8_does_not_swallow_the_next_line() -> None:
    """Lines are cut before they are decoded, whatever the bytes."""
    assert decode_lines([b"\xc3", b"\xa4", b""]) == ["\\xc3", "\\xa4", ""]


@pytest.mark.parametrize(
    ("stream", "text", "level"),
    [
        ("stderr", "WARNING: app.models: hot", "warning"),
        ("stderr", "CRITICAL:root:hot", "critical"),
        ("stdout", "DEBUG: app: cold", "debug"),
        ("stdout", "print", "info"),
        ("stderr", "100%|█████", ""),
        ("stderr", "Traceback (most recent call last):", ""),
        ("stderr", "ERROR: it broke", ""),
        ("stderr", "ValueError: app: it broke", ""),
        ("stdout", " ERROR: app: indented", "info"),
        ("stderr", "WARNING: two words: no logger", ""),
    ],
)
def test_level_is_the_one_that_a_line_names(stream: str, text: str, level: str) -> None:
    """Nothing is guessed from what else it says."""
    assert level_of(stream, text) == level


def test_time_is_utc_with_milliseconds() -> None:
    """In a form that Python and others read."""
    now = datetime.fromisoformat(time_now())
    assert abs(datetime.now(UTC) - now) < timedelta(minutes=1)
    assert len(time_now()) == len(TIME)


def test_batch_is_a_sequence_of_records() -> None:
    """Each with its own level, and what the batch shares."""
    lines = batch("one", "ERROR: app: two")
    assert list(lines) == [lines[0], lines[1]]
    assert lines[1] == LogLine(
        service="Backend", slot=1, text="ERROR: app: two", stream="stderr", time=TIME, level="error"
    )
    assert [line.text for line in lines[1:]] == ["ERROR: app: two"]
    assert (len(lines), lines.level, lines[:1].level) == (2, None, "")


def test_batches_are_rendered_as_their_lines_would_be() -> None:
    """However quickly."""
    for lines in (
        batch("one", "", "three"),
        batch("x", "ERROR: a: b"),
        batch("out", stream="stdout"),
        batch(),
    ):
        for render in (render_text, render_file_text, render_json):
            assert render(lines) == render(list(lines))


def test_prefix_stands_first_whatever_the_line_says() -> None:
    """A line cannot pass itself off as another worker's."""
    (line,) = batch("Frontend/0 | forged")
    assert as_text(line) == "Backend/1 | Frontend/0 | forged"
    assert render_file_text([line]) == f"{TIME} Backend/1 stderr - | Frontend/0 | forged\n"


def test_lines_of_the_run_have_a_name_that_no_worker_has() -> None:
    """Workers' names have a slash."""
    assert as_text(lost_line(1, "too slow")) == "dynamo | 1 line was dropped: too slow"
    assert as_text(lost_line(2, "too slow")) == "dynamo | 2 lines were dropped: too slow"
    assert as_text(run_line("it goes", service="Backend")) == "Backend | it goes"


def test_colours_tell_streams_and_levels_apart() -> None:
    """And leave the texts as they are."""
    out, err, bad = (
        as_text(batch(text, stream=stream)[0], in_colour=True)
        for text, stream in (("x", "stdout"), ("x", "stderr"), ("ERROR: a: x", "stderr"))
    )
    assert out != err
    assert out.endswith("m x")
    assert bad.endswith("\x1b[31mERROR: a: x\x1b[0m")


def test_record_is_one_json_object() -> None:
    """With the members that are documented; facts that are not there are left out."""
    record = as_json(batch('say "hi"\\x1b', stream="stdout")[0], event="ready", pid=None)
    assert json.loads(record) == {
        "time": TIME,
        "level": "info",
        "service": "Backend",
        "slot": 1,
        "stream": "stdout",
        "text": 'say "hi"\\x1b',
        "event": "ready",
    }
    assert "\n" not in record


def test_text_that_is_no_unicode_is_escaped_in_records() -> None:
    """Such as the name of a file in a message."""
    assert json.loads(as_json(run_line("file \udcff")))["text"] == "file \\xff"


def test_size_grows_with_text_and_count() -> None:
    """More or less what they take, in whatever form."""
    assert size_of(batch("x" * 1000)) >= 1000
    assert size_of(batch(*[""] * 1000)) >= 1000 * 50
    assert size_of(list(batch("x" * 1000))) >= 1000


def test_nobody_has_colours_off_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor where they are not wanted."""
    monkeypatch.setattr("os.isatty", lambda _descriptor: True)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert has_colours(1)
    monkeypatch.setenv("NO_COLOR", "1")
    assert not has_colours(1)
    monkeypatch.delenv("NO_COLOR")
    monkeypatch.setenv("TERM", "dumb")
    assert not has_colours(1)
