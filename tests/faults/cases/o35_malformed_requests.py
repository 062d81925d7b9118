"""Requests that are none, each followed by one that must not be taken for a request of its own."""

from __future__ import annotations

import asyncio
import contextlib

from harness import Run, Trial, case
from harness.raw_http import RawHttp

GRAPH = "web_services.py:Door"
BODY = b'{"call_id":"bad"}'
SMUGGLED_BODY = b'{"call_id":"smuggled"}'
SMUGGLED = (
    b"POST /ask HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
    b"content-length: %d\r\n\r\n%b" % (len(SMUGGLED_BODY), SMUGGLED_BODY)
)
LENGTH = b"content-length: %d\r\n" % len(BODY)
CHUNKS = b"%x\r\n%b\r\n0\r\n\r\n" % (len(BODY), BODY)
CHUNKED = b"transfer-encoding: chunked\r\n"
TLS_HELLO = bytes.fromhex("16030100c8010000c40303") + bytes(196)


def post(fields: bytes, body: bytes = BODY, *, host: bytes = b"host: localhost\r\n") -> bytes:
    return b"POST /ask HTTP/1.1\r\n" + host + b"content-type: application/json\r\n" + fields + b"\r\n" + body


MALFORMED = {
    "length with chunked": post(LENGTH + CHUNKED, CHUNKS),
    "chunked with length": post(CHUNKED + LENGTH, CHUNKS),
    "two lengths": post(LENGTH + b"content-length: 3\r\n"),
    "two equal lengths": post(LENGTH + LENGTH),
    "length list": post(b"content-length: %d, %d\r\n" % (len(BODY), len(BODY))),
    "length +17": post(b"content-length: +%d\r\n" % len(BODY)),
    "length -1": post(b"content-length: -1\r\n"),
    "length 0x11": post(b"content-length: 0x11\r\n"),
    "length overflow": post(b"content-length: 18446744073709551633\r\n"),
    "chunked, identity": post(b"transfer-encoding: chunked, identity\r\n", CHUNKS),
    "identity, chunked": post(b"transfer-encoding: identity, chunked\r\n", CHUNKS),
    "chunked twice": post(CHUNKED + CHUNKED, CHUNKS),
    "xchunked": post(b"transfer-encoding: xchunked\r\n", CHUNKS),
    "tab chunked": post(b"transfer-encoding:\x0bchunked\r\n", CHUNKS),
    "chunked of HTTP/1.0": post(CHUNKED, CHUNKS).replace(b"HTTP/1.1", b"HTTP/1.0"),
    "space before colon": post(LENGTH.replace(b":", b" :")),
    "space before a name": post(b" " + LENGTH),
    "folded header": post(LENGTH + b"x: a\r\n b\r\n"),
    "bare LF": post(LENGTH).replace(b"\r\n", b"\n"),
    "bare LF after a field": post(b"x: a\n" + LENGTH),
    "bare CR": post(b"x: a\rb\r\n" + LENGTH),
    "NUL in a value": post(b"x: a\x00b\r\n" + LENGTH),
    "NUL in a name": post(b"x\x00: a\r\n" + LENGTH),
    "no host": post(LENGTH, host=b""),
    "two hosts": post(LENGTH, host=b"host: localhost\r\nhost: localhost\r\n"),
    "chunk size 0x5": post(CHUNKED, b"0x11\r\n" + BODY + b"\r\n0\r\n\r\n"),
    "chunk size overflow": post(CHUNKED, b"FFFFFFFFFFFFFFFF1\r\n" + BODY + b"\r\n0\r\n\r\n"),
    "chunk size -1": post(CHUNKED, b"-1\r\n" + BODY + b"\r\n0\r\n\r\n"),
    "chunk without end": post(CHUNKED, b"5\r\n" + BODY + b"\r\n0\r\n\r\n"),
    "HTTP/2 preface": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "HTTP/9.9": post(LENGTH).replace(b"HTTP/1.1", b"HTTP/9.9"),
    "no version": b"POST /ask\r\n\r\n",
    "TLS": TLS_HELLO,
}
HOSTILE_PATHS = (b"/%2e%2e/%2e%2e/etc/passwd", b"/..%2fask", b"/ask%00", b"/%00", b"/ask%2f", b"//ask")


@case(
    "O35",
    "each 400 or closed, never two answers; one log line each, no traceback; next connection fine; "
    "%2e%2e and %00 in the path get 404",
)
async def send_what_is_no_request(trial: Trial) -> None:
    async with trial.start(GRAPH, "--Door.ServiceArgs.http.header_timeout_s=2") as run:
        statuses = [await send(trial, run, name, data) for name, data in MALFORMED.items()]
        for path in HOSTILE_PATHS:
            data = post(LENGTH).replace(b"/ask", path, 1)
            await send(
                trial,
                run,
                path.decode(),
                data.replace(b"\r\n", b"\r\nconnection: close\r\n", 1),
                wanted="404",
            )
        await asyncio.sleep(0.1)
        lines = [line.text for line in await run.log_lines("Door")]
    trial.see(
        f"{len(MALFORMED)} requests: {', '.join(f'{s} {statuses.count(s)} x' for s in sorted(set(statuses)))}"
    )
    refused = [line for line in lines if "refused a request" in line]
    trial.see(f"{len(refused)} log lines")
    trial.expect(len(refused) == len(MALFORMED), f"{len(refused)} log lines for {len(MALFORMED)} requests")
    trial.expect(lines == refused, f"other log lines: {[line for line in lines if line not in refused][:3]}")
    begun = {line.call_id for line in trial.service_ledger} - {call.call_id for call in trial.ledger.calls}
    trial.expect(not begun, f"the method ran for {sorted(begun)}")


async def send(trial: Trial, run: Run, name: str, data: bytes, *, wanted: str = "") -> str:
    """Send one of them with another request behind it; the status of the answer."""
    port = run.http_port("Door")
    async with await RawHttp.connect(port) as http:
        with contextlib.suppress(ConnectionError):
            await http.send(data if wanted else data + SMUGGLED)
        try:
            received = await http.read_to_end(5.0)
        except TimeoutError:
            trial.expect(False, f"{name}: the connection stays open")
            return "open"
    count = received.count(b"HTTP/1.1 ")
    status = received[9:12].decode() if count else "closed"
    trial.expect(count <= 1, f"{name}: {count} answers")
    allowed = {wanted} if wanted else {"400", "505", "closed"}
    trial.expect(status in allowed, f"{name}: {status}")
    record = await trial.ledger.record(lambda call_id: http_ask(port, call_id), service="Door", deadline_s=5)
    trial.expect(record.outcome == "ok", f"after {name} the next connection gets {record.error!r}")
    return status


async def http_ask(port: int, call_id: str) -> object:
    async with await RawHttp.connect(port) as http:
        return (await http.request("/ask", {"call_id": call_id})).data
