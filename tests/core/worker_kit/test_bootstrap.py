"""What a worker is told when it starts."""

from __future__ import annotations

import os
import socket

import pytest

from dynamo_core.worker_kit.bootstrap import Bootstrap, read_bootstrap


@pytest.mark.parametrize("text", ["plain", "ünïcode", os.fsdecode(b"caf\xe9")])
def test_it_comes_as_it_was(text):
    """Paths and secrets may be any bytes."""
    bootstrap = Bootstrap(
        run_id="0" * 16,
        graph="graph",
        service="Backend",
        slot=1,
        generation=2,
        target={"module": None, "path": f"/{text}/app.py", "qualname": "Backend"},
        config={"workers": 1, "envs": {"A": "b"}},
        dependencies={"other": ("Other", {"module": "m", "path": None, "qualname": "Other"})},
        listen_fd=3,
        sys_path=(f"/{text}",),
        secrets={"KEY": text},
    )
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.sendall(bootstrap.encode())
        found = read_bootstrap(theirs)
    assert found.sys_path == (f"/{text}",)
    assert found.secrets == {"KEY": text}
    assert found.target["path"] == f"/{text}/app.py"
    assert tuple(found.dependencies["other"]) == bootstrap.dependencies["other"]
    assert (found.slot, found.generation, found.listen_fd, found.http_fd) == (1, 2, 3, None)
