"""What a file and the command line say, laid over a graph."""

from __future__ import annotations

from typing import Any

import attrs
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dynamo_core import endpoint, service
from dynamo_core.config import GraphSettings, ServiceConfig, nodes
from dynamo_core.config.overrides import parse_overrides
from dynamo_core.config.yaml_file import parse_yaml
from dynamo_core.errors import ConfigError, Location
from dynamo_core.graph import ServiceGraph, collect

from .graph_for_tests import Backend, Frontend


@pytest.fixture
def graph() -> ServiceGraph:
    return collect(Frontend)


def settings_of(text: str, *overrides: str) -> GraphSettings:
    return GraphSettings.of(parse_yaml(text, "app.yaml"), parse_overrides(overrides))


def configure(graph: ServiceGraph, text: str, *overrides: str) -> ServiceConfig:
    """Backend's configuration."""
    return settings_of(text, *overrides).apply(graph).find_service(Backend).config


def problems_of(graph: ServiceGraph, text: str, *overrides: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        settings_of(text, *overrides).apply(graph)
    return [str(problem).partition(" (keys:")[0] for problem in caught.value.problems]


def test_only_what_is_given_replaces_what_the_decorator_says(graph: ServiceGraph) -> None:
    declared = graph.find_service(Backend).config
    text = """
Backend:
  ServiceArgs:
    resources: {gpu: 2}
    http: {port: 9001}
    envs: {LEVEL: 007, EXTRA: no}
"""
    config = configure(graph, text)
    assert config == ServiceConfig(
        workers=2,
        resources={"gpu": 2, "memory": "1Gi"},
        envs={"MODE": "fast", "LEVEL": "007", "EXTRA": "no"},
        http={"port": 9001, "host": "localhost"},
        labels={"team": "a"},
    )
    assert graph.find_service(Backend).config == declared


def test_the_command_line_comes_before_the_file(graph: ServiceGraph) -> None:
    text = "Backend:\n  model: small\n  limits: {a: 1, b: 2}\n  ServiceArgs: {workers: 3, envs: [{name: A, value: 1}]}\n"
    config = configure(
        graph,
        text,
        "--Backend.model=large",
        "--Backend.limits.b=3",
        "--Backend.ServiceArgs.workers=4",
        "--Backend.ServiceArgs.envs.B=1.10",
        '--Backend.ServiceArgs.envs=[{"name": "C", "value": "x"}]',
    )
    assert config.settings == {"model": "large", "limits": {"a": 1, "b": 3}}
    assert config.workers == 4
    assert config.envs == {"MODE": "fast", "LEVEL": "1", "A": "1", "B": "1.10", "C": "x"}


def test_lists_are_replaced(graph: ServiceGraph) -> None:
    text = "Backend:\n  stops: [a, b]\n  ServiceArgs: {secrets: [A, B], inherit_env: [PATH]}\n"
    config = configure(graph, text, '--Backend.stops=["c"]', '--Backend.ServiceArgs.secrets=["C"]')
    assert config.settings["stops"] == ["c"]
    assert (config.secrets, config.inherit_env) == (("C",), ("PATH",))


def test_everything_beside_service_args_is_the_services_own(graph: ServiceGraph) -> None:
    config = configure(graph, "Backend:\n  workers: 5\n  version: 1.10\n  ServiceArgs:\n")
    assert config.workers == 2
    assert config.settings.text("version") == "1.10"
    assert list(config.settings) == ["workers", "version"]


def test_no_settings_leave_the_graph_as_it_is(graph: ServiceGraph) -> None:
    assert settings_of("").apply(graph) is graph
    assert configure(graph, "Backend:\n") == graph.find_service(Backend).config


COMMON = """
Common: {model: small, block-size: 64, deep: {a: 1}}
Frontend: {port: 1}
Backend:
  block-size: 128
  common-configs: [model, block-size]
"""


def test_a_service_takes_the_common_keys_it_lists(graph: ServiceGraph) -> None:
    """Its own value wins, and a service that lists none gets none."""
    applied = settings_of(COMMON).apply(graph)
    assert applied.find_service(Backend).config.settings == {"model": "small", "block-size": 128}
    assert applied.find_service(Frontend).config.settings == {"port": 1}


def test_common_keys_come_first(graph: ServiceGraph) -> None:
    """As the arguments made of them do."""
    assert list(configure(graph, COMMON).settings) == ["model", "block-size"]


def test_the_command_line_reaches_common_too(graph: ServiceGraph) -> None:
    config = configure(graph, COMMON, "--Common.model=large", '--Backend.common-configs=["model", "deep"]')
    assert config.settings == {"model": "large", "deep": {"a": 1}, "block-size": 128}


def test_all_mistakes_are_told_at_once_in_the_order_of_the_file(graph: ServiceGraph) -> None:
    text = """
Backnd: {a: 1}
Backend:
  service_args: {workers: 1}
  common-configs: [modell]
  ServiceArgs:
    workers: none
    port: 1
    settings: {}
    http:
      prot: 2
    envs: [{nam: A}]
    bind: {backend: Backend}
Common:
  model: small
  ServiceArgs: {}
Frontend: 3
"""
    assert problems_of(graph, text, "--Backend.ServiceArgs.traffic.max_queue=-1", "--Frontnd.a=1") == [
        "app.yaml:2: Backnd is no service of graph 'Frontend', did you mean 'Backend'? (services: Backend, Frontend)",
        "app.yaml:4: Backend has the key 'service_args', which must be written 'ServiceArgs'",
        "app.yaml:5: Backend.common-configs names 'modell', which Common does not have, did you mean 'model'?",
        "app.yaml:7: Backend.ServiceArgs.workers must be a whole number of at least 1, got none",
        "app.yaml:8: Backend.ServiceArgs has no key 'port', did you mean 'http.port'?",
        (
            "app.yaml:9: Backend.ServiceArgs has no key 'settings'; a service's own settings stand beside ServiceArgs, "
            "not in it"
        ),
        "app.yaml:11: Backend.ServiceArgs.http has no key 'prot', did you mean 'port'?",
        "app.yaml:12: Backend.ServiceArgs.envs[0] must be a mapping with 'name' and 'value', got a mapping",
        (
            "app.yaml:13: Backend.ServiceArgs.bind names 'backend', which is no dependency of Backend "
            "(dependencies: none)"
        ),
        "app.yaml:16: Common is no service and has no ServiceArgs; give it to each service",
        "app.yaml:17: Frontend must be a mapping, got 3",
        (
            "Backend.ServiceArgs.traffic.max_queue must be a whole number of at least 0, got -1 "
            "(from --Backend.ServiceArgs.traffic.max_queue)"
        ),
        (
            "Frontnd is no service of graph 'Frontend', did you mean 'Frontend'? (services: Backend, Frontend) "
            "(from --Frontnd.a)"
        ),
    ]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("Common: 3\n", "app.yaml:1: Common must be a mapping, got 3"),
        ("Common: {common-configs: [a]}\n", "app.yaml:1: Common is no service and has no common-configs; give it to each service"),
        ("Backend: {common-configs: a}\n", "app.yaml:1: Backend.common-configs must be a list of keys of Common, got a"),
        ("Backend: {common-configs: [[a]]}\n", "app.yaml:1: Backend.common-configs[0] must be a text, got a list"),
        ("Backend: {ServiceArgs: 3}\n", "app.yaml:1: Backend.ServiceArgs must be a mapping, got 3"),
        ("Backend:\n  ServiceArgs:\n    secrets: [MODE]\n", "app.yaml:3: Backend.ServiceArgs.secrets names 'MODE', which envs sets too; leave it to one of them"),
        ("Frontend:\n  ServiceArgs:\n    bind: {backnd: Backend}\n", "app.yaml:3: Frontend.ServiceArgs.bind names 'backnd', which is no dependency of Frontend, did you mean 'backend'? (dependencies: backend)"),
    ],
)  # fmt: skip
def test_mistakes_of_sections_are_located(graph: ServiceGraph, text: str, problem: str) -> None:
    assert problems_of(graph, text) == [problem]


