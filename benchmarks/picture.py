"""Figures as a picture: bars on a logarithmic scale, as SVG that needs nothing else."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from html import escape

from benchmarks.figures import Figure, number

WIDTH = 860
LABELS = 230
BARS = 480
BAR = 18
GAP = 34
OURS = "#0b6e4f"
OTHER = "#9aa5b1"
BASE = "#52606d"


def to_svg(figures: Sequence[Figure], names: dict[str, str], title: str) -> str:
    """A panel for each figure, a bar for each side that has a value.

    Args:
        figures: What to show.
        names: What sides are called, by side; only these are shown, in this order.
        title: What it is about.
    """
    parts: list[str] = []
    top = 44
    for figure in figures:
        panel = list(_panel(figure, names, top))
        parts += panel
        top += GAP + BAR * sum(figure.median(side) is not None for side in names) + 14
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {top}" width="{WIDTH}" height="{top}" '
        f'font-family="system-ui, sans-serif" font-size="12" role="img" aria-label="{escape(title)}">'
    )
    return "\n".join(
        [
            head,
            f'<rect width="{WIDTH}" height="{top}" fill="#ffffff"/>',
            f'<text x="16" y="24" font-size="15" font-weight="600" fill="#1f2933">{escape(title)}</text>',
            *parts,
            "</svg>\n",
        ]
    )


def _panel(figure: Figure, names: dict[str, str], top: int) -> Iterator[str]:
    medians = {side: median for side in names if (median := figure.median(side)) is not None}
    if not medians:
        return
    better = "more is better" if figure.more_is_better else "less is better"
    place = f", {figure.place}" if figure.place else ""
    yield (
        f'<text x="16" y="{top + 14}" font-weight="600" fill="#1f2933">{escape(figure.work + place)}'
        f'<tspan font-weight="400" fill="#52606d"> ({escape(figure.unit)}, {better}, logarithmic)</tspan></text>'
    )
    drawn = [median for median in medians.values() if median > 0] or [1.0]
    low = 10 ** math.floor(math.log10(min(drawn) / 1.5))
    span = math.log10(max(drawn) / low) or 1.0
    y = top + 22
    for side, median in medians.items():
        length = max(2.0, BARS * math.log10(median / low) / span) if median > 0 else 2.0
        colour = OURS if side in {figure.ours, "transport"} else BASE if side == figure.base else OTHER
        yield (
            f'<text x="{LABELS - 8}" y="{y + 13}" text-anchor="end" fill="#1f2933">{escape(names[side])}</text>'
            f'<rect x="{LABELS}" y="{y + 2}" width="{length:.1f}" height="{BAR - 4}" rx="2" fill="{colour}"/>'
            f'<text x="{LABELS + length + 6:.1f}" y="{y + 13}" fill="#1f2933">{number(median)}'
            f"{_ratio(figure, side)}</text>"
        )
        y += BAR


def _ratio(figure: Figure, side: str) -> str:
    ratio = figure.ratio(side)
    return f"  ({number(ratio)}×)" if ratio is not None and side != figure.base else ""
