"""Every example of ``docs/reference/http-contract.md`` runs, and every status stands in its table."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import attrs
import pytest

from dynamo_core.http import connection_limits

from .contract_service import FUNCTIONS
from .serving_for_tests import build, serving

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "http-contract.md"
TEXT = PAGE.read_text("utf-8")
ANY = "..."


@attrs.frozen
class Example:
    """A request of the page, and the answer that follows it."""

    request: str
    answer: str


def find_examples() -> list[Example]:
    blocks = re.findall(r"^```http\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
    assert len(blocks) % 2 == 0
    return [Example(*pair) for pair in zip(blocks[::2], blocks[1::2], strict=True)]


def split_message(message: str) -> tuple[str, dict[str, str], str]:
    head, _, body = message.partition("\n\n")
    first, *lines = head.splitlines()
    headers = dict(line.split(": ", 1) for line in lines)
    return first, {name.lower(): value for name, value in headers.items()}, body


def to_bytes(request: str) -> bytes:
    first, headers, body = split_message(request)
    content = body.removesuffix("\n").encode()
    fields = {"host": "localhost", "connection": "close", **headers}
    if content:
        fields["content-length"] = str(len(content))
    lines = [first, *(f"{name}: {value}" for name, value in fields.items())]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + content


def dechunk(body: str) -> str:
    found = ""
    while body:
        size, _, rest = body.partition("\r\n")
        found += rest[: int(size, 16)]
        body = rest[int(size, 16) + 2 :]
    return found


def fits(wanted: Any, found: Any) -> bool:
    """Whether *found* is *wanted*, where ``...`` in a text stands for anything."""
    if isinstance(wanted, dict):
        return wanted.keys() == found.keys() and all(fits(wanted[key], found[key]) for key in wanted)
    if isinstance(wanted, list):
        return len(wanted) == len(found) and all(map(fits, wanted, found))
    if isinstance(wanted, str) and ANY in wanted:
        return re.fullmatch(".*".join(map(re.escape, wanted.split(ANY))), found) is not None
    return bool(wanted == found)


def check_body(wanted: str, found: str, content_type: str) -> None:
    if "ndjson" in content_type:
        pairs = zip(wanted.splitlines(), found.splitlines(), strict=True)
        assert all(fits(json.loads(one), json.loads(other)) for one, other in pairs), found
    elif "json" in content_type:
        assert fits(json.loads(wanted), json.loads(found)), found
    else:
        assert found == (wanted if "event-stream" in content_type else wanted.removesuffix("\n"))


@pytest.mark.parametrize("example", find_examples(), ids=lambda each: each.request.splitlines()[0])
async def test_an_example_of_the_page_runs(example: Example) -> None:
    async with serving(build(*FUNCTIONS)) as server:
        answer = (await server.send_raw(to_bytes(example.request))).decode().replace("\r\n", "\n", 0)
    head, _, body = answer.partition("\r\n\r\n")
    first, headers, _ = split_message(head.replace("\r\n", "\n") + "\n\n")
    wanted_first, wanted_headers, wanted_body = split_message(example.answer)
    assert first.split()[1] == wanted_first.split()[1]
    assert {name: headers.get(name) for name in wanted_headers} == wanted_headers
    if headers.get("transfer-encoding") == "chunked":
        body = dechunk(body)
    check_body(wanted_body, body, headers["content-type"])


def test_the_numbers_of_the_page_are_those_of_the_code() -> None:
    assert connection_limits.MAX_TARGET_BYTES == 16 * 1024
    assert connection_limits.MAX_HEADER_FIELDS == 100
    assert connection_limits.MIN_BODY_BYTES_PER_S == 16 * 1024
    assert connection_limits.SEND_STALL_S == 60
    assert connection_limits.LINGER_S == 1


def test_every_status_of_the_code_stands_on_the_page() -> None:
    sources = Path(connection_limits.__file__).parent.glob("*.py")
    code = "\n".join(source.read_text("utf-8") for source in sources)
    used = {
        int(each)
        for each in re.findall(r"(?:refuse\w*|_fail)\(\s*(\d{3})|status=(\d{3})|return (\d{3}), ", code)
        for each in each
        if each
    }
    listed = {int(each) for each in re.findall(r"^\| (\d{3}) \|", TEXT, re.MULTILINE)}
    assert used <= listed
