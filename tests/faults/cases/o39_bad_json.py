"""Bodies that do not fit the endpoint."""

from __future__ import annotations

import time

from harness import Trial, case
from harness.raw_http import HttpAnswer, RawHttp

GRAPH = "web_services.py:Door"
ANSWERED_S = 0.2
DEPTH = 100_000
DIGITS = b"9" * 100_000

BODIES: dict[str, tuple[str, bytes, str]] = {
    "not JSON": ("/ask", b'{"call_id": ', ""),
    "nothing": ("/ask", b"", "call_id"),
    "no object": ("/ask", b"[1, 2]", ""),
    "two documents": ("/ask", b'{"call_id":"x"} {"call_id":"x"}', ""),
    "nested lists": ("/tell", b'{"call_id":"x","value":' + b"[" * DEPTH + b"]" * DEPTH + b"}", ""),
    "nested objects": (
        "/tell",
        b'{"call_id":"x","value":' + b'{"a":' * DEPTH + b"1" + b"}" * DEPTH + b"}",
        "",
    ),
    "nested and cut": ("/tell", b'{"call_id":"x","value":' + b"[" * DEPTH, ""),
    "100 000 digits": ("/ask", b'{"call_id":"x","count":' + DIGITS + b"}", "count"),
    "100 000 digits untyped": ("/tell", b'{"call_id":"x","value":' + DIGITS + b"}", ""),
    "exponent": ("/ask", b'{"call_id":"x","count":1e999999999}', "count"),
    "NaN": ("/ask", b'{"call_id":"x","count":NaN}', ""),
    "NaN untyped": ("/tell", b'{"call_id":"x","value":NaN}', ""),
    "Infinity": ("/tell", b'{"call_id":"x","value":-Infinity}', ""),
    "bad UTF-8": ("/ask", b'{"call_id":"\xff\xfe"}', ""),
    "lone surrogate": ("/ask", b'{"call_id":"\\ud800"}', ""),
    "unknown field": ("/ask", b'{"call_id":"x","counts":1}', "counts"),
    "wrong type": ("/ask", b'{"call_id":"x","count":"many"}', "count"),
    "two wrong types": ("/ask", b'{"call_id":1,"count":[]}', "call_id count"),
    "float for int": ("/ask", b'{"call_id":"x","count":1.5}', "count"),
    "bool for int": ("/ask", b'{"call_id":"x","count":true}', "count"),
    "null": ("/ask", b'{"call_id":null}', "call_id"),
    "missing": ("/ask", b'{"count":1}', "call_id"),
}


@case("O39", "4xx naming the parameter; method not run; <= 0.2 s each")
async def send_bad_bodies(trial: Trial) -> None:
    async with trial.start(GRAPH) as run:
        port = run.http_port("Door")
        await post(port, "/tell", b'{"call_id":"warm"}')
        for name, (path, body, parameters) in BODIES.items():
            began = time.monotonic()
            answer = await post(port, path, body)
            trial.within("an answer", time.monotonic() - began, ANSWERED_S)
            text = answer.body.decode()
            trial.expect(400 <= answer.status < 500, f"{name}: {answer.status} {text[:200]}")
            for parameter in parameters.split():
                trial.expect(parameter in text, f"{name}: {text[:300]}")
            trial.expect(len(text) < 2000, f"{name}: an answer of {len(text)} characters")
            trial.expect("Traceback" not in text, f"{name}: {text[:300]}")
        lines = [line.text for line in await run.log_lines("Door")]
    trial.expect(not any("Traceback" in line for line in lines), f"log: {lines[:5]}")
    run_for = {line.call_id for line in trial.service_ledger} - {"warm"}
    trial.expect(not run_for, f"the method ran for {sorted(run_for)}")


async def post(port: int, path: str, body: bytes) -> HttpAnswer:
    async with await RawHttp.connect(port) as http:
        return await http.request(path, body, headers={"content-type": "application/json"})
