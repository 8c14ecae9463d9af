"""Tables, heat maps and bars of the page as HTML. Take plain rows, know nothing of the chain."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

__all__ = ["heat_map", "liquidation_table", "mode_bars", "money_table", "notes", "tag", "twin_table", "with_minus"]

HEAT_DEPTH = 0.82  # opacity of the strongest cell
WORST_FIRST = ("left", "bankrupt", "full", "partial", "survived")
MODES = (("portfolio", "--accent"), ("cross", "--strong"), ("isolated", "--strong"))


def liquidation_table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Who, tier, health, legs and prices, cost, how fast."""
    body = []
    for r in rows:
        legs = "<br>".join(
            f"{leg['size']:+,.3f} {escape(leg['instrument'])} <small>at</small> {_usd(leg['price'], 2)}" for leg in r["legs"]
        )
        cost = r["payment"] + r["fee"]
        share = f"<br><small>{cost / r['release']:.1%} of {_usd(r['release'])}</small>" if r["release"] > 0 else ""
        fund = _usd(r["fund"]) if r["fund"] else "–"
        body.append(
            f"<tr><td>{_clock(r['time'])}</td><td class=name>{escape(r['account'])}<br><small>{r['mode']}</small></td>"
            f"<td>{tag(r['tier'])}</td><td class=n>{_health(r['before'])} → {_health(r['after'])}</td>"
            f"<td class=legs>{with_minus(legs)}</td>"
            f"<td class=n>{_usd(cost)}{share}</td><td class=n>{fund}</td><td class=n>{r['milliseconds']:,.0f} ms</td></tr>"
        )
    head = (
        "<th>UTC</th><th>account</th><th>tier</th><th class=n>health</th><th>legs taken, at mark</th><th class=n>discount and fee</th>"
        "<th class=n>fund paid</th><th class=n>after</th>"
    )
    return _table(head, body, tall=True)


def twin_table(pairs: Sequence[Mapping[str, Any]]) -> str:
    """One row per pair: lowest health, equity and fate in both modes."""
    body = []
    for pair in pairs:
        cells = "".join(
            f"<td>{tag(twin['fate'])}</td><td class=n>{_health(twin['lowest'])}</td><td class=n>{_usd(twin['last'])}</td>"
            for twin in (pair["portfolio"], pair["cross"])
        )
        book = with_minus(escape(pair["book"]).replace(", ", "<br>"))
        first = _usd(pair["portfolio"]["first"])
        body.append(f"<tr><td class=name>{escape(pair['name'])}</td><td><small>{book}</small></td><td class=n>{first}</td>{cells}</tr>")
    head = (
        "<th>twins</th><th>book of each</th><th class=n>equity<br>at first</th><th>in PORTFOLIO</th><th class=n>lowest<br>health</th>"
        "<th class=n>equity<br>at last</th><th>in CROSS</th><th class=n>lowest<br>health</th><th class=n>equity<br>at last</th>"
    )
    return _table(head, body)


def heat_map(stress: Mapping[str, Any]) -> str:
    """Profit and loss per spot shock (columns) and vol shock (rows)."""
    worst = max(abs(value) for row in stress["grid"] for value in row) or 1.0
    scale = max(worst, 1e-9)
    rows = []
    for vol, values in zip(stress["vols"], stress["grid"], strict=True):
        cells = "".join(_cell(value, scale, here=vol == 0.0 and spot == 0.0) for spot, value in zip(stress["spots"], values, strict=True))
        rows.append(f"<tr><th class=side>{_percent(vol)}</th>{cells}</tr>")
    head = "".join(f"<th>{_percent(spot)}</th>" for spot in stress["spots"])
    return (
        f"<h3>{escape(stress['name'])} {tag(stress['fate'])}</h3><p class=sub>{with_minus(escape(stress['book']))}</p>"
        "<div class=heat><div class=scroll><table>"
        f"<thead><tr><th class=side>vol</th>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table></div><p class=caption>Thousand USD. "
        f"Columns: spot, rows: implied vol. Margin equity {_usd(stress['equity'])}; {stress['mode']} asks for "
        f"{_usd(stress['maintenance'])} of maintenance margin.</p></div>"
    )


