"""Graphs that cannot be loaded, or are none."""

from __future__ import annotations

import asyncio
import re
import subprocess
import time

from harness import Trial, case
from harness.served import PATIENCE_S, serve_words

HEAD = """from __future__ import annotations
import abc
from dynamo_core import depends, endpoint, service
"""
SERVICE = """
@service
class {name}:
{body}
    @endpoint
    async def work(self) -> None: ...
"""

GRAPHS: dict[str, tuple[str | bytes, str, str]] = {
    "import error": (
        HEAD + "\nfrom dynamo_core import nothing_of_that_name\n",
        "broken.py:5",
        "nothing_of_that_name",
    ),
    "syntax error": (HEAD + "\nclass Front(:\n", "broken.py:5", "syntax"),
    "missing module": (HEAD + "\nimport no_such_module_anywhere\n", "broken.py:5", "no_such_module_anywhere"),
    "exception": (HEAD + "\n\nVALUE = 1 / 0\n", "broken.py:6", "ZeroDivisionError"),
    "SystemExit": (HEAD + "\nimport sys\nsys.exit(0)\n", "broken.py:6", "sys.exit(0)"),
    "unicode": (HEAD.encode() + b"\nNAME = '\xff\xfe'\n", "broken.py", "utf-8"),
    "cycle": (
        HEAD
        + SERVICE.format(name="Back", body='    front = depends("Front")\n')
        + SERVICE.format(name="Front", body="    back = depends(Back)\n"),
        "broken.py:7",
        "Back",
    ),
    "no service": (HEAD + "\nclass Front: ...\n", "broken.py", "Front"),
    "unimplemented abstract service": (
        HEAD
        + "\nclass Back(abc.ABC):\n    @endpoint\n    @abc.abstractmethod\n    async def work(self) -> None: ...\n"
        + SERVICE.format(name="Front", body="    back = depends(Back)\n"),
        "broken.py:12",
        "Back",
    ),
    "abstract entry": (
        HEAD
        + "\n@service\nclass Front(abc.ABC):\n    @endpoint\n    @abc.abstractmethod\n    async def work(self) -> None: ...\n",
        "broken.py:",
        "not implemented",
    ),
}


@case(
    "O54",
    "message with file and line, exit != 0 <= 2 s, I4",
)
async def serve_broken_graphs(trial: Trial) -> None:
    folder = trial.folder / "graphs"
    folder.mkdir()
    file = folder / "broken.py"
    said = []
    for name, (source, place, word) in GRAPHS.items():
        file.write_bytes(source if isinstance(source, bytes) else source.encode())
        began = time.monotonic()
        done = await asyncio.to_thread(serve, f"{file}:Front")
        trial.within("ended", time.monotonic() - began, 2.0)
        await trial.check_nothing_left(None)
        code, output = done.returncode, done.stdout + done.stderr
        trial.expect(code not in {0, 1}, f"{name}: exit code {code}: {output}")
        trial.expect(re.search(rf"{place}\b", output), f"{name}: {place} is not named: {output}")
        trial.expect(word.lower() in output.lower(), f"{name}: {word} is not named: {output}")
        trial.expect("Traceback" not in output, f"{name}: {output}")
        trial.expect("importlib" not in output, f"{name}: it shows the inside: {output}")
        said.append(f"{name}: {code}")
    trial.see(", ".join(said))


def serve(target: str) -> subprocess.CompletedProcess[str]:
    """Serve a graph that cannot be served."""
    return subprocess.run(
        serve_words(target, []), capture_output=True, text=True, timeout=PATIENCE_S, check=False
    )
