"""Services that a run does not start: channels to them, over HTTP or to a worker's unix socket.

``depends(Model, url="http://...")`` leads here on every provider. HTTP needs httpx, of the extra ``dynamo-core[http]``;
importing this package does not.
"""

from dynamo_core.remote.clients import RemoteClients
from dynamo_core.remote.opening import NO_RUN, UNIX, check_address, open_channel, run_id_of

__all__ = [
    "NO_RUN",
    "UNIX",
    "RemoteClients",
    "check_address",
    "open_channel",
    "run_id_of",
]