def mode_bars(rows: Sequence[Mapping[str, Any]]) -> str:
    """Initial margin per mode, one scale for all books of the list relative to their own largest."""
    found = []
    for row in rows:
        largest = max(row[mode] for mode, _ in MODES) or 1.0
        bars = "".join(
            f'<div class=bar><i style="--share:{row[mode] / largest:.3f};background:var({colour})"></i>'
            f"<b>{_usd(row[mode])}</b> <em>{mode.upper()}, {row[mode] / row['notional']:.1%}<span> of notional</span></em></div>"
            for mode, colour in MODES
        )
        book = with_minus(escape(row["book"]))
        found.append(f"<div class=label>{escape(row['name'])}<small>{book}</small></div><div>{bars}</div>")
    return f"<div class=bars>{''.join(found)}</div>"


def money_table(rows: Sequence[tuple[str, float]], checks: Sequence[tuple[bool, str]]) -> str:
    money = [f"<tr><td>{escape(label)}</td><td class=n>{_usd(amount)}</td></tr>" for label, amount in rows]
    marks = []
    for kept, text in checks:
        verdict = f'<span class="tag {"survived" if kept else "full"}">{"holds" if kept else "broken"}</span>'
        marks.append(f"<tr><td class=wide>{verdict}&ensp;{escape(text)}</td></tr>")
    left = f"<div class=scroll><table><tbody>{''.join(money)}</tbody></table></div>"
    right = f"<div class=scroll><table><tbody>{''.join(marks)}</tbody></table></div>"
    return f"<div class=pair><div class=panel>{left}</div><div class=panel>{right}</div></div>"


def notes(facts: Sequence[tuple[str, str]]) -> str:
    return "<dl class=notes>" + "".join(f"<dt>{escape(topic)}</dt><dd>{escape(text)}</dd>" for topic, text in facts) + "</dl>"


def _table(head: str, body: Sequence[str], *, tall: bool = False) -> str:
    height = " tall" if tall else ""
    return f'<div class="scroll{height}"><table><thead><tr>{head}</tr></thead><tbody>{"".join(body)}</tbody></table></div>'


def _cell(value: float, scale: float, *, here: bool) -> str:
    # The square root keeps small losses visible beside a large one.
    depth = HEAT_DEPTH * (abs(value) / scale) ** 0.5
    colour = "var(--loss)" if value < 0 else "var(--gain)"
    text = "0" if abs(value) < 50 else with_minus(f"{value / 1e3:+,.1f}" if abs(value) < 9_950 else f"{value / 1e3:+,.0f}")
    marked = " class=here" if here else ""
    return f'<td{marked} style="background:rgba({colour},{depth:.2f})">{text}</td>'


def tag(fate: str) -> str:
    """A fate as a coloured word; the colour is that of the worst in it."""
    kind = next((kind for kind in WORST_FIRST if kind in fate), "")
    return f'<span class="tag {escape(kind)}">{escape(fate)}</span>'


def _usd(amount: float, digits: int = 0) -> str:
    return f"{'−' if round(amount, digits) < 0 else ''}${abs(amount):,.{digits}f}"


def _health(value: float | None) -> str:
    return "∞" if value is None else with_minus(f"{value:.2f}")


def _percent(share: float) -> str:
    return with_minus(f"{share:+.0%}") if share else "0"


def with_minus(text: str) -> str:
    """Signs as signs: a hyphen before a digit."""
    return "".join(
        "−" if c == "-" and text[i + 1 : i + 2].isdigit() and (i == 0 or text[i - 1] in " >(") else c for i, c in enumerate(text)
    )


def _clock(seconds: int) -> str:
    return time.strftime("%d %b %H:%M", time.gmtime(seconds))
