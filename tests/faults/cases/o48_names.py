"""Names of services and namespaces that lead elsewhere."""

from __future__ import annotations

import os
from pathlib import Path

from harness import Trial, case

from dynamo_core import DynamoConfig, ServiceConfig, endpoint, service
from dynamo_core.config import load_graph_settings
from dynamo_core.errors import ConfigError, DeclarationError, DynamoError
from dynamo_core.loader import load_graph

RULE = "[A-Za-z][A-Za-z0-9_-]{0,63}"
NAMES = (
    "../x",
    "a/b",
    "/etc/passwd",
    "..",
    ".",
    "",
    " ",
    "a" * 200,
    "a\nb",
    "a\n",
    "a\x00b",
    "-rf",
    "circus.env.X",
    "$(circus.wid)",
    "a b",
    "a:b",
    "a,b",
    "9lives",
    "_x",
    "café",
    "\uff41",
    "A\u200b",
    "a\u202eb",
)
SOUND = ("A", "a-b_c9", "a" * 64, "CON", "state", "control")


@case("O48", "refused at declaration with the rule; nothing created outside the run directory")
async def declare_odd_names(trial: Trial) -> None:
    os.chdir(trial.folder)
    for name in NAMES:
        check_refused(trial, "service", name, lambda name=name: declare(name))
        check_refused(
            trial, "namespace", name, lambda name=name: ServiceConfig(dynamo=DynamoConfig(namespace=name))
        )
        check_refused(trial, "DynamoConfig.name", name, lambda name=name: DynamoConfig(name=name))
    check_refused(trial, "override", "a/b", load_odd_override)
    before = set(trial.folder.rglob("*"))
    file = trial.folder / "sound.py"
    file.write_text(program())
    async with trial.start(f"{file}:Root") as run:
        directory = trial.runs_folder / run.run_id
        made = {path for path in trial.folder.rglob("*") if "__pycache__" not in path.parts} - before - {file}
        outside = [
            path
            for path in made
            if not path.is_relative_to(directory) and path not in {directory, directory.parent}
        ]
        trial.expect(not outside, f"made outside of the run's directory: {outside}")
        names = sorted(path.name for path in directory.iterdir())
        trial.see(f"{len(NAMES)} names refused; {len(SOUND)} run with files {', '.join(names)}")
        for name in SOUND:
            trial.expect(await run.client("Root").ask(name) == name, f"{name!r} does not answer")


def declare(name: str) -> object:
    class Odd:
        @endpoint
        async def work(self) -> None: ...

    return service(name=name)(Odd)


def load_odd_override() -> object:
    target = f"{Path(__file__).parents[1] / 'services.py'}:Work"
    return load_graph_settings(None, ["--../Work.ServiceArgs.workers=1"], {}).apply(load_graph(target))


def check_refused(trial: Trial, what: str, name: str, declared: object) -> None:
    try:
        declared()  # type: ignore[operator]
    except (ConfigError, DeclarationError) as error:
        if what != "override":
            trial.expect(RULE in str(error), f"{what} {name!r}: the rule is not told: {error}")
        trial.expect("\n" not in str(error) and "\x00" not in str(error), f"{what} {name!r}: {error!r}")
        trial.expect(len(str(error)) < 500, f"{what}: a message of {len(str(error))} characters")
    except DynamoError as error:
        trial.expect(False, f"{what} {name!r}: {type(error).__name__}: {error}")
    else:
        trial.expect(False, f"{what} {name!r} is taken")


def program() -> str:
    """A graph whose services have the strangest names that are allowed."""
    lines = ["from __future__ import annotations", "from dynamo_core import depends, endpoint, service", ""]
    for number, name in enumerate(SOUND):
        lines += [
            f"@service(name={name!r})",
            f"class S{number}:",
            "    @endpoint",
            "    async def work(self) -> str:",
            f"        return {name!r}",
            "",
        ]
    edges = [f"    s{number} = depends(S{number})" for number in range(len(SOUND))]
    lines += [
        "@service",
        "class Root:",
        *edges,
        "    @endpoint",
        "    async def ask(self, name: str) -> str:",
    ]
    lines += [f"        return await getattr(self, 's%d' % {SOUND!r}.index(name)).work()", ""]
    return "\n".join(lines)
