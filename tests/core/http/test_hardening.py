"""What reaches the port from hostile or broken clients: raw bytes on real sockets."""

from __future__ import annotations

import asyncio
import contextlib
import resource
import socket

import httpx
import pytest

from dynamo_core.http import stalled_reader

from .serving_for_tests import DirectHost, RunningServer, build, eventually, serving, statuses

HEAD = b"POST /add HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
BODY = b'{"a": 1}'
GOOD = HEAD + b"Content-Length: 8\r\n\r\n" + BODY
CLOSE = b"Connection: close\r\n"


async def add(a: int, b: int = 2) -> int:
    return a + b


async def take(data: bytes) -> int:
    return len(data)


async def still_serves(server: RunningServer) -> bool:
    async with httpx.AsyncClient(base_url=server.url) as client:
        return (await client.post("/add", json={"a": 1})).json() == 3


def chunked(*lines: bytes) -> bytes:
    return HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + b"\r\n".join(lines) + b"\r\n\r\n"


MALFORMED = {
    "length-and-chunked": HEAD + b"Content-Length: 8\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunked-and-length": HEAD + b"Transfer-Encoding: chunked\r\nContent-Length: 8\r\n\r\n0\r\n\r\n",
    "two-lengths": HEAD + b"Content-Length: 8\r\nContent-Length: 9\r\n\r\n" + BODY,
    "two-equal-lengths": HEAD + b"Content-Length: 8\r\nContent-Length: 8\r\n\r\n" + BODY,
    "list-of-lengths": HEAD + b"Content-Length: 8, 8\r\n\r\n" + BODY,
    "plus-length": HEAD + b"Content-Length: +8\r\n\r\n" + BODY,
    "negative-length": HEAD + b"Content-Length: -1\r\n\r\n" + BODY,
    "huge-length": HEAD + b"Content-Length: 99999999999999999999999\r\n\r\n" + BODY,
    "chunked-identity": HEAD + b"Transfer-Encoding: chunked, identity\r\n\r\n8\r\n" + BODY + b"\r\n0\r\n\r\n",
    "xchunked": HEAD + b"Transfer-Encoding: xchunked\r\n\r\n8\r\n" + BODY + b"\r\n0\r\n\r\n",
    "gzip-chunked": HEAD + b"Transfer-Encoding: gzip, chunked\r\n\r\n8\r\n" + BODY + b"\r\n0\r\n\r\n",
    "twice-chunked": HEAD + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunked-http-1.0": HEAD.replace(b"1.1", b"1.0") + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "space-before-colon": HEAD + b"Content-Length : 8\r\n\r\n" + BODY,
    "folded-header": HEAD + b"X-Long: a\r\n b\r\nContent-Length: 8\r\n\r\n" + BODY,
    "bare-lf": GOOD.replace(b"\r\n", b"\n"),
    "bare-cr": HEAD + b"X-A: a\rb\r\nContent-Length: 8\r\n\r\n" + BODY,
    "nul-in-value": HEAD + b"X-A: a\x00b\r\nContent-Length: 8\r\n\r\n" + BODY,
    "nul-in-target": GOOD.replace(b"/add", b"/add\x00"),
    "no-host": GOOD.replace(b"Host: localhost\r\n", b""),
    "no-host-http-1.0": GOOD.replace(b"Host: localhost\r\n", b"").replace(b"1.1", b"1.0"),
    "two-hosts": HEAD + b"Host: localhost\r\nContent-Length: 8\r\n\r\n" + BODY,
    "bad-host": GOOD.replace(b"Host: localhost", b"Host: local host"),
    "other-host-in-target": GOOD.replace(b"/add", b"http://evil.example/add"),
    "chunk-size-0x": chunked(b"0x8", BODY, b"0"),
    "chunk-size-overflow": chunked(b"fffffffffffffffff8", BODY, b"0"),
    "chunk-size-sign": chunked(b"+8", BODY, b"0"),
    "chunk-too-short": chunked(b"7", BODY, b"0"),
    "chunk-lf": HEAD + b"Transfer-Encoding: chunked\r\n\r\n8\n" + BODY + b"\n0\n\n",
    "http2-preface": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\x00" * 30,
    "tls-bytes": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 60,
    "http-2.0": GOOD.replace(b"1.1", b"2.0"),
    "http-0.9": b"GET /\r\n",
    "connect": b"CONNECT localhost:80 HTTP/1.1\r\nHost: localhost:80\r\n\r\n",
    "nonsense": b"hello there\r\n\r\n",
}


