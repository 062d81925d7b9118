"""Errors of calls as data: every kind comes back with its facts, and whatever comes becomes an error."""

from __future__ import annotations

import msgspec
import pytest

from dynamo_core import errors
from dynamo_core.error_data import MAX_PROBLEMS, MAX_TEXT, error_from_data, error_to_data, shorten
from dynamo_core.errors import (
    CallCancelledError,
    CallError,
    CallTimeoutError,
    EndpointNotFoundError,
    InvalidRequestError,
    OverloadedError,
    RemoteCallError,
    ServiceUnavailableError,
    UnsupportedValueError,
    WorkerLostError,
)
from dynamo_core.values import MalformedRequestError

KINDS = [
    RemoteCallError(
        "KeyError", "'x'", traceback_text="Traceback ...", service="Backend", slot=2, endpoint="get"
    ),
    InvalidRequestError("Backend", "get", {"a": "missing", "b": "not a number"}),
    MalformedRequestError("Backend", "get", {"body": "not JSON"}),
    UnsupportedValueError("Backend.get: result is of type object, which cannot be sent"),
    WorkerLostError("Backend", 2, endpoint="get", begun=False, reason="exited 0"),
    WorkerLostError("Backend", 2),
    ServiceUnavailableError("Backend", "it has no worker"),
    OverloadedError("Backend", "get", limit=12, retry_after_s=2.5),
    CallTimeoutError("Backend", "get", timeout_s=1.5),
    CallTimeoutError("Backend", "get"),
    CallCancelledError("Backend", "get", slot=2),
    EndpointNotFoundError("Backend", "gte", known=["get", "put"]),
]


def travel(error: BaseException) -> CallError:
    """Pass an error through bytes, as a transport does."""
    return error_from_data(
        msgspec.msgpack.decode(msgspec.msgpack.encode(error_to_data(error))), service="Other"
    )


@pytest.mark.parametrize("error", KINDS, ids=lambda error: type(error).__name__)
def test_every_kind_comes_back_with_its_facts(error: CallError) -> None:
    arrived = travel(error)
    assert type(arrived) is type(error)
    assert str(arrived) == str(error)
    assert vars(arrived) == vars(error)


def test_no_kind_of_call_error_is_forgotten() -> None:
    declared = {cls for cls in vars(errors).values() if isinstance(cls, type) and issubclass(cls, CallError)}
    assert declared - {CallError} <= {type(error) for error in KINDS}


class OwnTimeoutError(CallTimeoutError):
    """Of a plugin."""


class OwnError(CallError):
    """Of a plugin, of no kind that is known elsewhere."""


def test_a_subclass_travels_as_the_kind_it_is_one_of() -> None:
    assert type(travel(OwnTimeoutError("Backend", "get"))) is CallTimeoutError


@pytest.mark.parametrize(
    ("error", "type_name"),
    [(OwnError("odd"), "OwnError"), (ValueError("odd"), "ValueError"), (CallError("odd"), "CallError")],
)
def test_an_unknown_kind_becomes_a_remote_error_of_its_name(error: Exception, type_name: str) -> None:
    arrived = travel(error)
    assert isinstance(arrived, RemoteCallError)
    assert (arrived.type_name, arrived.message, arrived.service) == (type_name, "odd", "Other")


@pytest.mark.parametrize(
    "data",
    [
        None,
        [],
        "text",
        {},
        {"kind": "NewError", "message": "of a later version"},
        {"kind": 3, "message": b"bytes", "slot": "x"},
        {"kind": "WorkerLostError", "slot": None, "begun": 1},
        {"kind": "InvalidRequestError", "problems": [1]},
        {"kind": "InvalidRequestError", "problems": {"a": None}},
        {"kind": "OverloadedError", "limit": True, "retry_after_s": "soon"},
        {"kind": "CallTimeoutError", "timeout_s": "soon"},
        {"kind": "EndpointNotFoundError", "known": "get"},
        {"kind": "EndpointNotFoundError", "endpoint": 3, "known": [3]},
    ],
    ids=str,
)
def test_whatever_comes_becomes_an_error_of_the_service(data: object) -> None:
    arrived = error_from_data(data, service="Backend")
    assert isinstance(arrived, CallError)
    assert getattr(arrived, "service", None) == "Backend"


def test_an_error_of_an_unknown_kind_keeps_its_name_and_text() -> None:
    arrived = error_from_data({"kind": "NewError", "message": "of a later version"}, service="Backend")
    assert isinstance(arrived, RemoteCallError)
    assert (arrived.type_name, arrived.message) == ("NewError", "of a later version")


def test_sizes_are_bounded() -> None:
    texts = RemoteCallError("E", "m" * 10**6, traceback_text="t" * 10**6, endpoint="e" * 10**6)
    assert len(msgspec.msgpack.encode(error_to_data(texts))) < 4 * MAX_TEXT
    many = InvalidRequestError("Backend", "get", {f"{number}" * 1000: "p" * 10_000 for number in range(1000)})
    data = error_to_data(many)
    assert isinstance(data["problems"], dict)
    assert len(data["problems"]) == MAX_PROBLEMS
    assert len(msgspec.msgpack.encode(data)) < 2**20


def test_a_text_is_cut_in_the_middle_and_says_so() -> None:
    assert shorten("short", 100) == "short"
    cut = shorten("a" * 500 + "b" * 500, 200)
    assert len(cut) <= 200
    assert cut.startswith("aaa")
    assert cut.endswith("bbb")
    assert "characters were cut" in cut
