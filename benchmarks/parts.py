"""Parts of the benchmark that compare ours with one other thing: large payloads, and HTTP from outside."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

from benchmarks import ingress, payloads
from benchmarks.figures import Figure

PAYLOAD_BUDGET = 0.7
PAYLOAD_PEAK = 3.0
BUDGETED_MIB = 64
"""Size that the budget is for."""


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
    """JSON over HTTP with 32 connections, beside bare Starlette."""
    found: dict[tuple[str, str, str], list[float]] = {}
    kinds = ("parameters", "model")
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, ingress.DRIVER_CORES)
    try:
        with tempfile.TemporaryDirectory() as scratch:
            folder = Path(scratch)
            ingress.write_programs(folder)
            for turn in range(rounds):
                print(f"round {turn + 1} of {rounds}: HTTP from outside", file=sys.stderr, flush=True)
                with ingress.serving_ours(folder) as ours, ingress.serving_starlette(folder) as bare:
                    for kind in kinds:
                        for side, (port, pid) in {"starlette": bare, "circus": ours}.items():
                            load = ingress.load(port, pid, f"/{kind}")
                            found.setdefault((kind, "requests/s", side), []).append(load.requests_per_s)
                            found.setdefault((kind, "µs of processor", side), []).append(load.cpu_us)
    finally:
        os.sched_setaffinity(0, before)
    return [
        Figure(
            part="ingress",
            place="",
            work=f"JSON POST, {'parameters' if kind == 'parameters' else 'a pydantic model'}, "
            f"{ingress.CONNECTIONS} connections",
            unit=unit,
            more_is_better=unit == "requests/s",
            values={side: found[kind, unit, side] for side in ("starlette", "circus")},
            base="starlette",
            budget=ingress.BUDGET_OF_STARLETTE if unit == "requests/s" else None,
        )
        for kind in kinds
        for unit in ("requests/s", "µs of processor")
    ]
