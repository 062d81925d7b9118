"""``examples/pipeline``: every answer on its page is what comes, on each provider."""

from __future__ import annotations

from ..docs.pages_for_tests import read_page
from .served_for_tests import EXAMPLES, Command, serve

FOLDER = EXAMPLES / "pipeline"
PAGE = read_page(FOLDER / "README.md")


def test_every_answer_of_the_page_is_what_comes(command: Command, provider: str) -> None:
    """HTTP and ``dynamo call`` alike; the same bytes on each provider."""
    count = 0
    with serve(command, f"dynamo serve {FOLDER}/pipeline.py:Pipeline --provider {provider}") as served:
        for block, following in zip(PAGE.blocks, [*PAGE.blocks[1:], None], strict=True):
            if block.language == "sh" and following is not None and following.language == "text":
                texts = []
                for line in block.lines:
                    if line.startswith("curl"):
                        answer = served.send(line)
                        assert answer.status_code == 200, answer.text
                        texts.append(answer.text)
                    else:
                        texts.append(command.run(line).stdout)
                    texts.append("" if texts[-1].endswith("\n") else "\n")
                assert "".join(texts) == following.text
                count += len(block.lines)
    assert count == 13


def test_mistakes_are_all_named(command: Command, provider: str) -> None:
    """The request of the page that is refused."""
    refused = next(line for block in PAGE.blocks for line in block.lines if '"stars": 9' in line)
    with serve(command, f"dynamo serve {FOLDER}/pipeline.py:Pipeline --provider {provider}") as served:
        answer = served.send(refused)
    assert answer.status_code == 422
    (problem,) = answer.json()["errors"]
    assert problem["parameter"] == "review"
    assert "title: " in problem["detail"]
    assert "stars: " in problem["detail"]
