"""Write the pages of the reference that are made from code.

python tools/reference.py            writes them
python tools/reference.py --check    exits with 1 if one is not as it would be written
"""

from __future__ import annotations

import argparse
import inspect
import json
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import dynamo_core.provider
from dynamo_core.provider.capabilities import CAPABILITIES
from dynamo_core.provider.hookspecs import HOOK_NAMES, OPTIONAL_HOOKS, ProviderHooks
from dynamo_core.testing.conformance.report import PARTS, TESTED, UNTESTABLE

ROOT: Final = Path(__file__).resolve().parents[1]
PAGES: Final = ROOT / "docs" / "reference"
RESULTS: Final = PAGES / "kit-results"
NOTE: Final = "<!-- made by tools/reference.py from the code; change the docstrings, and run it again -->"

INTERFACES: Final = (
    "DeploymentTarget",
    "ServiceInterface",
    "DependencyInterface",
    "RunningServices",
    "BoundGraph",
)
ENGINES: Final = (
    "Engine",
    "StartedWorker",
    "WorkerOrder",
    "WorkerService",
    "WorkerDependency",
    "run_workers",
    "serve_workers",
)
OF_CORE: Final = frozenset({"read_options", "hook_manager", "check_hooks", "check_graph", "take_name"})
"""Members of ``DeploymentTarget`` that core alone uses."""


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--check", action="store_true")
    arguments = parser.parse_args()
    pages = {PAGES / name: text for name, text in make_pages().items()}
    if arguments.check:
        stale = [
            path for path, text in pages.items() if not path.is_file() or path.read_text("utf-8") != text
        ]
        for path in stale:
            print(f"{path.relative_to(ROOT)} is not as tools/reference.py makes it", file=sys.stderr)
        return 1 if stale else 0
    for path, text in pages.items():
        path.write_text(text, "utf-8")
    return 0


def make_pages() -> dict[str, str]:
    """Every page that is made from code, by file name."""
    return {
        "provider-api.md": "\n".join(_provider_api()),
        "compatibility.md": "\n".join(_compatibility()),
    }


# --- the API ---


def _provider_api() -> Iterator[str]:
    yield "# Provider API"
    yield ""
    yield NOTE
    yield ""
    yield "Every hook and interface, as its docstring has it; imported from `dynamo_core.provider`."
    yield "How they go together is in [hooks and interfaces](hooks-and-interfaces.md)."
    yield ""
    yield "## Hooks"
    yield ""
    yield from _prose(ProviderHooks)
    for name in HOOK_NAMES:
        hook = getattr(ProviderHooks, name)
        yield f"### `{name}{_signature(hook)}`"
        yield ""
        if name in OPTIONAL_HOOKS:
            yield "A provider may leave it out."
            yield ""
        yield from _prose(hook)
    shown = {"hookimpl", "ProviderHooks", *INTERFACES, *ENGINES}
    yield from _section("Interfaces", INTERFACES)
    yield from _section("For providers that only start workers", ENGINES)
    rest = [name for name in dynamo_core.provider.__all__ if name not in shown and not name.isupper()]
    yield from _section("Everything else", sorted(rest, key=str.lower))


def _section(title: str, names: Any) -> Iterator[str]:
    yield f"## {title}"
    yield ""
    for name in names:
        yield from _describe(name, getattr(dynamo_core.provider, name))


def _describe(name: str, thing: Any) -> Iterator[str]:
    if not (inspect.isclass(thing) or inspect.isfunction(thing)):
        return
    call = "" if inspect.isclass(thing) else _signature(thing)
    yield f"### `{name}{call}`"
    yield ""
    yield from _prose(thing)
    if inspect.isclass(thing) and thing.__module__.startswith("dynamo_core."):
        for member, value in vars(thing).items():
            if not member.startswith("_") and member not in OF_CORE:
                yield from _member(member, value)


def _member(name: str, value: Any) -> Iterator[str]:
    function = value.__func__ if isinstance(value, classmethod | staticmethod) else value
    if isinstance(value, property):
        function, shown = value.fget, f"`{name}`"
    elif inspect.isfunction(function):
        shown = f"`{name}{_signature(function)}`"
    else:
        return
    if not inspect.getdoc(function):
        return
    yield f"**{shown}**"
    yield ""
    yield from _prose(function)