@pytest.mark.parametrize("name", MALFORMED)
async def test_malformed_requests_get_one_refusal_at_most(
    name: str, caplog: pytest.LogCaptureFixture
) -> None:
    host = DirectHost(add, take)
    async with serving(build(direct=host)) as server:
        answer = await server.send_raw(MALFORMED[name] + GOOD)
        assert statuses(answer) in ([], [400], [505]), answer
        assert host.endpoint("add").contexts == []
        assert len(caplog.records) == 1, caplog.text
        assert caplog.records[0].exc_info is None
        assert await still_serves(server)


@pytest.mark.parametrize("name", MALFORMED)
async def test_malformed_requests_are_refused_byte_by_byte(name: str) -> None:
    host = DirectHost(add, take)
    async with serving(build(direct=host)) as server:
        whole = MALFORMED[name] + GOOD
        step = 7
        answer = await server.send_raw(*(whole[at : at + step] for at in range(0, len(whole), step)))
        assert statuses(answer) in ([], [400], [505]), answer
        assert host.endpoint("add").contexts == []


@pytest.mark.parametrize(
    "target", [b"/%2e%2e/add", b"/../add", b"/add%00", b"/add/", b"//add", b"/ADD", b"/"]
)
async def test_hostile_paths_are_not_found(target: bytes) -> None:
    async with serving(build(add)) as server:
        request = GOOD.replace(b"/add", target).replace(b"Content-Type", CLOSE + b"Content-Type")
        assert statuses(await server.send_raw(request)) == [404]


async def test_good_requests_on_one_connection_are_answered_in_order() -> None:
    async with serving(build(add)) as server:
        last = GOOD.replace(b"Content-Type", CLOSE + b"Content-Type")
        answer = await server.send_raw(GOOD + GOOD.replace(b"1}", b"2}") + last)
        assert statuses(answer) == [200, 200, 200]
        assert [part.split(b"\r\n\r\n")[1][:1] for part in answer.split(b"HTTP/1.1 ")[1:]] == [
            b"3",
            b"4",
            b"3",
        ]


async def test_a_malformed_request_after_a_good_one_does_not_spoil_its_answer() -> None:
    async with serving(build(add)) as server:
        answer = await server.send_raw(GOOD + MALFORMED["bare-lf"])
        assert statuses(answer) == [200]
        assert answer.endswith(b"3")


async def test_an_upgrade_is_ignored_and_its_body_is_read() -> None:
    async with serving(build(add)) as server:
        upgrade = (
            b"Connection: Upgrade, HTTP2-Settings, close\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQ\r\n"
        )
        for request in (
            HEAD + upgrade + b"Content-Length: 8\r\n\r\n" + BODY,
            HEAD + upgrade + b"Transfer-Encoding: chunked\r\n\r\n8\r\n" + BODY + b"\r\n0\r\n\r\n",
        ):
            for parts in ((request,), (request[:-12], request[-12:])):
                answer = await server.send_raw(*parts)
                assert statuses(answer) == [200]
                assert answer.endswith(b"3")


async def test_trailers_do_not_become_headers() -> None:
    host = DirectHost(add)
    async with serving(build(direct=host)) as server:
        request = HEAD + CLOSE + b"Transfer-Encoding: chunked\r\n\r\n8\r\n" + BODY + b"\r\n0\r\n"
        trace = b"00-" + b"a" * 32 + b"-" + b"b" * 16 + b"-01"
        answer = await server.send_raw(request + b"Host: evil\r\nTraceparent: " + trace + b"\r\n\r\n")
        assert statuses(answer) == [200]
        assert host.endpoint("add").contexts[0].metadata == {}


# --- sizes ---


