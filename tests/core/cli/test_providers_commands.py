"""``dynamo providers show|check|compare|doctor|lock|verify|schema``."""

from __future__ import annotations

import json
import subprocess
from typing import Any

import pytest

from dynamo_core.errors import EXIT_CHECK_FAILED, EXIT_CONFIG, EXIT_OK, EXIT_PROVIDER
from dynamo_core.provider.manifest_schema import manifest_schema

from ..provider.fake_site import MANIFEST, PROVIDER, FakeSite
from .test_serve import PROVIDER as WORKING

FULL = (
    MANIFEST
    + """
[options.color]
type = "string"
default = "red"
choices = ["red", "blue"]
summary = "what it is painted with"
"""
).replace(
    'contract = "{contract}"', 'contract = "{contract}"\nmaturity = "beta"\ndocs = "https://example.org/x"'
)
WITH_COLOR = WORKING.replace("    pass\n\nclass Dependency", '    color: str = "red"\n\nclass Dependency')
BINDING = WITH_COLOR.replace(
    "        return None\n\n    @hookimpl\n    def serve",
    "        return run()\n\n    @hookimpl\n    def serve",
)
SOUND = f"import contextlib\n@contextlib.asynccontextmanager\nasync def run():\n    yield\n{BINDING}"


def providers(site: FakeSite, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    return site.run("-m", "dynamo_core", "providers", *arguments, **environ)


def data_of(site: FakeSite, *arguments: str, code: int = EXIT_OK) -> Any:
    done = providers(site, *arguments, "--json")
    assert done.returncode == code, done.stderr
    return json.loads(done.stdout)


# --- show ---


def test_show_tells_capabilities_and_options_without_importing(site: FakeSite) -> None:
    """Options with types and defaults, levels with reasons; a capability that is not stated is refused."""
    site.add_provider("full", "raise RuntimeError('imported')", manifest=FULL)
    done = providers(site, "show", "full")
    assert done.returncode == EXIT_OK, done.stderr
    lines = [" ".join(line.split()) for line in done.stdout.splitlines()]
    assert lines[0] == "full: A provider made for a test."
    assert "distribution dynamo-full 1.2.3" in lines
    assert "maturity beta" in lines
    assert "docs https://example.org/x" in lines
    assert "gpu refused there is none" in lines
    assert "logs refused not stated in its manifest" in lines
    assert 'color "red"|"blue" "red" what it is painted with' in lines


def test_show_as_data(site: FakeSite) -> None:
    """The same, for programs."""
    site.add_provider("full", manifest=FULL)
    data = data_of(site, "show", "full")
    assert data["options"]["color"] == {
        "type": "string",
        "default": "red",
        "summary": "what it is painted with",
        "choices": ["red", "blue"],
    }
    assert data["capabilities"]["streams"]["level"] == "native"
    assert data["capabilities"]["logs"]["level"] == "refused"


def test_show_of_a_broken_provider_shows_what_there_is(site: FakeSite) -> None:
    """And ends as its use would."""
    site.add_provider("dated", contract="<1.0")
    done = providers(site, "show", "dated")
    assert done.returncode == EXIT_PROVIDER
    assert "A provider made for a test." in done.stdout
    assert "upgrade dynamo-dated" in done.stderr


# --- check ---


def test_check_of_a_sound_provider_finds_nothing(site: FakeSite) -> None:
    """Hooks, options and manifest agree; a small graph can be bound."""
    site.add_provider("sound", SOUND, manifest=FULL)
    done = providers(site, "check", "sound")
    assert done.returncode == EXIT_OK, done.stdout
    assert done.stdout == "sound (dynamo-sound 1.2.3): nothing is wrong\n"


FAULTS = {
    "raising": ("raise RuntimeError('no luck')", FULL, "RuntimeError: no luck"),
    "misspelt": (SOUND.replace("create_service(", "create_servise("), FULL, "did you mean 'create_service'"),
    "argument": (
        SOUND.replace("(self, services, options)", "(self, services, opts)"),
        FULL,
        "no argument 'opts'",
    ),
    "silent": (WITH_COLOR, FULL, "nobody answered: it returned None"),
    "exploding": (
        SOUND.replace("return run()", "raise OSError('disk')"),
        FULL,
        "a hook raised OSError: disk",
    ),
    "async": (SOUND.replace("    def run_services", "    async def run_services"), FULL, "a plain function"),
    "undocumented": (
        SOUND.replace("color:", "colour:"),
        FULL,
        "option 'colour' is not in dynamo-provider.toml",
    ),
    "made-up": (
        SOUND.replace('    color: str = "red"', "    pass"),
        FULL,
        "which options_type does not have",
    ),
    "other-default": (
        SOUND.replace('= "red"', '= "blue"'),
        FULL,
        "stated to default to 'red', and defaults to 'blue'",
    ),
    "other-type": (
        SOUND.replace('color: str = "red"', "color: int = 3"),
        FULL,
        "of type string, and is annotated",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_check_names_the_fault(site: FakeSite, fault: str) -> None:
    """Each kind, as a row, with an exit code of its own."""
    source, manifest, message = FAULTS[fault]
    site.add_provider(fault, source, manifest=manifest)
    data = data_of(site, "check", fault, code=EXIT_CHECK_FAILED)
    assert data["ok"] is False
    assert any(message in found["what"] for found in data["findings"] if found["severity"] == "error"), data


def test_check_warns_of_what_only_looks_like_a_hook(site: FakeSite) -> None:
    """An unmarked method is never called; a level without a reason leaves users guessing."""
    source = SOUND.replace(
        "    @hookimpl\n    def serve_services",
        "    def on_service_events(self, event): ...\n\n    @hookimpl\n    def serve_services",
    )
    site.add_provider("near", source, manifest=FULL.replace('streams = "native"', 'streams = "emulated"'))
    data = data_of(site, "check", "near")
    assert data["ok"] is True
    told = " ".join(found["what"] for found in data["findings"])
    assert "looks like the hook 'on_service_event', and is not marked with @hookimpl" in told
    assert "capability 'streams' is emulated, and no reason is given" in told


def test_check_ends_an_import_that_hangs(site: FakeSite) -> None:
    """In the time that it is given; nothing of it is left behind."""
    site.add_provider("hanging", "import time\ntime.sleep(3600)")
    data = data_of(site, "check", "hanging", "--timeout", "0.5", code=EXIT_CHECK_FAILED)
    assert data["findings"][0]["what"] == "it could not be imported within 0.5 s"


def test_check_does_not_import_what_its_metadata_speak_against(site: FakeSite) -> None:
    """A wrong contract is the finding; so is not being allowed."""
    site.add_provider("dated", "raise RuntimeError", contract="<1.0")
    done = providers(site, "check", "dated")
    assert done.returncode == EXIT_PROVIDER
    assert "upgrade dynamo-dated" in done.stderr
    site.add_provider("sound", "raise RuntimeError")
    done = providers(site, "check", "sound", DYNAMO_ALLOW_PROVIDERS="dynamo.providers:other")
    assert done.returncode == EXIT_PROVIDER
    assert "may not be loaded" in done.stderr


# --- compare ---

GRAPH = """
from collections.abc import AsyncIterator
from dynamo_core import endpoint, service

@service(resources={"gpu": 0.5})
class Model:
    @endpoint
    async def tokens(self, text: str) -> AsyncIterator[str]:
        yield text
"""


def test_compare_tells_what_each_provider_makes_of_the_graph(site: FakeSite) -> None:
    """For what this very graph asks for; neither provider is imported."""
    site.add_provider("one", "raise RuntimeError('imported')")
    site.write("model.py", GRAPH)
    data = data_of(site, "compare", "model.py")
    one = data["providers"]["dynamo-one:one"]
    levels = {each["capability"]: each["level"] for each in one["capabilities"]}
    assert levels == {"flow_control": "refused", "gpu": "refused", "streams": "native"}
    assert one["losses"] == 2
    done = providers(site, "compare", "model.py")
    assert done.returncode == EXIT_OK
    assert "one: 2 would be lost" in done.stdout
    assert "  Model: resources.gpu=0.5: gpu is refused (there is none)" in done.stdout


def test_compare_counts_configuration_too(site: FakeSite) -> None:
    """As ``serve`` would with the same file."""
    site.add_provider("one")
    site.write("model.py", GRAPH)
    site.write(
        "config.yaml", "Model:\n  ServiceArgs:\n    resources: {gpu: 0}\n    supervision: {watchdog_s: 3}\n"
    )
    data = data_of(site, "compare", "model.py", "-f", "config.yaml")
    names = [each["capability"] for each in data["providers"]["dynamo-one:one"]["capabilities"]]
    assert names == ["flow_control", "streams", "watchdog"]


# --- doctor ---


def complaints(site: FakeSite, *arguments: str, code: int) -> dict[str, dict[str, Any]]:
    """By kind; those about this test's own distributions."""
    found = data_of(site, "doctor", *arguments, code=code)
    return {each["kind"]: each for each in found if "dynamo-circus" not in each["subject"]}


def test_doctor_finds_each_kind_with_the_command_that_mends_it(site: FakeSite) -> None:
    """From metadata alone."""
    site.add_provider("dated", "raise RuntimeError", contract="<1.0")
    site.add_provider("bare", manifest=None)
    site.add_provider("twin", distribution="dynamo-twin")
    site.add_provider("twin", distribution="dynamo-twin-too")
    needy = site.add_distribution("needy", "[dynamo.plugins]\nneedy = needy\n")
    with (needy / "METADATA").open("a") as file:
        file.write(
            "Requires-Dist: absent-library>=2\nRequires-Dist: attrs<1\nRequires-Dist: x; extra == 'y'\n"
        )
    found = complaints(site, code=EXIT_CHECK_FAILED)
    assert found["contract"]["command"] == "python -m pip install --upgrade dynamo-dated"
    assert found["manifest"]["command"].endswith("--force-reinstall dynamo-bare")
    assert found["duplicate"]["command"] == "python -m pip uninstall dynamo-twin-too"
    requirements = [
        each["command"]
        for each in data_of(site, "doctor", code=EXIT_CHECK_FAILED)
        if each["subject"] == "needy"
    ]
    assert requirements == ["python -m pip install 'absent-library>=2'", "python -m pip install 'attrs<1'"]


def test_doctor_tries_extensions_out_when_asked_to(site: FakeSite) -> None:
    """A hook that is misspelt shows only then; one that is sound is no finding."""
    hooks = "from dynamo_core.provider import hookimpl\n@hookimpl\ndef {name}(event): ...\n"
    site.write("hearing.py", hooks.format(name="on_service_event"))
    site.write("mishearing.py", hooks.format(name="on_servise_event"))
    for name in ("hearing", "mishearing"):
        site.add_distribution(f"dynamo-{name}", f"[dynamo.plugins]\n{name} = {name}\n")
    assert "broken" not in complaints(site, code=EXIT_OK)
    found = complaints(site, "--check", code=EXIT_CHECK_FAILED)["broken"]
    assert found["subject"] == "dynamo-mishearing: extension 'mishearing'"
    assert "did you mean 'on_service_event'" in found["what"]
    assert found["command"] == "python -m pip install --upgrade --force-reinstall dynamo-mishearing"


def add_files(site: FakeSite, distribution: str, path: str, digest: str) -> None:
    folder = next(site.path.glob(f"{distribution}-*.dist-info"))
    (folder / "RECORD").write_text(f"{path},sha256={digest},10\n")
    site.write(path, "")


def test_doctor_finds_modules_that_two_distributions_install(site: FakeSite) -> None:
    """As circus and its fork do; the one that nothing needs is to go."""
    site.add_provider("sound")
    with (next(site.path.glob("dynamo_sound-*")) / "METADATA").open("a") as file:
        file.write("Requires-Dist: ring\n")
    for name, digest in (("ring", "aaaa"), ("fork", "bbbb"), ("other", "cccc"), ("another", "dddd")):
        site.add_distribution(name)
        module = "ring" if name in {"ring", "fork"} else "unrelated"
        add_files(site, name, f"{module}/__init__.py", digest)
    found = complaints(site, code=EXIT_CHECK_FAILED)
    assert found["collision"]["subject"] == "module 'ring'"
    assert found["collision"]["command"] == (
        "python -m pip uninstall fork && python -m pip install --force-reinstall --no-deps ring"
    )
    add_files(site, "fork", "ring/__init__.py", "aaaa")
    assert "collision" not in complaints(site, code=EXIT_OK)


def test_doctor_imports_only_when_it_is_asked_to(site: FakeSite) -> None:
    """What raises on import is found then."""
    site.add_provider("raises", "raise RuntimeError('no luck')")
    assert complaints(site, code=EXIT_OK) == {}
    broken = complaints(site, "--check", code=EXIT_CHECK_FAILED)["broken"]
    assert "RuntimeError: no luck" in broken["what"]


def test_doctor_tells_what_is_not_allowed(site: FakeSite) -> None:
    """A warning, since somebody wanted it so."""
    site.add_provider("one")
    site.add_distribution("dynamo-watch", "[dynamo.plugins]\nwatch = watching\n")
    site.write("pyproject.toml", "[tool.dynamo]\nallow = []\n")
    done = providers(site, "doctor")
    assert done.returncode == EXIT_OK
    assert "'dynamo.providers:dynamo-one' is not on the allow list" in done.stdout
    assert "its extension 'watch' is left out: it is not on the allow list" in done.stdout


# --- lock and verify ---


def test_what_was_locked_verifies_until_something_changes(site: FakeSite) -> None:
    """Versions, contract, entry point and files; nothing is imported."""
    site.add_provider("one", "raise RuntimeError")
    site.add_distribution("dynamo-watch", "[dynamo.plugins]\nwatch = watching\n")
    lock = data_of(site, "lock", "some.lock")
    entry = lock["entry_points"]["dynamo.providers:dynamo-one:one"]
    assert (entry["version"], entry["contract"]) == ("1.2.3", ">=1.0,<2")
    assert entry["hash"].startswith("sha256:")
    assert "dynamo.plugins:dynamo-watch:watch" in lock["entry_points"]
    assert data_of(site, "verify", "some.lock") == []
    site.write("dynamo_one/__init__.py", "raise ValueError")
    site.add_provider("two")
    (difference, new) = data_of(site, "verify", "some.lock", code=EXIT_CHECK_FAILED)
    assert (difference["subject"], difference["fact"]) == ("dynamo.providers:dynamo-one:one", "hash")
    assert (new["subject"], new["locked"], new["found"]) == ("dynamo.providers:dynamo-two:two", "", "yes")
    done = providers(site, "verify", "some.lock")
    assert "dynamo.providers:dynamo-two:two: it is not in the lock file" in done.stdout


def test_recorded_files_are_hashed_as_they_are(site: FakeSite) -> None:
    """Not as their record says; what installers write of themselves does not count."""
    site.add_provider("one")
    record = "dynamo_one/__init__.py,,\ndynamo_one-1.2.3.dist-info/INSTALLER,,\n../../bin/one,,\n"
    (next(site.path.glob("dynamo_one-*")) / "RECORD").write_text(record)
    data_of(site, "lock")
    (next(site.path.glob("dynamo_one-*")) / "INSTALLER").write_text("another")
    assert data_of(site, "verify") == []
    site.write("dynamo_one/__init__.py", PROVIDER + "\n# changed\n")
    assert [each["fact"] for each in data_of(site, "verify", code=EXIT_CHECK_FAILED)] == ["hash"]


@pytest.mark.parametrize(
    ("text", "message"), [(None, "make it with 'dynamo providers lock'"), ("{}", "no lock file")]
)
def test_verify_needs_a_lock_file(site: FakeSite, text: str | None, message: str) -> None:
    """One that is missing or is none is a wrong configuration."""
    if text is not None:
        site.write("dynamo-providers.lock", text)
    done = providers(site, "verify")
    assert done.returncode == EXIT_CONFIG
    assert message in done.stderr


# --- grades and schema ---


def report(site: FakeSite, **facts: Any) -> None:
    """A report of the kit beside the manifest of ``dynamo_one``."""
    from dynamo_core.provider.fingerprint import hash_package
    from dynamo_core.provider.grade import KIT_VERSION, REPORT_FILE

    files = hash_package(site.path / "dynamo_one", without=REPORT_FILE)
    data = {
        "format": 1,
        "provider": "one",
        "version": "1.2.3",
        "kit": KIT_VERSION,
        "grade": "silver",
        "files": files,
        **facts,
    }
    site.write(f"dynamo_one/{REPORT_FILE}", json.dumps(data))


def grade(site: FakeSite) -> str:
    done = providers(site, "list", "--provider", "one")
    (line,) = [line for line in done.stdout.splitlines() if "dynamo-one" in line]
    return " ".join(line.split()[6:8])


def test_grade_is_shown_as_self_reported_and_as_stale(site: FakeSite) -> None:
    """It is stale when version, kit or files are not those that were tested."""
    site.add_provider("one")
    assert grade(site).startswith("-")
    report(site)
    assert grade(site) == "silver (self-reported)"
    for stale in ({"version": "1.2.2"}, {"kit": "0.1"}, {"provider": "two"}, {"files": {}}, {"files": 3}):
        report(site, **stale)
        assert grade(site) == "silver (stale)", stale
    report(site)
    site.write("dynamo_one/more.py", "")
    assert grade(site) == "silver (stale)"
    shown = providers(site, "show", "one").stdout
    assert "the package has changed since: more.py" in shown
    assert "dynamo providers test one" in providers(site, "doctor").stdout


@pytest.mark.parametrize("text", ["", "[]", '{"format": 9}', '{"format": 1, "grade": "diamond"}'])
def test_report_that_cannot_be_read_is_no_grade(site: FakeSite, text: str) -> None:
    """And hides nothing else."""
    site.add_provider("one")
    site.write("dynamo_one/dynamo-conformance.json", text)
    assert grade(site) == "? (stale)"


def test_schema_is_printed(site: FakeSite) -> None:
    """As JSON that an editor takes."""
    done = providers(site, "schema")
    assert json.loads(done.stdout) == manifest_schema()


def test_summaries_of_the_table_are_the_commands_own() -> None:
    """The table repeats them, so that help imports nothing."""
    from importlib import import_module

    from dynamo_core.cli.providers.group import PROVIDERS_COMMANDS

    for name, entry in PROVIDERS_COMMANDS.items():
        module, _, attribute = entry.target.partition(":")
        command = getattr(import_module(module), attribute)
        assert (command.name, command.short_help) == (name, entry.summary)
