"""The rules by which the kit's results become a grade; published as they stand here."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from dynamo_core.provider.grade import GRADES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from dynamo_core.provider.manifest import Manifest

NO_GRADE: Final = GRADES[0]
_HAVING: Final = ("native", "emulated")


class Rule(NamedTuple):
    """What one grade asks for, beside everything that the grades below it do.

    Attributes:
        grade: Its name.
        capabilities: What must be native or emulated, and so is tested.
        meaning: What users can rely on, in words.
    """

    grade: str
    capabilities: tuple[str, ...]
    meaning: str


RULES: Final = (
    Rule(
        "bronze",
        (),
        "what it claims is true: declaration, calls, values, errors, configuration and the life of a service are as "
        "everywhere, and nothing is left behind",
    ),
    Rule(
        "silver",
        ("streams", "sync_endpoints", "cancellation", "deadlines"),
        "every kind of endpoint works, and ends when nobody wants it any more",
    ),
    Rule(
        "gold",
        ("flow_control", "routing", "http", "scale", "rolling_restart"),
        "it can carry traffic: slow readers, HTTP, and changes while it runs",
    ),
    Rule(
        "platinum",
        ("isolation", "environment", "logs", "restart"),
        "it can be left alone: workers are processes of their own, are replaced when they die, and can be looked into",
    ),
)


class Outcome(NamedTuple):
    """How one test ended.

    Attributes:
        part: The class of the kit, such as ``Calls``.
        test: The test's name.
        outcome: ``passed``, ``failed`` or ``skipped``.
        seconds: How long it took.
        lacking: The capability for whose lack it was skipped; empty otherwise.
        message: Why it failed or was skipped; empty when it passed.
    """

    part: str
    test: str
    outcome: str
    seconds: float = 0.0
    lacking: str = ""
    message: str = ""


class Graded(NamedTuple):
    """A grade, and what the next one would take.

    Attributes:
        grade: One of :data:`dynamo_core.provider.grade.GRADES`.
        missing: What stands between it and the next higher grade, one line each.
    """

    grade: str
    missing: tuple[str, ...]


def grade(outcomes: Sequence[Outcome], manifest: Manifest, parts: Sequence[str]) -> Graded:
    """Grade a run of the whole kit.

    A failed test, or a part of which nothing ran although nothing it needs is lacking, gives no grade at all: a grade
    says that a manifest can be believed.

    Args:
        outcomes: How every test ended.
        manifest: What the provider says of itself.
        parts: Every class of the kit; one without an outcome has not run.
    """
    wrong = [f"{each.part}.{each.test} failed" for each in outcomes if each.outcome == "failed"]
    wrong += [f"nothing of {part} ran" for part in parts if not _has_run(part, outcomes)]
    if wrong:
        return Graded(NO_GRADE, tuple(wrong))
    reached = NO_GRADE
    for rule in RULES:
        stated = [manifest.capability(name) for name in rule.capabilities]
        missing = tuple(f"{each.name} is {each.level}" for each in stated if each.level not in _HAVING)
        if missing:
            return Graded(reached, missing)
        reached = rule.grade
    return Graded(reached, ())


def _has_run(part: str, outcomes: Sequence[Outcome]) -> bool:
    """Whether something of a part passed, or all of it needs what the provider lacks."""
    of_part = [each for each in outcomes if each.part == part]
    return any(each.outcome == "passed" for each in of_part) or (
        bool(of_part) and all(each.lacking for each in of_part)
    )


def count_parts(outcomes: Sequence[Outcome]) -> Mapping[str, Mapping[str, Any]]:
    """How many tests of each part passed, failed and were skipped, in the order they ran."""
    counts: dict[str, Counter[str]] = {}
    for each in outcomes:
        counts.setdefault(each.part, Counter(passed=0, failed=0, skipped=0))[each.outcome] += 1
    return {part: dict(count) for part, count in counts.items()}
