"""Parts of the benchmark that compare ours with one other thing: large payloads, and HTTP from outside."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from benchmarks import calls, ingress, payloads
from benchmarks.figures import Figure
from benchmarks.processes import free_port
from benchmarks.work import describe

PAYLOAD_BUDGET = 0.7
PAYLOAD_PEAK = 3.0
BUDGETED_MIB = 64
"""Size that the budget is for."""

KINDS = {"parameters": "parameters", "model": "a pydantic model"}
REQUESTS, PROCESSOR = "requests/s", "µs of processor"
"""Units of what is seen of a server under load."""


def measure_payloads(rounds: int) -> list[Figure]:
    """Bytes that are carried, beside a bare socket between two processes: rate and memory."""
    rates: dict[tuple[str, str], dict[str, list[float]]] = {}
    peaks: dict[tuple[str, str], dict[str, list[float]]] = {}
    for turn in range(rounds):
        print(f"round {turn + 1} of {rounds}: payloads", file=sys.stderr, flush=True)
        for place in payloads.PLACES:
            for work in payloads.WORK:
                for side in payloads.SIDES:
                    found = payloads.measure(place, side, work)
                    rates.setdefault((place, work), {}).setdefault(side, []).append(found["mib_per_s"])
                    peaks.setdefault((place, work), {}).setdefault(side, []).append(found["peak"])
    figures = []
    for place in payloads.PLACES:
        for work, (_, size, _) in payloads.WORK.items():
            is_budgeted = size == BUDGETED_MIB * payloads.MIB
            common = {"part": "payloads", "place": place, "base": "bare", "ours": "transport"}
            figures.append(
                Figure(
                    work=work,
                    unit="MiB/s",
                    more_is_better=True,
                    values=rates[place, work],
                    budget=PAYLOAD_BUDGET if is_budgeted else None,
                    **common,  # type: ignore[arg-type]  # texts
                )
            )
            if is_budgeted:
                figures.append(
                    Figure(
                        work=f"{work}, peak memory of both processes",
                        unit="payloads",
                        values=peaks[place, work],
                        limit=PAYLOAD_PEAK,
                        **common,  # type: ignore[arg-type]  # as above
                    )
                )
    return figures


def measure_ingress(rounds: int) -> list[Figure]:
    """JSON over HTTP with 32 connections, beside bare Starlette and BentoML."""
    found: dict[tuple[str, str], dict[str, list[float]]] = {
        (kind, unit): {} for kind in KINDS for unit in (REQUESTS, PROCESSOR)
    }
    notes: dict[str, str] = {}
    has_bento = "bento" in calls.CHOSEN and calls.is_installed("bentoml")
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, ingress.DRIVER_CORES)
    try:
        with tempfile.TemporaryDirectory() as scratch:
            folder = Path(scratch)
            ingress.write_programs(folder)
            for turn in range(rounds):
                print(f"round {turn + 1} of {rounds}: HTTP from outside", file=sys.stderr, flush=True)
                with ingress.serving_ours(folder) as ours, ingress.serving_starlette(folder) as bare:
                    _load_all({"starlette": bare, "circus": ours}, found, notes)
                if has_bento:
                    with _serving_bento() as its:
                        _load_all({"bento": its}, found, notes)
    finally:
        os.sched_setaffinity(0, before)
    return [
        Figure(
            part="ingress",
            place="",
            work=f"JSON POST, {text}, {ingress.CONNECTIONS} connections",
            unit=unit,
            more_is_better=unit == REQUESTS,
            values=found[kind, unit],
            notes=notes,
            base="starlette",
            budget=ingress.BUDGET_OF_STARLETTE if unit == REQUESTS else None,
        )
        for kind, text in KINDS.items()
        for unit in (REQUESTS, PROCESSOR)
    ]


def _load_all(
    servers: dict[str, tuple[int, int]],
    found: dict[tuple[str, str], dict[str, list[float]]],
    notes: dict[str, str],
) -> None:
    """Load each server with each kind of request.

    Args:
        servers: Port, and process of the worker, by side.
        found: Takes the figures.
        notes: Takes what went wrong, by side.
    """
    for kind in KINDS:
        for side, (port, pid) in servers.items():
            try:
                load = ingress.load(port, pid, f"/{kind}")
            except (OSError, RuntimeError, subprocess.SubprocessError) as exc:
                notes[side] = describe(exc)
                continue
            found[kind, REQUESTS].setdefault(side, []).append(load.requests_per_s)
            found[kind, PROCESSOR].setdefault(side, []).append(load.cpu_us)


@contextlib.contextmanager
def _serving_bento() -> Iterator[tuple[int, int]]:
    """BentoML's service; gives its port and its worker's process id."""
    from benchmarks.sides import bento

    port = free_port()
    with bento.serving(port, "benchmarks.sides.bento_ingress:Ingress") as process:
        (worker,) = [
            int(pid)
            for children in Path(f"/proc/{process.pid}/task").glob("*/children")
            for pid in children.read_text().split()
            if b"worker.service" in Path(f"/proc/{pid}/cmdline").read_bytes()
        ]
        yield port, worker
