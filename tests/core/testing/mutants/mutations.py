"""Ways in which a provider can be wrong; each is a piece of code that spoils the one in core.

The pieces run in the process that is tested, after ``PREAMBLE``, whose names they use.
"""

from __future__ import annotations

import attrs

PREAMBLE = """
import asyncio, os, signal, subprocess, sys
import attrs, msgspec
import dynamo_core.inprocess.running as running
from dynamo_core.config import Settings
from dynamo_core.errors import CallTimeoutError, RemoteCallError
from dynamo_core.host import Host
from dynamo_core.inprocess import InProcessDeploymentTarget
from dynamo_core.inprocess.calls import WorkerCalls
from dynamo_core.inprocess.running import InProcessServices
from dynamo_core.inprocess.workers import WorkerGroup
from dynamo_core.supervision.http_listener import HttpListener

running.NAME = "mutant"
call, stream = WorkerCalls.call, WorkerCalls.stream
start, stop = InProcessServices.start, InProcessServices.stop

class Target(InProcessDeploymentTarget):
    pass

"""


@attrs.frozen(kw_only=True)
class Mutation:
    """One way to be wrong.

    Attributes:
        part: The part of the kit that must find it.
        code: What it does.
        claims: Capabilities that the manifest claims besides.
    """

    part: str
    code: str
    claims: tuple[str, ...] = ()


MUTATIONS = {
    "drops cancellation": Mutation(
        part="Cancellation",
        code="""
async def deaf(self, *words):
    return await asyncio.shield(asyncio.ensure_future(call(self, *words)))
WorkerCalls.call = deaf
""",
    ),
    "swallows errors": Mutation(
        part="Errors",
        code="""
async def cheerful(self, *words):
    try:
        return await call(self, *words)
    except RemoteCallError:
        return msgspec.msgpack.encode(None)
WorkerCalls.call = cheerful
""",
    ),
    "leaks a process": Mutation(
        part="Leftovers",
        code="""
async def start_more(self):
    subprocess.Popen([sys.executable, "-c", "import time; time.sleep(20)"])
    await start(self)
InProcessServices.start = start_more
""",
    ),
    "reorders a stream": Mutation(
        part="Streams",
        code="""
async def shuffled(self, *words):
    held = None
    async for chunk in stream(self, *words):
        if held is None:
            held = chunk
            continue
        yield chunk
        yield held
        held = None
    if held is not None:
        yield held
WorkerCalls.stream = shuffled
""",
    ),
    "loses an item of a long stream": Mutation(
        part="Streams",
        code="""
async def lossy(self, *words):
    count = 0
    async for chunk in stream(self, *words):
        count += 1
        if count != 1000:
            yield chunk
WorkerCalls.stream = lossy
""",
    ),
    "buffers a stream until it is over": Mutation(
        part="Streams",
        code="""
async def hoarding(self, *words):
    for chunk in [chunk async for chunk in stream(self, *words)]:
        yield chunk
WorkerCalls.stream = hoarding
""",
    ),
    "ignores deadlines": Mutation(
        part="Deadlines",
        code="""
async def patient(self, endpoint, arguments, options):
    return await call(self, endpoint, arguments, attrs.evolve(options, timeout_s=None))
WorkerCalls.call = patient
""",
    ),
    "runs one call at a time": Mutation(
        part="Concurrency",
        code="""
lock = None
async def one_by_one(self, *words):
    self.lock = getattr(self, "lock", None) or asyncio.Lock()
    async with self.lock:
        return await call(self, *words)
WorkerCalls.call = one_by_one
""",
    ),
    "drops metadata": Mutation(
        part="Calls",
        code="""
async def forgetful(self, endpoint, arguments, options):
    return await call(self, endpoint, arguments, attrs.evolve(options, metadata={}))
WorkerCalls.call = forgetful
""",
    ),
    "takes large values for small ones": Mutation(
        part="Values",
        code="""
async def clipped(self, endpoint, arguments, options):
    result = await call(self, endpoint, arguments, options)
    value = msgspec.msgpack.decode(result)
    return msgspec.msgpack.encode(value[:65536]) if isinstance(value, bytes) else result
WorkerCalls.call = clipped
""",
    ),
    "forgets shutdown hooks": Mutation(
        part="Lifecycle",
        code="""
async def skip(self, names):
    pass
from dynamo_core.host.lifecycle import HookRunner
HookRunner.run_each = skip
""",
    ),
    "is ready before its services are": Mutation(
        part="Lifecycle",
        code="""
async def always(self):
    return True
Host.is_ready = always
""",
    ),
    "does not scale": Mutation(
        part="Changes",
        code="""
async def lazy(self, workers):
    pass
WorkerGroup.scale = lazy
""",
    ),
    "cuts calls off when a worker goes": Mutation(
        part="Drain",
        code="""
async def hasty(self, grace_s):
    return True
Host.drain = hasty
""",
    ),
    "loses settings": Mutation(
        part="Config",
        code="""
build = Host.__init__
def without_settings(self, definition, *, config, **more):
    build(self, definition, config=attrs.evolve(config, settings=Settings()), **more)
Host.__init__ = without_settings
""",
    ),
    "changes the process of its caller": Mutation(
        part="Leftovers",
        code="""
async def start_elsewhere(self):
    os.umask(0)
    await start(self)
InProcessServices.start = start_elsewhere
""",
    ),
    "listens on every address": Mutation(
        part="Security",
        code="""
listen = HttpListener.__init__
def widely(self, service, http, port):
    listen(self, service, attrs.evolve(http, host="0.0.0.0"), port)
HttpListener.__init__ = widely
""",
    ),
    "claims to join calls that it runs one by one": Mutation(
        part="Concurrency",
        code="""
from dynamo_core.host.batching import Batcher
async def alone(self, **arguments):
    return await self._run_method(arguments)
Batcher.call = alone
""",
    ),
    "mixes up the results of a batch": Mutation(
        part="Concurrency",
        code="""
from dynamo_core.host.batching import Batcher
run = Batcher._run
async def mixed(self, calls):
    return (await run(self, calls))[::-1]
Batcher._run = mixed
""",
    ),
    "claims to start workers by commands": Mutation(part="Claims", code="", claims=("custom_commands",)),
    "claims to give out devices": Mutation(part="Claims", code="", claims=("gpu",)),
    "claims to build images": Mutation(part="Claims", code="", claims=("images",)),
    "claims to count calls": Mutation(part="Claims", code="", claims=("metrics",)),
    "claims to limit memory": Mutation(part="Claims", code="", claims=("resources",)),
    "fails all calls for one batch": Mutation(
        part="Concurrency",
        code="""
from dynamo_core.host.batching import Batcher
run, failed = Batcher._run, []
async def contagious(self, calls):
    if failed:
        raise failed[0]
    try:
        return await run(self, calls)
    except ValueError as exc:
        failed.append(exc)
        raise
Batcher._run = contagious
""",
    ),
    "makes batches larger than they may be": Mutation(
        part="Concurrency",
        code="""
from dynamo_core.host.batch_queue import BatchQueue
make = BatchQueue.__init__
def generously(self, run, *, max_batch, max_wait_s):
    make(self, run, max_batch=4 * max_batch, max_wait_s=max_wait_s)
BatchQueue.__init__ = generously
""",
    ),
    "claims logs that it does not have": Mutation(part="Lifecycle", code="", claims=("logs",)),
    "claims to replace workers": Mutation(part="Restart", code="", claims=("restart", "isolation")),
}