async def _send_much(server: RunningServer, first: bytes, filler: bytes, total: int) -> bytes:
    """Send *total* bytes of filler, reading meanwhile; give the answer."""
    reader, writer = await server.open()

    async def send() -> None:
        try:
            writer.write(first)
            for _ in range(total // len(filler)):
                writer.write(filler)
                await writer.drain()
        except ConnectionError:
            pass

    sending = asyncio.create_task(send())
    answer = b""
    try:
        while chunk := await reader.read(65536):
            answer += chunk
    except ConnectionError:
        pass
    sending.cancel()
    await asyncio.gather(sending, return_exceptions=True)
    writer.close()
    return answer


def peak_bytes() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


async def test_large_heads_are_refused_without_being_kept(caplog: pytest.LogCaptureFixture) -> None:
    async with serving(build(add)) as server:
        before = peak_bytes()
        one_field = await _send_much(server, HEAD + b"X-Large: ", b"a" * 65536, 20_000_000)
        assert statuses(one_field) == [431]
        many_fields = await _send_much(server, HEAD, b"X-Large: " + b"a" * 2000 + b"\r\n", 20_000_000)
        assert statuses(many_fields) == [431]
        assert statuses(await server.send_raw(HEAD + b"X-A: 1\r\n" * 1000 + b"\r\n")) == [431]
        assert statuses(await _send_much(server, b"GET /", b"a" * 65536, 1_000_000)) in ([414], [431])
        assert statuses(await server.send_raw(b"GET /" + b"a" * 20_000 + b" HTTP/1.1\r\n\r\n")) == [414]
        assert peak_bytes() - before < 30_000_000
        assert await still_serves(server)
    assert len(caplog.records) == 5


async def test_large_trailers_and_chunk_extensions_are_refused() -> None:
    async with serving(build(add)) as server:
        start = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
        extension = await _send_much(server, start + b"8;", b"a" * 65536, 2_000_000)
        assert statuses(extension) == [400]
        trailer = start + b"8\r\n" + BODY + b"\r\n0\r\nX-A: "
        assert statuses(await _send_much(server, trailer, b"a" * 65536, 2_000_000)) == [400]
        assert await still_serves(server)


OCTETS = b"POST /take HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/octet-stream\r\n"


async def test_a_body_over_the_limit_is_refused_by_its_length_alone() -> None:
    host = DirectHost(take)
    async with serving(build(direct=host, max_body_bytes=1000)) as server:
        answer = await server.send_raw(OCTETS + b"Content-Length: 1001\r\n\r\n")
        assert statuses(answer) == [413]
        answer = await server.send_raw(OCTETS + b"Expect: 100-continue\r\nContent-Length: 1001\r\n\r\n")
        assert statuses(answer) == [413]
        answer = await server.send_raw(OCTETS + CLOSE + b"Content-Length: 1000\r\n\r\n" + b"a" * 1000)
        assert statuses(answer) == [200]
        assert answer.endswith(b"1000")
    assert len(host.endpoint("take").contexts) == 1


async def test_a_chunked_body_is_refused_at_the_limit() -> None:
    host = DirectHost(take)
    async with serving(build(direct=host, max_body_bytes=1000)) as server:
        start = OCTETS + b"Transfer-Encoding: chunked\r\n\r\n"
        answer = await server.send_raw(start + b"3e8\r\n" + b"a" * 1000 + b"\r\n1\r\na\r\n")
        assert statuses(answer) == [413]
        before = peak_bytes()
        endless = await _send_much(server, start, b"10000\r\n" + b"a" * 65536 + b"\r\n", 50_000_000)
        assert statuses(endless) == [413]
        assert peak_bytes() - before < 30_000_000
    assert host.endpoint("take").contexts == []


# --- time ---


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"", []),
        (b"POST /add HT", [408]),
        (b"\r\n\r\n", [408]),
        (HEAD, [408]),
        (HEAD + b"Content-Length: 8\r\n\r\n", [408]),
        (HEAD + b"Content-Length: 8\r\n\r\n{", [408]),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n8\r\n{", [408]),
    ],
    ids=["silent", "line", "newlines", "head", "no-body", "half-body", "half-chunk"],
)
async def test_slow_requests_are_closed(sent: bytes, status: list[int]) -> None:
    async with serving(build(add), header_timeout_s=0.2, body_timeout_s=0.2) as server:
        async with asyncio.timeout(10):
            answer = await server.send_raw(*([sent] if sent else []))
        assert statuses(answer) == status


async def test_an_idle_connection_is_closed_in_silence(caplog: pytest.LogCaptureFixture) -> None:
    async with serving(build(add), keep_alive_s=0.1, header_timeout_s=30) as server:
        async with asyncio.timeout(10):
            assert statuses(await server.send_raw(GOOD)) == [200]
    assert caplog.text == ""


