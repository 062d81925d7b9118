"""What a page in a browser of this machine could send."""

from __future__ import annotations

import json

from harness import Trial, case
from harness.raw_http import HttpAnswer, RawHttp

GRAPH = "web_services.py:Door"
BODY = json.dumps({"call_id": "forged"}).encode()
SITE = "http://evil.example"


@case("O37", "foreign, missing and double Host, and Origin of another site with POST: refused; ledger empty")
async def forge_requests(trial: Trial) -> None:
    async with trial.start(GRAPH) as run:
        port = run.http_port("Door")
        own = f"localhost:{port}"
        foreign = ("evil.example", f"evil.example:{port}", "localhost.evil.example", "127.0.0.1.evil.example")
        for host in (*foreign, f"evil.example@{own}", "localhost evil.example", "", "[::1", "2130706433"):
            await check(trial, port, f"Host {host!r}", [f"host: {host}"])
        await check(trial, port, "no Host", [])
        await check(trial, port, "two Hosts", [f"host: {own}", "host: evil.example"])
        await check(trial, port, "two equal Hosts", [f"host: {own}", f"host: {own}"])
        await check(trial, port, "absolute target", ["host: evil.example"], target="http://evil.example/ask")
        for origin in (
            SITE,
            "null",
            f"http://localhost.evil.example:{port}",
            "http://localhost:1",
            "https://localhost",
        ):
            await check(trial, port, f"Origin {origin}", [f"host: {own}", f"origin: {origin}"])
        for kind in (
            "text/plain",
            "application/x-www-form-urlencoded",
            "multipart/form-data; boundary=x",
            "",
        ):
            await check(trial, port, f"a form as {kind!r}", [f"host: {own}"], content_type=kind)
        await check_preflight(trial, port, own)
        good = await send(port, [f"host: {own}", f"origin: http://{own}"], body=b'{"call_id":"own"}')
        trial.expect(good is not None and good.status == 200, f"its own page is refused: {good}")
    forged = [line for line in trial.service_ledger if line.call_id == "forged"]
    trial.expect(not forged, f"the method ran {len(forged)} times")


async def check(
    trial: Trial,
    port: int,
    what: str,
    fields: list[str],
    *,
    target: str = "/ask",
    content_type: str = "application/json",
) -> None:
    answer = await send(port, fields, target=target, content_type=content_type)
    status = "closed" if answer is None else str(answer.status)
    trial.expect(status in {"400", "403", "415", "421", "closed"}, f"{what}: {status}")
    if answer is not None:
        allowed = [name for name in answer.headers if name.startswith("access-control-")]
        trial.expect(not allowed, f"{what}: the answer has {allowed}")


async def check_preflight(trial: Trial, port: int, own: str) -> None:
    """A browser that asks first is not told that it may."""
    fields = [f"host: {own}", f"origin: {SITE}", "access-control-request-method: POST"]
    answer = await send(port, fields, method="OPTIONS", body=b"")
    trial.expect(answer is not None, "the preflight got no answer")
    if answer is not None:
        allowed = [name for name in answer.headers if name.startswith("access-control-allow")]
        trial.expect(not allowed, f"a preflight of another site is told {allowed}")


async def send(
    port: int,
    fields: list[str],
    *,
    method: str = "POST",
    target: str = "/ask",
    body: bytes = BODY,
    content_type: str = "application/json",
) -> HttpAnswer | None:
    typed = [f"content-type: {content_type}"] if content_type else []
    lines = [f"{method} {target} HTTP/1.1", *fields, *typed, f"content-length: {len(body)}", "", ""]
    async with await RawHttp.connect(port) as http:
        await http.send("\r\n".join(lines).encode() + body)
        return await http.read_answer()
