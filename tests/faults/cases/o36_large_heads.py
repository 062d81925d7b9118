"""Heads of requests that are far too large."""

from __future__ import annotations

import contextlib

from harness import Trial, case
from harness.processes import usage
from harness.raw_http import RawHttp

GRAPH = "web_services.py:Door"
MIB = 1024 * 1024
MOST_BYTES_MORE = 10 * MIB
LINE = b"x-filler: " + b"a" * 1000 + b"\r\n"


@case("O36", "431 / 414 / 431; RSS growth <= 10 MB")
async def send_large_heads(trial: Trial) -> None:
    many_fields = b"".join(b"x-%d: a\r\n" % number for number in range(1000))
    one_field = b"x: " + b"a" * (2 * MIB)
    heads = {
        "20 MB of headers": (
            b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n" + LINE * (20 * MIB // len(LINE)),
            431,
        ),
        "one header of 2 MB": (b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n" + one_field, 431),
        "1 MB URI": (b"GET /" + b"a" * MIB + b" HTTP/1.1\r\nhost: localhost\r\n\r\n", 414),
        "1000 headers": (b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n" + many_fields + b"\r\n", 431),
        "a method of 1 MB": (b"G" * MIB + b" / HTTP/1.1\r\nhost: localhost\r\n\r\n", 400),
    }
    async with trial.start(GRAPH) as run:
        port = run.http_port("Door")
        pid = (await run.pids("Door"))[0]
        async with await RawHttp.connect(port) as http:
            await http.request("/ask", {"call_id": "warm"})
        before = usage(pid).rss_bytes
        for name, (data, wanted) in heads.items():
            async with await RawHttp.connect(port) as http:
                with contextlib.suppress(ConnectionError):
                    await http.send(data)
                received = await http.read_to_end()
            status = received[9:12].decode()
            trial.see(f"{name}: {status}")
            trial.expect(status == str(wanted), f"{name}: {status or 'closed'} instead of {wanted}")
            trial.expect(received.count(b"HTTP/1.1 ") == 1, f"{name}: {received[:200]!r}")
        grown = usage(pid).rss_bytes - before
    trial.see(f"the worker grew by {grown / MIB:.1f} MiB")
    trial.expect(grown <= MOST_BYTES_MORE, f"the worker grew by {grown / MIB:.1f} MiB")
