"""``examples/hello_world`` does what its page says."""

from __future__ import annotations

import json

from .served_for_tests import EXAMPLES, Command, serve

FOLDER = EXAMPLES / "hello_world"
SERVE = f"dynamo serve {FOLDER}/hello_world.py:Frontend -f {FOLDER}/config.yaml --Backend.delay_s=0"
CURL = """curl -N -X POST 127.0.0.1:8000/generate -H 'content-type: application/json' -d '{"text": "hello there"}'"""
WANTED = b'"Frontend: Middle: Backend: hello"\n"Frontend: Middle: Backend: there"\n'


def test_stream_names_every_service_and_is_the_same_on_each_provider(command: Command, provider: str) -> None:
    """The bytes that HTTP gives do not tell which provider it was."""
    with serve(command, f"{SERVE} --provider {provider}") as served:
        answer = served.send(CURL)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/x-ndjson"
    assert answer.content == WANTED


def test_call_streams_the_same_items(command: Command, provider: str) -> None:
    """``dynamo call`` finds the run by itself."""
    with serve(command, f"{SERVE} --provider {provider}"):
        done = command.run("""dynamo call Frontend.generate '{"text": "hello there"}'""")
    assert done.stdout.encode() == WANTED


def test_events_can_be_asked_for(command: Command, provider: str) -> None:
    """The page's second line."""
    with serve(command, f"{SERVE} --provider {provider}") as served:
        answer = served.send(CURL + " -H 'accept: text/event-stream'")
    events = [line.removeprefix("data: ") for line in answer.text.splitlines() if line.startswith("data: ")]
    assert [json.loads(event) for event in events[:-1]] == [json.loads(line) for line in WANTED.splitlines()]


def test_page_shows_what_comes() -> None:
    """What stands in README.md as the answer is the answer."""
    page = (FOLDER / "README.md").read_text("utf-8")
    assert f"```text\n{WANTED.decode()}```" in page
