"""One trial of a case: its seed, its private folder, what it saw, and what was wrong."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import time
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from dynamo_circus import ArbiterHandle, CircusDeploymentTarget
from dynamo_core.config import load_graph_settings
from dynamo_core.graph import ServiceGraph
from dynamo_core.loader import load_graph
from dynamo_core.provider.binding import run_graph
from harness.ledgers import ClientLedger, ServiceLine, broken_invariants, read_service_ledger
from harness.processes import (
    children,
    find_processes,
    is_alive,
    is_listened_on,
    paths_in,
    unix_listeners,
    usage,
)
from harness.run import Events, Run
from harness.served import Served, serve_words

T = TypeVar("T")

SERVICES = Path(__file__).parents[1] / "services.py"
MOST_DESCRIPTORS_MORE = 8
MOST_BYTES_MORE = 8 * 1024 * 1024
MOST_PROBLEMS_TOLD = 6


def target_of(entry: str) -> str:
    """The target that an entry stands for."""
    return str(SERVICES.parent / (entry if ":" in entry else f"{SERVICES.name}:{entry}"))


class Trial:
    """What a case is given.

    Args:
        folder: Its private folder, short enough for sockets.
        seed: Of everything that is random in it.
        is_timed: Whether time bounds count, with the full knobs; else only outcome and order, with short ones.

    Attributes:
        folder: Its private folder; files in it switch faults of the services on.
        seed: As given.
        random: Seeded with it.
        is_timed: As given.
        ledger: One record per call.
        problems: What was wrong.
        seen: What was seen, for the table.
        events: What was heard of the run that was started last.
    """

    def __init__(self, folder: Path, seed: int, *, is_timed: bool) -> None:
        self.folder = folder
        self.runs_folder = folder / "r"
        self.seed = seed
        self.random = random.Random(seed)
        self.is_timed = is_timed
        self.ledger = ClientLedger()
        self.problems: list[str] = []
        self.seen: list[str] = []
        self.events = Events()
        self._open_runs = 0
        self._problem_count = 0
        self._numbers = 0
        self._times: dict[str, list[float]] = {}
        os.environ["FAULTS_FOLDER"] = str(folder)
        os.environ["DYNAMO_RUNTIME_DIR"] = str(self.runs_folder)

    # --- what a case says ----------------------------------------------------------------------------------

    def pick(self, full: T, short: T) -> T:
        """A knob: as in the list of cases where time counts, else a short one."""
        return full if self.is_timed else short

    def expect(self, claim: object, what: str) -> bool:
        """Take down *what* as a problem unless *claim* holds; whether it does."""
        if not claim:
            self._problem_count += 1
            if self._problem_count <= MOST_PROBLEMS_TOLD:
                self.problems.append(what)
        return bool(claim)

    def see(self, what: str) -> None:
        """Something for the table."""
        self.seen.append(what)

    def within(self, what: str, seconds: float, limit_s: float) -> None:
        """See how long something took; where time counts, that it was no longer than the limit.

        Said again of the same thing, the table shows the longest time.
        """
        self._times.setdefault(what, []).append(seconds)
        if self.is_timed:
            self.expect(seconds <= limit_s, f"{what} took {seconds:.3f} s, the limit is {limit_s:.3f} s")

    def switch(self, name: str, *, on: bool = True) -> None:
        """Switch a fault of the services on or off."""
        if on:
            (self.folder / name).touch()
        else:
            (self.folder / name).unlink(missing_ok=True)

    async def until(self, claim: Callable[[], object], what: str, timeout_s: float = 20.0) -> float:
        """Wait for *claim* to hold; the seconds that took.

        Raises:
            TimeoutError: It never did.
        """
        began = time.monotonic()
        while not claim():
            if time.monotonic() - began > timeout_s:
                raise TimeoutError(f"not within {timeout_s:g} s: {what}")
            await asyncio.sleep(0.003)
        return time.monotonic() - began

    @property
    def service_ledger(self) -> list[ServiceLine]:
        """What services have written so far."""
        return read_service_ledger(self.folder / "service.ledger")

    # --- runs ----------------------------------------------------------------------------------------------

    def graph(self, entry: str, *overrides: str) -> ServiceGraph:
        """A graph of the services' file, with ``--Service.ServiceArgs.key=value`` laid over it."""
        return load_graph_settings(None, overrides, {}).apply(load_graph(target_of(entry)))

    @contextlib.asynccontextmanager
    async def start(
        self, entry: str, *overrides: str, leaves_files: bool = False, **options: Any
    ) -> AsyncIterator[Run]:
        """Run a graph beside this process; on leaving it is stopped, and I4 and I5 are checked.

        Args:
            entry: Name of a class in the services' file, or a target; a file in this folder needs no path.
            overrides: ``--Service.ServiceArgs.key=value``.
            leaves_files: Whether it is killed in a way that leaves files to the next run.
            options: Of the provider.
        """
        self.events = events = Events()
        graph = self.graph(entry, *overrides)
        running = run_graph(CircusDeploymentTarget(), graph, options=options, listeners=[events.hear])
        run: Run | None = None
        self._open_runs += 1
        try:
            async with running as arbiter:
                assert isinstance(arbiter, ArbiterHandle)
                run = Run(arbiter, self.runs_folder, events, self.ledger)
                yield run
                self.check_usage(run)
        finally:
            self._open_runs -= 1
            if not leaves_files and (run is not None or not self._open_runs):
                await self.check_nothing_left(None if run is None else run.run_id, events)

    @contextlib.asynccontextmanager
    async def serve(self, entry: str, *arguments: str) -> AsyncIterator[Served]:
        """Run ``dynamo serve``; on leaving it is stopped, if it still runs, and I4 is checked.

        Args:
            entry: Name of a class in the services' file, or a target; a file in this folder needs no path.
            arguments: Of ``dynamo serve``, such as ``--Service.ServiceArgs.key=value`` or ``--port=0``.
        """
        served = self.make_served(entry, *arguments)
        self._open_runs += 1
        run_id: str | None = None
        try:
            yield served
            run = served.find_run()
            run_id = None if run is None else run.run_id
        finally:
            self._open_runs -= 1
            await served.aclose()
            if run_id is not None or not self._open_runs:
                await self.check_nothing_left(run_id)

    def make_served(self, entry: str, *arguments: str) -> Served:
        """Run ``dynamo serve`` without looking after it; for the arguments see :meth:`serve`."""
        target = target_of(entry)
        self._numbers += 1
        output = self.folder / f"serve-{self._numbers}"
        words = serve_words(target, arguments)
        return Served(self.graph(target), words, self.runs_folder, output, self.ledger)

    def check_usage(self, run: Run) -> None:
        """I5: what the supervisor holds has not grown."""
        if not is_alive(run.supervisor_pid):
            return
        now = usage(run.supervisor_pid)
        more = now.descriptors - run.at_start.descriptors
        self.expect(
            more <= MOST_DESCRIPTORS_MORE,
            f"I5: the supervisor holds {more} descriptors more than at the start",
        )
        grown = now.rss_bytes - run.at_start.rss_bytes
        self.expect(grown <= MOST_BYTES_MORE, f"I5: the supervisor has grown by {grown / 2**20:.1f} MiB")

    async def check_nothing_left(
        self, run_id: str | None, events: Events | None = None, *, within_s: float = 0.5
    ) -> None:
        """I4: no process, file or listener of a run that has ended.

        Args:
            run_id: The run, if other runs of this trial go on; otherwise nothing of any run may be left.
            events: What was heard of it; tells its TCP ports.
            within_s: Seconds that it may take; nothing that is left behind goes away by itself.
        """
        listening = [] if events is None else events.find("listening")
        ports = [int(event.url.rsplit(":", 1)[1]) for _, event in listening if event.url]
        with contextlib.suppress(TimeoutError):
            await self.until(lambda: not self.leftovers(run_id, ports), "nothing is left", within_s)
        for left in self.leftovers(run_id, ports):
            self.problems.append(f"I4: left: {left}")

    def leftovers(self, run_id: str | None = None, ports: Sequence[int] = ()) -> list[str]:
        """Processes, files and listeners of one run, or of all runs of this trial once none is open."""
        is_last = run_id is None or not self._open_runs
        folder = self.runs_folder if run_id is None or is_last else self.runs_folder / run_id
        marks = [str(self.folder)] if is_last else [f"{run_id}"]
        processes = {found.pid: str(found) for found in find_processes(*marks)}
        if is_last:
            processes |= {pid: f"adopted process {pid}" for pid in children() if pid not in processes}
        files = paths_in(folder)
        listening = [f"TCP port {port}" for port in ports if is_listened_on(port)]
        return [*processes.values(), *files, *unix_listeners(folder), *listening]

    # --- the end -------------------------------------------------------------------------------------------

    def finish(self) -> None:
        """Check what must hold after every case, and sum up what took how long."""
        for what, times in self._times.items():
            count = f" (longest of {len(times)})" if len(times) > 1 else ""
            self.see(f"{what} {max(times):.3f} s{count}")
        if self._problem_count > MOST_PROBLEMS_TOLD:
            self.problems.append(f"and {self._problem_count - MOST_PROBLEMS_TOLD} more of these")
        broken = broken_invariants(self.ledger.calls, self.service_ledger, is_timed=self.is_timed)
        self.problems += broken[:MOST_PROBLEMS_TOLD]
        if len(broken) > MOST_PROBLEMS_TOLD:
            self.problems.append(f"and {len(broken) - MOST_PROBLEMS_TOLD} more broken invariants")
