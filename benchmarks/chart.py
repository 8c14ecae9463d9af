"""Time against positions, both logarithmic, as an SVG written by hand: no plotting library for eight lines."""

from __future__ import annotations

import math
from pathlib import Path

__all__ = ["draw"]

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 900, 480, 80, 330, 30, 50
COLOURS = ("#1b6ca8", "#4aa3df", "#c0392b", "#e08e0b", "#7d3c98", "#2e8b57", "#555555", "#a0522d")


def draw(contenders: dict[str, dict[int, float]], path: Path) -> None:
    """contenders: name -> {positions: seconds}."""
    points = [(p, s) for line in contenders.values() for p, s in line.items()]
    decades_x = range(math.floor(math.log10(min(p for p, _ in points))), math.ceil(math.log10(max(p for p, _ in points))) + 1)
    decades_y = range(math.floor(math.log10(min(s for _, s in points))), math.ceil(math.log10(max(s for _, s in points))) + 1)

    def x(positions: float) -> float:
        return LEFT + (math.log10(positions) - decades_x[0]) / max(1, len(decades_x) - 1) * (WIDTH - LEFT - RIGHT)

    def y(seconds: float) -> float:
        return HEIGHT - BOTTOM - (math.log10(seconds) - decades_y[0]) / max(1, len(decades_y) - 1) * (HEIGHT - TOP - BOTTOM)

    svg = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" font-size="12">']
    svg.append(f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>')
    for decade in decades_x:
        svg.append(f'<line x1="{x(10.0**decade):.1f}" x2="{x(10.0**decade):.1f}" y1="{TOP}" y2="{HEIGHT - BOTTOM}" stroke="#e4e4e4"/>')
        svg.append(f'<text x="{x(10.0**decade):.1f}" y="{HEIGHT - BOTTOM + 18}" text-anchor="middle">1e{decade}</text>')
    for decade in decades_y:
        svg.append(f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y(10.0**decade):.1f}" y2="{y(10.0**decade):.1f}" stroke="#e4e4e4"/>')
        svg.append(f'<text x="{LEFT - 8}" y="{y(10.0**decade) + 4:.1f}" text-anchor="end">{_duration(decade)}</text>')
    svg.append(f'<text x="{(LEFT + WIDTH - RIGHT) / 2}" y="{HEIGHT - 10}" text-anchor="middle">positions (accounts: a tenth)</text>')
    svg.append(f'<text x="{LEFT}" y="18">time per tick, least of repeats</text>')
    for number, (name, line) in enumerate(sorted(contenders.items(), key=lambda item: -max(item[1].values()))):
        colour, ordered = COLOURS[number % len(COLOURS)], sorted(line.items())
        svg.append(
            f'<polyline fill="none" stroke="{colour}" stroke-width="2" points="{" ".join(f"{x(p):.1f},{y(s):.1f}" for p, s in ordered)}"/>'
        )
        svg += [f'<circle cx="{x(p):.1f}" cy="{y(s):.1f}" r="3" fill="{colour}"/>' for p, s in ordered]
        svg.append(f'<rect x="{WIDTH - RIGHT + 20}" y="{TOP + 22 * number}" width="14" height="4" fill="{colour}"/>')
        svg.append(f'<text x="{WIDTH - RIGHT + 40}" y="{TOP + 6 + 22 * number}">{name}</text>')
    path.write_text("\n".join([*svg, "</svg>", ""]))


def _duration(decade: int) -> str:
    value, unit = (10.0**decade, "s") if decade >= 0 else (10.0 ** (decade + 3), "ms") if decade >= -3 else (10.0 ** (decade + 6), "us")
    return f"{value:g} {unit}"