def test_what_named_the_file_is_said(graph: ServiceGraph) -> None:
    found = GraphSettings.of(
        parse_yaml("Backend: {ServiceArgs: {workers: 0}}", "a"), note="from DYNAMO_CONFIG"
    )
    with pytest.raises(ConfigError) as caught:
        found.apply(graph)
    (problem,) = caught.value.problems
    assert problem.location == Location("a", 1)
    assert problem.message.endswith("got 0 (from DYNAMO_CONFIG)")


def test_bindings_are_told_by_owner_and_attribute(graph: ServiceGraph) -> None:
    found = settings_of(
        "Frontend: {ServiceArgs: {workers: 2, bind: {backend: Other}}}",
        "--Frontend.ServiceArgs.bind.backend=Backend",
    )
    assert found.bindings() == {("Frontend", "backend"): "Backend"}
    assert found.apply(graph).find_service(Frontend).config.workers == 2
    assert settings_of("Frontend:\n").bindings() == {}


@pytest.mark.parametrize("bind", ["3", "[a]", "{backend: }", "{backend: [Backend]}"])
def test_a_binding_that_is_no_name_is_refused(bind: str) -> None:
    with pytest.raises(ConfigError, match=r"app\.yaml:1: Frontend\.ServiceArgs\.bind"):
        settings_of(f"Frontend: {{ServiceArgs: {{bind: {bind}}}, x: 1}}\nCommon: 3\n").bindings()


