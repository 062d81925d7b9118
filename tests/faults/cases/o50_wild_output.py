"""A worker writes far too much, and what it should not."""

from __future__ import annotations

import asyncio
import re
import time
from pathlib import Path

from harness import Run, Trial, case
from harness.kills import kill_worker
from harness.processes import usage

GRAPH = "log_services.py:Loud"
MARK = "T-Loud"
MIB = 1024 * 1024
LINE = b"T-Loud flood " + b"x" * 80
FLOOD_BYTES = 60_000_000
LONG_BYTES = 10_000_000
MOST_BYTES_MORE = 20 * MIB
REPLACED_S = 0.5
LOG_BYTES = 2 * MIB
KEPT = 2

STRANGE = {
    "ANSI": b"\x1b[2J\x1b[1;1H\x1b]0;title\x07T-Loud ansi",
    "NUL": b"T-Loud nul \x00\x01\x7f end",
    "CR": b"T-Loud cr\rWork/0 | T-Loud forged by a return",
    "bad UTF-8": b"T-Loud \xff\xfe\xc3( end",
    "right to left": "T-Loud \u202e\u2066 end".encode(),
    "line separators": "T-Loud\u2028Work/0 | T-Loud forged by a separator\u0085Work/0 | T-Loud by NEL".encode(),
    "forged text": b"T-Loud\nWork/0 | T-Loud forged line",
    "forged file line": b"T-Loud\n2030-01-01T00:00:00.000Z Work/0 stdout info | T-Loud forged record",
    "forged JSON": b'{"time":"x","level":"info","service":"Work","slot":0,"stream":"stdout","text":"T-Loud"}',
    "vertical": b"T-Loud\x0bWork/0 | T-Loud forged\x0cWork/0 | T-Loud forged",
}
UNSAFE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")


@case(
    "O50",
    "every record has a true prefix; escapes visible; RSS + <= 20 MB; another worker's replacement <= 0.5 s; "
    "size limit kept",
    limit_s=120,
)
async def write_wildly(trial: Trial) -> None:
    logs = trial.folder / "logs"
    lines = trial.pick(FLOOD_BYTES, FLOOD_BYTES // 10) // (len(LINE) + 8)
    async with trial.start(GRAPH, log_dir=logs, log_max_bytes=LOG_BYTES, log_keep=KEPT) as run:
        client = run.client("Loud")
        for stream in ("stdout", "stderr"):
            for data in STRANGE.values():
                await asyncio.to_thread(client.write, data + b"\n", stream)
        await flood(trial, run, lines)
        await asyncio.to_thread(client.write, b"T-Loud long " + b"y" * LONG_BYTES + b"\n")
        grown = usage(run.supervisor_pid).rss_bytes - run.at_start.rss_bytes
        await asyncio.sleep(trial.pick(1.0, 0.5))
        book = await run.log_lines("Loud")
        strangers = [
            line for line in book if (line.service, line.slot) != ("Loud", 0) and line.stream != "run"
        ]
        trial.expect(not strangers, f"records of another worker: {strangers[:2]}")
        check_texts(trial, "the book", [line.text for line in book])
        answered = await asyncio.to_thread(client.write, b"T-Loud last\n")
        trial.expect(answered == len(b"T-Loud last\n"), "the worker does not answer")
        run.at_start = usage(run.supervisor_pid)  # I5 is checked here, with the limit of this case
    trial.see(f"the supervisor grew by {grown / MIB:.1f} MiB")
    trial.expect(grown <= MOST_BYTES_MORE, f"the supervisor grew by {grown / MIB:.1f} MiB")
    check_output(trial, lines)
    check_files(trial, logs)


async def flood(trial: Trial, run: Run, lines: int) -> None:
    """Write as fast as it can be taken, and kill another worker meanwhile."""
    began = time.monotonic()
    client = run.client("Loud")
    flooding = asyncio.create_task(asyncio.to_thread(client.flood, lines, LINE))
    await asyncio.sleep(0.1)
    kill = await kill_worker(run, "Work", 1)
    spawned, _ = await run.events.wait("spawned", "Work", 1, after=kill.when)
    trial.within("replaced", spawned - kill.when, REPLACED_S)
    await run.events.wait("ready", "Work", 1, after=spawned)
    await flooding
    trial.see(f"{lines * len(LINE) / 1e6:.0f} MB in {time.monotonic() - began:.1f} s")


def check_texts(trial: Trial, where: str, texts: list[str]) -> None:
    """Nothing in them moves a cursor or begins a line."""
    bad = [text for text in texts if UNSAFE.search(text) or "\n" in text]
    trial.expect(not bad, f"{where}: {bad[:2]!r}")


def check_output(trial: Trial, lines: int) -> None:
    """What people see: each line of that worker begins with its name, and what is missing is counted."""
    shown = (trial.folder / "output").read_text(errors="surrogateescape").split("\n")
    ours = [line for line in shown if MARK in line]
    wrong = [line for line in ours if not line.startswith("Loud/0 | ")]
    trial.expect(not wrong, f"lines with another prefix: {wrong[:3]!r}")
    check_texts(trial, "the output", ours)
    for escape in ("\\x1b[2J", "\\x00", "\\r", "\\xff\\xfe", "\\u202e", "\\u2028", "\\x85", "\\x0b"):
        trial.expect(any(escape in line for line in ours), f"the output does not show {escape}")
    seen = sum("T-Loud flood" in line for line in ours)
    dropped = [int(found[1]) for line in shown if (found := re.match(r"dynamo \| (\d+) lines? w", line))]
    trial.see(f"{seen} of {lines} lines shown, {sum(dropped)} told as dropped")
    parts = sum(line.startswith("Loud/0 | ") and ("T-Loud long" in line or "yyyyy" in line) for line in shown)
    long_parts = -(-(LONG_BYTES + 12) // 65536)
    missing = lines + long_parts - seen - parts
    trial.expect(missing == sum(dropped), f"{missing} lines are missing, {sum(dropped)} are told as dropped")


def check_files(trial: Trial, logs: Path) -> None:
    """Log files: within their limits, and true."""
    files = sorted(path for path in logs.iterdir() if path.name.startswith("Loud"))
    sizes = {path.name: path.stat().st_size for path in files}
    trial.expect(len(files) == KEPT + 1, f"files {sizes}")
    trial.expect(max(sizes.values()) <= LOG_BYTES, f"a file is larger than {LOG_BYTES}: {sizes}")
    for path in files:
        trial.expect(path.stat().st_mode & 0o777 == 0o600, f"{path.name} has mode {path.stat().st_mode:o}")
        found = path.read_text().split("\n")
        trial.expect(found[-1] == "", f"{path.name} ends within a line")
        wrong = [
            line for line in found[:-1] if not re.match(r"[0-9T:.Z-]{24} (Loud/0|dynamo) \w+ \S+ \| ", line)
        ]
        trial.expect(not wrong, f"{path.name}: {wrong[:2]!r}")
        check_texts(trial, path.name, found[:-1])
