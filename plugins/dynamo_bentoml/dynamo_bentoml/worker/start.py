"""From a started process to a running service: orders, imports, event loop."""

from __future__ import annotations

import atexit
import contextlib
import logging
import os
import socket
import sys
from typing import TYPE_CHECKING, NoReturn

import attrs

from dynamo_bentoml.orders import WorkerOrders, read_orders
from dynamo_core.errors import EXIT_OK
from dynamo_core.worker_kit.bootstrap import Bootstrap, read_bootstrap
from dynamo_core.worker_kit.hardening import harden_process
from dynamo_core.worker_kit.supervised import fail, load_definitions, prepare_process, run_loop

if TYPE_CHECKING:
    from dynamo_bentoml.worker.assignment import Assignment
    from dynamo_core.definition import ServiceDefinition


def run_worker(channel_fd: int) -> NoReturn:
    """Serve what the supervisor says until it tells this process to stop.

    A worker that fails to start writes why to standard error and ends the process.

    Args:
        channel_fd: Descriptor of the socket that the supervisor inherited to this process.
    """
    channel = socket.socket(fileno=channel_fd)
    channel.set_inheritable(False)
    bootstrap, orders = read_bootstrap(channel), read_orders(channel)
    prepare_process(bootstrap.log_level)
    _show_own_records(bootstrap.log_level)
    os.environ.update(bootstrap.secrets)  # of this process: what was passed on exec can be read by others
    if bootstrap.config.get("hardening"):
        harden_process()
    sys.path[:] = bootstrap.sys_path
    try:
        assignment = _make_assignment(channel, bootstrap, orders)
        from dynamo_bentoml.worker.serve import serve  # imports BentoML

        run_loop(lambda: serve(assignment))
        _end()
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as exc:  # noqa: BLE001  # the boundary of the process
        fail(exc)


def _end() -> NoReturn:
    """End a worker that has stopped, without taking BentoML's thousand modules apart one by one."""
    atexit._run_exitfuncs()
    with contextlib.suppress(OSError, ValueError):
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(EXIT_OK)


def _show_own_records(log_level: str) -> None:
    """Have this package's log records go where core's go."""
    core, own = logging.getLogger("dynamo_core"), logging.getLogger("dynamo_bentoml")
    own.setLevel(log_level.upper())
    for handler in core.handlers:
        own.addHandler(handler)
    own.propagate = False


def _make_assignment(channel: socket.socket, bootstrap: Bootstrap, orders: WorkerOrders) -> Assignment:
    from dynamo_bentoml.worker.assignment import Assignment
    from dynamo_core.import_target import ImportTarget
    from dynamo_core.inspection import define_service

    if orders.identifier:
        definition, dependencies, bento = _load_from_bento(bootstrap, orders)
    else:
        definition, dependencies = load_definitions(bootstrap)
        bento = None
    elsewhere = {
        attribute: (url, attrs.evolve(define_service(ImportTarget.from_data(target).load()), name=name))
        for attribute, (url, name, target) in orders.elsewhere.items()
    }
    return Assignment(
        channel=channel,
        bootstrap=bootstrap,
        orders=orders,
        definition=definition,
        dependencies=dependencies,
        elsewhere=elsewhere,
        bento=bento,
    )


def _load_from_bento(
    bootstrap: Bootstrap, orders: WorkerOrders
) -> tuple[ServiceDefinition, dict[str, ServiceDefinition], object]:
    """The service and what it depends on, as the module that ``bentoml serve`` was given has them."""
    from dynamo_bentoml.serving import load_service
    from dynamo_bentoml.stand_in import facts_of
    from dynamo_core.config import ServiceConfig
    from dynamo_core.errors import StartError

    bento = load_service(orders.identifier, orders.arguments, bootstrap.service)
    facts = facts_of(bento)
    if facts is None or facts.graph is None:
        raise StartError(
            bootstrap.service, f"{orders.identifier} was loaded again and is another service now"
        )
    config = ServiceConfig.from_data(bootstrap.config)
    facts.definition = attrs.evolve(facts.definition, config=config)
    dependencies = {
        attribute: facts.graph.find_service(name) for attribute, (name, _) in bootstrap.dependencies.items()
    }
    return facts.definition, dependencies, bento
