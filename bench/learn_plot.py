"""Bars in an SVG, without a library: shares of one, in groups."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape

HEIGHT, LEFT, TOP, BOTTOM, KEY = 320, 50, 40, 40, 70
GROUP, NARROWEST = 150, 640
COLOURS = ("#9aa0a6", "#c9ccd1", "#e8a33d", "#2a7de1")


def plot(groups: Mapping[str, Mapping[str, float]], *, reach: Mapping[str, float]) -> str:
    """A group of bars for each taste, a bar for each model; `reach`: the line to reach, if any."""
    width = max(NARROWEST, LEFT + GROUP * len(groups))
    high = HEIGHT - TOP - BOTTOM
    wide = (width - LEFT) / len(groups)

    def y(share: float) -> float:
        return TOP + high * (1 - share)

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {HEIGHT + KEY}"'
        ' font-family="sans-serif" font-size="12">',
        f'<rect width="{width}" height="{HEIGHT + KEY}" fill="white"/>',
        f'<text x="{LEFT}" y="12">Approval of answers to questions never voted on</text>',
    ]
    for percent in range(0, 101, 25):
        at = y(percent / 100)
        parts.append(f'<line x1="{LEFT}" x2="{width}" y1="{at}" y2="{at}" stroke="#ddd"/>')
        parts.append(f'<text x="{LEFT - 6}" y="{at + 4}" text-anchor="end">{percent} %</text>')
    for number, (name, bars) in enumerate(groups.items()):
        bar = wide * 0.8 / len(COLOURS)
        start = LEFT + number * wide + wide * 0.1
        if name in reach:
            parts.append(
                f'<line x1="{start - wide * 0.05:.1f}" x2="{start + wide * 0.85:.1f}"'
                f' y1="{y(reach[name]):.1f}" y2="{y(reach[name]):.1f}" stroke="#c33"'
                ' stroke-dasharray="5 4"/>'
            )
        for place, share in enumerate(bars.values()):
            x, top = start + place * bar, y(share)
            parts.append(
                f'<rect x="{x:.1f}" y="{top:.1f}" width="{bar - 4:.1f}"'
                f' height="{TOP + high - top:.1f}" fill="{COLOURS[place]}"/>'
                f'<text x="{x + bar / 2 - 2:.1f}" y="{top - 4:.1f}" text-anchor="middle">'
                f"{100 * share:.0f}</text>"
            )
        middle = LEFT + (number + 0.5) * wide
        for line, words in enumerate(name.split(", ")):
            parts.append(
                f'<text x="{middle}" y="{HEIGHT - 20 + 15 * line}" text-anchor="middle">'
                f"{escape(words)}</text>"
            )
    names = list(dict.fromkeys(arm for bars in groups.values() for arm in bars))
    for place, name in enumerate(names):
        x = LEFT + place * NARROWEST / len(COLOURS)
        parts.append(
            f'<rect x="{x}" y="{HEIGHT + 38}" width="12" height="12" fill="{COLOURS[place]}"/>'
            f'<text x="{x + 18}" y="{HEIGHT + 48}">{escape(name)}</text>'
        )
    return "\n".join([*parts, "</svg>\n"])
