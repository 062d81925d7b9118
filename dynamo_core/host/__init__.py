"""What a worker does with a service, whatever carries the calls."""

from dynamo_core.host.answers import answer, answer_stream
from dynamo_core.host.batch_queue import BatchDispatcher, BatchDroppedError
from dynamo_core.host.context import CallContext, current_call
from dynamo_core.host.endpoint import HostedEndpoint
from dynamo_core.host.host import DEFAULT_THREADS, Host

__all__ = [
    "DEFAULT_THREADS",
    "BatchDispatcher",
    "BatchDroppedError",
    "CallContext",
    "Host",
    "HostedEndpoint",
    "answer",
    "answer_stream",
    "current_call",
]