def _signature(function: Any) -> str:
    """Names and defaults; types stand in the text."""
    shown = []
    has_star = False
    for parameter in inspect.signature(function).parameters.values():
        if parameter.name in {"self", "cls"}:
            continue
        if parameter.kind is parameter.KEYWORD_ONLY and not has_star:
            shown.append("*")
            has_star = True
        stars = ""
        if parameter.kind in {parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD}:
            stars = "*" if parameter.kind is parameter.VAR_POSITIONAL else "**"
        has_star = has_star or stars == "*"
        is_required = parameter.default is parameter.empty
        shown.append(f"{stars}{parameter.name}{'' if is_required else f'={parameter.default!r}'}")
    return f"({', '.join(shown)})"


_HEADING: Final = re.compile(r"(Args|Attributes|Returns|Yields|Raises):")


def _prose(thing: Any) -> Iterator[str]:
    """A docstring as Markdown: sections become lists."""
    in_list = False
    for line in (inspect.getdoc(thing) or "").splitlines():
        plain = _markdown(line)
        if _HEADING.fullmatch(line):
            yield f"{line}"
            yield ""
            in_list = True
        elif in_list and re.match(r"    \S", line):
            name, _, text = plain.strip().partition(": ")
            yield f"- `{name}`: {text}" if text and re.fullmatch(r"[\w*.]+", name) else f"- {plain.strip()}"
        elif in_list and line.strip():
            yield f"  {plain.strip()}"
        else:
            yield plain
    yield ""


def _markdown(line: str) -> str:
    line = re.sub(r":\w+:`~?([^`]+)`", r"`\1`", line)
    line = line.replace("``", "`")
    return re.sub(r"(?<![\w*`])\*(\w+)\*(?![\w*])", r"`\1`", line)


# --- what the kit found ---


def _compatibility() -> Iterator[str]:
    results = {path.stem: json.loads(path.read_text("utf-8")) for path in sorted(RESULTS.glob("*.json"))}
    yield "# Compatibility"
    yield ""
    yield NOTE
    yield ""
    yield "What each provider of this repository can do, and how it passed the [conformance kit](conformance.md)."
    yield "Made from the reports of `dynamo providers test`, which lie in `kit-results`; `make conformance` makes them anew."
    yield ""
    yield from _table(
        ("provider", "grade", "version", "kit", "contract", "Python", "tested on"),
        [
            (
                name,
                f"**{each['grade']}**",
                each["version"],
                each["kit"],
                each["contract"],
                each["python"],
                each["date"],
            )
            for name, each in results.items()
        ],
    )
    yield "## Capabilities"
    yield ""
    yield "A tested claim is one that the kit tries out; of the others it tries that *refused* is refused, and *ignored* does no harm."
    yield ""
    yield from _table(
        ("capability", "claims are tested", *results),
        [
            (
                f"`{capability}`",
                "yes" if capability in TESTED else f"no: {UNTESTABLE[capability]}",
                *(_level(each, capability) for each in results.values()),
            )
            for capability in CAPABILITIES
        ],
    )
    yield "## Tests"
    yield ""
    yield "Tests that passed, of those that apply."
    yield ""
    yield from _table(
        ("part", *results),
        [(part, *(_score(each["parts"].get(part)) for each in results.values())) for part in PARTS],
    )
    yield "## Why not"
    yield ""
    for name, each in results.items():
        yield f"### {name}"
        yield ""
        for capability, stated in each["capabilities"].items():
            if stated["level"] != "native":
                yield f"- `{capability}` is {stated['level']}: {stated['reason']}"
        yield ""


def _level(report: Mapping[str, Any], capability: str) -> str:
    """What a provider states; nothing is known where its report is older than the capability."""
    stated = report["capabilities"].get(capability)
    return "not known" if stated is None else str(stated["level"])


def _score(count: Mapping[str, int] | None) -> str:
    if count is None:
        return "not run"
    applying = count["passed"] + count["failed"]
    return f"{count['passed']} of {applying}" if applying else "none applies"


def _table(headers: tuple[str, ...], rows: list[tuple[str, ...]]) -> Iterator[str]:
    yield f"| {' | '.join(headers)} |"
    yield f"|{'---|' * len(headers)}"
    for row in rows:
        yield f"| {' | '.join(str(cell) for cell in row)} |"
    yield ""


if __name__ == "__main__":
    sys.exit(main())