def test_a_service_called_like_the_common_section_cannot_be_configured() -> None:
    @service(name="Common")
    class Shared:
        @endpoint
        async def run(self) -> None: ...

    assert settings_of("").apply(collect(Shared)).entry.name == "Common"
    assert problems_of(collect(Shared), "Common: {a: 1}") == [
        "app.yaml:1: Common is a section that services share, and the name of a service too; rename the service"
    ]


@pytest.mark.parametrize(
    ("args", "field", "value"),
    [
        ("{image: {python: 3.10}}", "image", {"python": 3.1}),
        ("{labels: {version: 1.10}}", "labels", {"team": "a", "version": "1.10"}),
        ("{hardening: true}", "hardening", True),
        ("{inherit_env: false}", "inherit_env", False),
        ("{http: ~}", "workers", 2),
    ],
)
def test_fields_take_what_a_file_says(graph: ServiceGraph, args: str, field: str, value: Any) -> None:
    assert getattr(configure(graph, f"Backend: {{ServiceArgs: {args}}}"), field) == value


def test_an_image_keeps_the_text_of_its_versions(graph: ServiceGraph) -> None:
    assert configure(graph, "Backend: {ServiceArgs: {image: {python: 3.10}}}").image.text("python") == "3.10"


def test_settings_of_code_lie_below_those_of_files(graph: ServiceGraph) -> None:
    declared = graph.with_configs({"Backend": ServiceConfig(settings={"a": 1, "deep": {"b": 1, "c": 1}})})
    assert configure(declared, "Backend: {deep: {c: 2}}").settings == {"a": 1, "deep": {"b": 1, "c": 2}}


KEYS = st.sampled_from(
    [
        *(field.name for field in attrs.fields(ServiceConfig)),
        "ServiceArgs",
        "common-configs",
        "bind",
        "port",
        "name",
    ]
)
VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.just("500m"),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(KEYS | st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=12,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(sections=st.dictionaries(st.sampled_from(["Backend", "Common", "Other"]), VALUES))
def test_whatever_is_said_is_applied_or_refused(graph: ServiceGraph, sections: dict[str, Any]) -> None:
    """Every mistake is a ``ConfigError``, and what is applied survives the way to a worker."""
    said = nodes.to_node(sections)
    assert isinstance(said, nodes.Table)
    found = GraphSettings.of(said)
    try:
        found.bindings()
        config = found.apply(graph).find_service(Backend).config
    except ConfigError:
        return
    assert ServiceConfig.from_data(config.to_data()) == config