async def test_a_slow_answer_is_not_the_clients_fault() -> None:
    """The time limits count what a client sends, not how long the endpoint takes."""
    release = asyncio.Event()

    async def wait() -> str:
        await release.wait()
        return "done"

    async with serving(build(wait), header_timeout_s=0.05, body_timeout_s=0.05, keep_alive_s=0.05) as server:
        reader, writer = await server.open()
        writer.write(
            b"POST /wait HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
        )
        asyncio.get_running_loop().call_later(0.3, release.set)
        assert (await reader.read()).endswith(b'"done"')
        writer.close()


def allow_connections(count: int) -> int:
    """Raise the limit of descriptors for *count* connections of both ends; give how many it allows."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 2 * count + 200
    if soft < wanted and (hard == resource.RLIM_INFINITY or hard >= wanted):
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        soft = wanted
    return min(count, (soft - 200) // 2)


async def test_500_trickling_connections_leave_room_for_a_good_client() -> None:
    async with serving(build(add), header_timeout_s=1.0) as server:
        connections = [await server.open() for _ in range(allow_connections(500))]

        async def trickle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> list[int]:
            async def drip() -> None:
                try:
                    for at in range(len(HEAD)):
                        writer.write(HEAD[at : at + 1])
                        await asyncio.sleep(0.1)
                except ConnectionError:
                    pass

            dripping = asyncio.create_task(drip())
            try:
                return statuses(await reader.read())
            except ConnectionError:
                return []
            finally:
                dripping.cancel()
                await asyncio.gather(dripping, return_exceptions=True)
                writer.close()

        slow = [asyncio.create_task(trickle(*each)) for each in connections]
        for _ in range(20):
            assert await still_serves(server)
        async with asyncio.timeout(30):
            found = await asyncio.gather(*slow)
        assert all(each in ([408], []) for each in found)
        assert await still_serves(server)


async def test_connections_past_the_limit_are_turned_away() -> None:
    async with serving(build(add), max_connections=2) as server:
        held = [await server.open() for _ in range(2)]
        for _, writer in held:
            writer.write(b"POST")
            await writer.drain()
        answer = await server.send_raw()
        assert statuses(answer) == [503]
        assert b"retry-after: 1" in answer
        for _, writer in held:
            writer.close()

        async def again() -> bool:
            return statuses(
                await server.send_raw(GOOD.replace(b"Content-Type", CLOSE + b"Content-Type"))
            ) == [200]

        async with asyncio.timeout(10):
            while not await again():
                await asyncio.sleep(0.01)


async def test_a_client_that_reads_nothing_is_dropped(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(stalled_reader, "SEND_STALL_S", 0.2)

    async def much() -> bytes:
        return b"a" * 50_000_000

    async with serving(build(much)) as server:
        with socket.create_connection((server.host, server.port)) as client:
            client.sendall(b"POST /much HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n")
            await eventually(lambda: "read nothing" in caplog.text)


# --- stopping, TLS ---


async def test_stopping_finishes_what_runs_and_takes_nothing_new() -> None:
    begun, release = asyncio.Event(), asyncio.Event()

    async def wait() -> str:
        begun.set()
        await release.wait()
        return "done"

    async with serving(build(wait)) as server:
        _, idle = await server.open()
        reader, writer = await server.open()
        writer.write(b"POST /wait HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n")
        await begun.wait()
        server.stop.set()

        async def refuses() -> bool:
            try:
                _, late = await server.open()
            except ConnectionError:
                return True
            late.close()
            return False

        async with asyncio.timeout(10):
            while not await refuses():
                await asyncio.sleep(0.01)
        release.set()
        answer = await reader.read()
        assert statuses(answer) == [200]
        assert answer.endswith(b'"done"')
        writer.close()
        idle.close()


async def test_stopping_cuts_off_what_does_not_finish(caplog: pytest.LogCaptureFixture) -> None:
    begun, cancelled = asyncio.Event(), asyncio.Event()

    async def hang() -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    async with serving(build(hang), grace_s=0.05) as server:
        reader, writer = await server.open()
        writer.write(b"POST /hang HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n")
        await begun.wait()
        server.stop.set()
        async with asyncio.timeout(10):
            await cancelled.wait()
            with contextlib.suppress(ConnectionError):
                assert await reader.read() == b""
        writer.close()
    assert [record.exc_info for record in caplog.records] == [None]


async def test_no_header_tells_what_serves() -> None:
    async with serving(build(add)) as server, httpx.AsyncClient(base_url=server.url) as client:
        response = await client.post("/add", json={"a": 1})
        assert "server" not in response.headers
        assert "date" in response.headers
        assert "x-powered-by" not in response.headers
