"""Figures with values that are easy to reckon with."""

from __future__ import annotations

from typing import Any

from benchmarks.figures import Figure

NAMES = {"floor": "floor", "circus": "ours, on circus", "bento": "BentoML", "ray_serve": "Ray <Serve>"}


def time_figure(**changes: Any) -> Figure:
    """Microseconds: the floor takes 100, ours 120."""
    fields: dict[str, Any] = {
        "part": "calls",
        "place": "apart",
        "work": "one at a time",
        "unit": "µs",
        "values": {"floor": [90.0, 100.0, 110.0], "circus": [119.0, 120.0, 150.0]},
        "base": "floor",
        "budget": 1.3,
    }
    return Figure(**{**fields, **changes})


def rate_figure(**changes: Any) -> Figure:
    """Calls a second: the floor makes 1000, ours 600."""
    fields: dict[str, Any] = {
        "part": "calls",
        "place": "apart",
        "work": "64 in flight",
        "unit": "calls/s",
        "more_is_better": True,
        "values": {"floor": [1000.0], "circus": [600.0]},
        "base": "floor",
        "budget": 0.5,
    }
    return Figure(**{**fields, **changes})
