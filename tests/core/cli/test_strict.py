"""``dynamo serve --strict``, and what becomes of broken extensions."""

from __future__ import annotations

import subprocess

import pytest

from dynamo_core.errors import EXIT_OK, EXIT_PROVIDER

from ..provider.fake_site import FakeSite
from .test_serve import PROVIDER

GRAPH = """
from dynamo_core import depends, endpoint, service

@service(resources={"gpu": 1}, envs={"MODE": "x"})
class Backend:
    @endpoint
    def echo(self, text: str) -> str:
        return text

@service
class Frontend:
    backend = depends(Backend)

    @endpoint(timeout_s=2)
    async def echo(self, text: str) -> str:
        return text
"""

MANIFEST = """
name = "{name}"
summary = "A provider made for a test."
contract = "{contract}"

[capabilities]
streams = "native"
sync_endpoints = "native"
deadlines = "emulated"
environment = "native"
gpu = {{ level = "ignored", reason = "there is none" }}
"""


@pytest.fixture
def app(site: FakeSite) -> FakeSite:
    site.add_provider("telling", PROVIDER, manifest=MANIFEST)
    site.write("graph.py", GRAPH)
    return site


def serve(app: FakeSite, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    command = ["-m", "dynamo_core", "serve", "graph.py:Frontend", "--provider", "telling", *arguments]
    return app.run(*command, **environ)


def test_silent_loss_is_refused_with_its_place(app: FakeSite) -> None:
    """What is ignored or refused and the graph asks for, with the manifest's reason; what is emulated is no loss."""
    done = serve(app, "--strict")
    assert (done.returncode, done.stdout) == (EXIT_PROVIDER, "")
    assert "Backend: resources.gpu=1: gpu is ignored (there is none)" in done.stderr
    assert "deadlines" not in done.stderr
    assert "environment" not in done.stderr


def test_silent_loss_is_no_error_otherwise(app: FakeSite) -> None:
    """Nor is it one where the graph asks for nothing of the kind."""
    assert serve(app).returncode == EXIT_OK
    assert serve(app, "--strict", "--Backend.ServiceArgs.resources.gpu=0").returncode == EXIT_OK


def test_variable_is_the_same_as_the_option(app: FakeSite) -> None:
    """As for every option that has one."""
    assert serve(app, DYNAMO_STRICT="1").returncode == EXIT_PROVIDER


def test_loss_is_found_before_the_provider_is_imported(app: FakeSite) -> None:
    """Its manifest is enough."""
    app.add_provider("raising", "raise RuntimeError('imported')", manifest=MANIFEST)
    done = app.run("-m", "dynamo_core", "serve", "graph.py", "--provider", "raising", "--strict")
    assert "gpu is ignored" in done.stderr
    assert "imported" not in done.stderr


@pytest.fixture
def with_broken_extension(app: FakeSite) -> FakeSite:
    app.write("watching.py", "raise RuntimeError('no luck')")
    app.add_distribution("dynamo-watch", "[dynamo.plugins]\nwatch = watching\n")
    return app


def test_broken_extension_is_told_and_left_out(with_broken_extension: FakeSite) -> None:
    """The run goes on."""
    done = serve(with_broken_extension)
    assert done.returncode == EXIT_OK, done.stderr
    assert "warning: left out: extension 'watch' of dynamo-watch is broken" in done.stderr
    assert "RuntimeError: no luck" in done.stderr


def test_broken_extension_ends_a_strict_command(with_broken_extension: FakeSite) -> None:
    """The message says how to go on without it."""
    done = serve(with_broken_extension, "--strict", "--Backend.ServiceArgs.resources.gpu=0")
    assert done.returncode == EXIT_PROVIDER
    assert done.stderr.startswith("error: extension 'watch' of dynamo-watch is broken")
    assert "DYNAMO_DISABLE_PLUGINS=watch" in done.stderr
