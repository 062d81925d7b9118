"""Run a graph for the length of a block, and call it."""

from __future__ import annotations

import contextlib
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, TypedDict, TypeVar, Unpack, overload

import attrs

from dynamo_core.config import HttpConfig, ServiceConfig
from dynamo_core.config.problems import InvalidValueError
from dynamo_core.config.record import overlay
from dynamo_core.graph import ServiceGraph, collect, collect_graph
from dynamo_core.inspection import define_service
from dynamo_core.provider import load_provider, select_provider
from dynamo_core.provider.binding import run_graph
from dynamo_core.provider.naming import IN_PROCESS
from dynamo_core.testing.fakes import with_fakes

if TYPE_CHECKING:
    from dynamo_core.provider import DeploymentTarget, RunningServices

T = TypeVar("T")

Configs = Mapping[Any, ServiceConfig | Mapping[str, Any]]
"""Configuration by a service's class or name: a whole one, or only the fields to change."""

_NONE: Final[Mapping[Any, Any]] = MappingProxyType({})
_HTTP_OPTION: Final = "http"


class RunOptions(TypedDict, total=False):
    """How a graph is run in a test.

    Attributes:
        config: Configuration by a service's class or name; a mapping changes only the fields it has.
        fakes: Services that take the place of others, by the class they stand for: classes with those of its endpoints
            that are called.
        http: Whether services with ``@api`` endpoints listen, on free loopback ports; they do not if not asked to.
        provider: Name of the provider; ``inprocess`` if not given, the only one that runs classes inside functions.
    """

    config: Configs
    fakes: Mapping[type, type]
    http: bool
    provider: str


@overload
def running(
    service: type[T], /, *more: type, **options: Unpack[RunOptions]
) -> AbstractAsyncContextManager[T]: ...
@overload
def running(service: ServiceGraph, /, **options: Unpack[RunOptions]) -> AbstractAsyncContextManager[Any]: ...
def running(
    service: type[Any] | ServiceGraph, /, *more: type, **options: Unpack[RunOptions]
) -> AbstractAsyncContextManager[Any]:
    """Run a service, with everything it depends on, and get a client for it.

    ::

        async with running(Frontend) as frontend:
            answer = await frontend.generate("hello")

    Calls go where they go in a real run, arguments and results are encoded and decoded on the way.

    Args:
        service: The service that is called; or a graph that ``link`` made, whose entry is called.
        *more: Services to run beside it.
        **options: See :class:`RunOptions`.

    Raises:
        GraphError: The declarations have mistakes.
        ConfigError: A configuration is wrong.
        StartError: A service did not start; everything has been stopped again.
        MissingExtraError: HTTP was asked for, and its libraries are missing.
    """
    return _client(service, more, options)


@contextlib.asynccontextmanager
async def _client(
    service: type[Any] | ServiceGraph, more: tuple[type, ...], options: RunOptions
) -> AsyncIterator[Any]:
    async with running_services(service, *more, **options) as services:
        yield services.client(service.entry.name if isinstance(service, ServiceGraph) else service)


@contextlib.asynccontextmanager
async def running_services(
    service: type[Any] | ServiceGraph, /, *more: type, **options: Unpack[RunOptions]
) -> AsyncIterator[RunningServices]:
    """Run a graph as :func:`running` does, and get the run itself: its status, clients for all its services, ...

    Args:
        service: The entry service, or a graph.
        *more: Services to run beside it.
        **options: See :class:`RunOptions`.

    Yields:
        The run.

    Raises:
        DynamoError: As for :func:`running`.
    """
    graph = service if isinstance(service, ServiceGraph) else _collect((service, *more))
    fakes = options.get("fakes", _NONE)
    if fakes:
        graph = with_fakes(graph, fakes, keep=[graph.find_service(each).name for each in more])
    graph = _with_configs(graph, options.get("config", _NONE))
    target = _load(options.get("provider", IN_PROCESS))
    async with run_graph(
        target, graph, options=_http_option(target, wanted=options.get("http", False))
    ) as services:
        yield services


def _collect(services: tuple[type, ...]) -> ServiceGraph:
    if len(services) == 1:
        return collect(services[0])
    definitions = [define_service(service) for service in services]
    return collect_graph(definitions, entry=definitions[0])


def _with_configs(graph: ServiceGraph, given: Configs) -> ServiceGraph:
    configs = {each.name: each.config for each in graph.services}
    for key, change in given.items():
        name = graph.find_service(key).name
        configs[name] = change if isinstance(change, ServiceConfig) else _change(configs[name], change)
    usual_port = attrs.fields(HttpConfig).port.default
    for name, config in configs.items():
        if config.http.port == usual_port:  # tests run beside one another
            configs[name] = attrs.evolve(config, http=attrs.evolve(config.http, port=0))
    return graph.with_configs(configs)


def _change(config: ServiceConfig, change: Mapping[str, Any]) -> ServiceConfig:
    try:
        return overlay(config, change)
    except InvalidValueError as exc:
        raise exc.as_config_error() from exc


def _load(provider: str) -> DeploymentTarget:
    selection = select_provider(
        provider, environ=os.environ, cwd=Path.cwd(), explicit_source="provider=... of running()"
    )
    assert selection.candidate is not None, "select_provider() raises otherwise"
    return load_provider(selection.candidate)


def _http_option(target: DeploymentTarget, *, wanted: bool) -> dict[str, Any]:
    """Leave HTTP out where the provider can; those that cannot listen on free ports."""
    known = {field.name for field in attrs.fields(target.options_type)}
    return {_HTTP_OPTION: wanted} if _HTTP_OPTION in known else {}
