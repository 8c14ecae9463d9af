"""The run as one HTML page that works offline: figures by `scripts.demo.figures`, charts drawn by the page's own script.

python -m scripts.demo.page [out]           writes out/report.html anew from out/evidence
"""

from __future__ import annotations

import argparse
import json
import re
import time
from collections.abc import Sequence
from html import escape
from pathlib import Path
from string import Template
from typing import Any

from scripts.anvil import ROOT
from scripts.demo.evidence import Evidence, read_evidence
from scripts.demo.figures import Figures
from scripts.demo.page_sections import heat_map, liquidation_table, mode_bars, money_table, notes, tag, twin_table, with_minus
from scripts.demo.story import Story
from scripts.demo.summary import failures, ledger_operations, summarise

__all__ = ["write_page"]

ASSETS = Path(__file__).parent / "assets"
LEGENDS = {
    "marks": (("dot", "--called", "margin call"), ("dot", "--full", "liquidated"), ("diamond", "--bankrupt", "bankrupt")),
    "bands": (
        ("", "--safe", "health ≥ 1.25"),
        ("", "--called", "margin call, < 1.25"),
        ("", "--partial", "partial, < 1.05"),
        ("", "--full", "under-margined, < 1.00"),
        ("", "--out", "no position left"),
    ),
    "course": (("line", "--accent", "margin equity"), ("line", "--ink", "maintenance margin")),
}


def write_page(evidence: Evidence, story: Story, path: Path) -> Path:
    """Writes the page; returns `path`."""
    page = _Page(evidence, story)
    text = Template((ASSETS / "page.html").read_text()).substitute(
        title=escape(story.title),
        headline=page.headline(),
        lead=page.lead(),
        tiles=page.tiles(),
        sections="\n".join(page.sections()),
        # `</` would end the script element inside a string.
        figures=json.dumps(page.charts, separators=(",", ":")).replace("</", "<\\/"),
        css=(ASSETS / "page.css").read_text(),
        script=(ASSETS / "page.js").read_text(),
        commit=escape(evidence.commit),
        seed=evidence.seed if evidence.seed is not None else "none",
    )
    path.write_text(text)
    return path


class _Page:
    def __init__(self, evidence: Evidence, story: Story) -> None:
        self._evidence = evidence
        self._story = story
        self._figures = Figures(evidence, story)
        self._summary = summarise(evidence)
        self.charts: dict[str, dict[str, Any]] = {}

    # --- head ---

    def headline(self) -> str:
        place = ", replayed on the contracts" if self._story.seed is not None else ", played on the contracts"
        title = re.sub(r"(\d)-(\d)", r"\1–\2", self._story.title)
        return escape(title[0].upper() + title[1:]) + place

    def lead(self) -> str:
        s, prices, opening = self._summary, self._figures.prices(), self._figures.opening_prices()
        drops = []
        for symbol in ("BTC", "ETH"):
            path = prices[symbol]
            low = min(path)
            drops.append(
                f"{symbol} falls from ${opening[symbol]:,.0f} to ${low:,.0f} (<b>{low / opening[symbol] - 1:.0%}</b>)".replace("-", "−")
            )
        hours = (self._evidence.steps[-1].time - self._evidence.steps[0].time) / 3600
        span = f"{hours / 24:.0f} days" if hours >= 72 else f"{hours:.0f} hours" if hours >= 2 else f"{hours * 60:.0f} minutes"
        fate = f"<b>{s['liquidated']}</b> of {len(self._story.traders)} traders are liquidated, {s['bankrupt']} of them bankrupt"
        share = s["insurance_paid"] / (self._evidence.fund["first"] / 1e18) if self._evidence.fund["first"] else 0.0
        fund = f"the insurance fund pays ${s['insurance_paid']:,.0f}, {share:.0%} of what it had"
        if others := sum(amount for _, amount in self._figures.deleveraging()):
            fund += f", winners who are closed at the bankruptcy price ${others:,.0f} (auto-deleveraging)"
        end = "and nobody is left under-margined" if not failures(self._evidence) else "<b>and promises are broken</b>"
        return f"In {span} {drops[0]} and {drops[1]}. {fate}; {fund}; {end}."

    def tiles(self) -> str:
        s, fund = self._summary, self._figures.fund()
        lowest = min(fund["balance"]) if fund["balance"] else 0.0
        speed = s["detect_to_inclusion_ms_p50"]
        unallocated = s["unallocated_deficit"]
        deficit = f"{_money(unallocated)} of deficits unallocated" if unallocated else "no deficit unallocated"
        tiles = (
            ("", f"{s['accounts']}", "accounts, books in three margin modes"),
            ("", f"{s['margin_calls']}", "margin calls: health passed below 1.25"),
            ("", f"{s['liquidated']}<small>{s['bankrupt']} bankrupt</small>", "liquidated on proof"),
            ("", _money(lowest), "left in the fund at its lowest"),
            (_verdict(not s["undermargined_left"] and not unallocated), f"{s['undermargined_left']}", f"left under-margined; {deficit}"),
            ("", "–" if speed is None else _duration(speed), "from price to liquidation in a block, median"),
        )
        return "".join(f'<div class="{kind}"><dt>{label}</dt><dd>{value}</dd></div>' for kind, value, label in tiles)

    # --- sections ---

    def sections(self) -> list[str]:
        found = [self._prices(), self._bands(), self._fund()]
        if self._figures.has_twins():
            found.append(self._twins())
        found += [self._books(), self._liquidations(), self._money(), self._how()]
        return found

    def _prices(self) -> str:
        times, prices, marks = self._figures.times(), self._figures.prices(), self._figures.marks()
        for symbol, colour in (("BTC", "--btc"), ("ETH", "--eth")):
            path = prices[symbol]
            self._chart(
                f"price-{symbol}",
                f"Price of {symbol} with margin calls, liquidations and bankruptcies",
                "price",
                times,
                [{"name": symbol, "colour": colour, "values": _rounded(path), "area": False, "thin": True}],
                height=250,
                points=[self._low(symbol, path)],
                marks=[{**mark, "value": path[mark["step"]]} for mark in marks if mark["symbol"] == symbol],
            )
        panels = "".join(
            f'<div class="panel stack"><h3>{symbol}, USD</h3>{self._slot(f"price-{symbol}")}</div>' for symbol in ("BTC", "ETH")
        )
        return _section(
            "The fall, and whom it took",
            "Spot as the oracle's quorum signed it. A mark sits on the price at which an account passed below a health of 1.25, "
            "was liquidated, or was found with negative equity.",
            _legend("marks") + panels,
        )

    def _low(self, symbol: str, path: Sequence[float]) -> dict[str, Any]:
        """The lowest price, named."""
        low = min(path)
        change = f"{low / self._figures.opening_prices()[symbol] - 1:.0%}".replace("-", "−")
        return {"step": path.index(low), "value": low, "text": f"${low:,.0f}, {change}"}

    def _bands(self) -> str:
        bands = self._figures.bands()
        colours = {"safe": "--safe", "called": "--called", "partial": "--partial", "full": "--full", "out": "--out"}
        names = {"safe": "≥ 1.25", "called": "called", "partial": "< 1.05", "full": "< 1.00", "out": "no position"}
        # The worst at the bottom, where small numbers are read best.
        order = ("full", "partial", "called", "safe", "out")
        self._chart(
            "bands",
            "Accounts per health band",
            "count",
            self._figures.times(),
            [{"name": names[b], "colour": colours[b], "values": bands[b]} for b in order],
            height=270,
            kind="stack",
            low=0,
            high=len(self._story.traders),
        )
        return _section(
            "How healthy the accounts were",
            "Traders by health (margin equity over maintenance margin) the moment each price arrived, by the contracts' full scan. "
            "The red at the bottom is what the keeper then had to deal with; it is gone before the next price.",
            _legend("bands") + self._slot("bands"),
        )

    def _fund(self) -> str:
        fund, times = self._figures.fund(), self._figures.times()
        share = [balance / interest if interest else 0.0 for balance, interest in zip(fund["balance"], fund["interest"], strict=True)]
        total = [b + f for b, f in zip(fund["balance"], fund["fees"], strict=True)]
        self._chart(
            "fund",
            "Insurance fund",
            "usd",
            times,
            [
                {"name": "with fees the house owes it", "colour": "--faint", "values": _rounded(total), "dash": True, "thin": True},
                {"name": "tokens held", "colour": "--good", "values": _rounded(fund["balance"]), "area": True},
            ],
            height=230,
            low=0,
        )
        self._chart(
            "coverage",
            "Insurance fund as a share of open interest",
            "percent",
            times,
            [{"name": "fund / open interest", "colour": "--good", "values": [round(v, 6) for v in share], "area": True}],
            height=230,
            low=0,
        )
        return _section(
            "Who paid for the gap",
            "Where the price jumps past an account's equity, the insurance fund pays the deficit in the same transaction. Fees of all "
            "other liquidations flow into it. It is funded with at most 2 % of open interest.",
            '<div class="pair"><div class="panel"><h3>Insurance fund, USD</h3><p class="sub">Dashed: with the fees collected but not yet '
            f'handed over.</p>{self._slot("fund")}</div><div class="panel"><h3>As a share of open interest</h3>'
            f'<p class="sub">Open interest: all long contracts at spot.</p>{self._slot("coverage")}</div></div>',
        )

    def _twins(self) -> str:
        pair = self._figures.shown_twins()
        twins, alone = [f"{pair}-portfolio", f"{pair}-cross"], self._figures.shown_bankrupt()
        # Twins on one scale: the difference is the message.
        courses = [self._figures.course(name) for name in twins]
        values = [value for course in courses for key in ("equity", "maintenance") for value in course[key]]
        scale = {"low": min(0.0, *values), "high": max(values)}
        panels = "".join(self._course(course, **scale) for course in courses)
        if alone is not None:
            panels += self._course(self._figures.course(alone))
        return _section(
            "The same book, the same cash, two margin modes",
            "Twins hold one book and one deposit, once margined as a portfolio and once position by position. A hedge that counts is the "
            "only difference between them. The third account had no hedge at all, and the price jumped past its equity.",
            _legend("course") + f'<div class="trio">{panels}</div><div style="height:30px"></div>' + twin_table(self._figures.twins()),
        )

    def _course(self, course: dict[str, Any], **scale: float) -> str:
        name = course["name"]
        self._chart(
            f"course-{name}",
            f"Margin equity and maintenance margin of {name}",
            "usd",
            course["times"],
            [
                {"name": "margin equity", "colour": "--accent", "values": _rounded(course["equity"])},
                {"name": "maintenance margin", "colour": "--ink", "values": _rounded(course["maintenance"]), "thin": True},
            ],
            height=230,
            shade=[0, 1],
            **scale,
        )
        return (
            f'<div class="panel"><h3>{escape(course["mode"])} {tag(course["fate"])}</h3>'
            f'<p class="sub">{escape(name)}: {with_minus(escape(course["book"]))}</p>{self._slot(f"course-{name}")}</div>'
        )

    def _books(self) -> str:
        hedged = f"{self._figures.shown_twins()}-portfolio" if self._figures.has_twins() else None
        shown = [name for name in (hedged, self._figures.shown_short_volatility()) if name]
        maps = "".join(f'<div class="panel">{heat_map(self._figures.stress(name))}</div>' for name in shown)
        bars = mode_bars(self._figures.modes(self._figures.mode_examples()))
        return _section(
            "Why: what a book can lose",
            "Profit and loss of two opening books when every price and every volatility is shocked at once. The margin engine scans "
            "35 such scenarios per underlying on chain and asks for the worst; that is what a portfolio account must hold.",
            f'<div class="pair">{maps}</div><div style="height:40px"></div><h3>Initial margin of the same book in the three modes</h3>'
            '<p class="sub">At the opening. ISOLATED and CROSS sum up positions one by one, so they ask the same; ISOLATED also '
            f"refuses a second instrument.</p>{bars}",
        )

    def _liquidations(self) -> str:
        rows = self._figures.liquidations()
        if not rows:
            return _section("Liquidations", "There were none.", "")
        return _section(
            "Every liquidation",
            "Legs move to the liquidator's account at mark. The discount and the fee are paid for the margin requirement that is proven "
            "to be released, and never out of more than the account's own equity. Time runs from the block with the step's price.",
            liquidation_table(rows),
        )

    def _money(self) -> str:
        drift, operations = self._summary["ledger_drift_units"], ledger_operations(self._evidence)
        totals = self._evidence.totals
        rounding = f"{drift} units of 1e-18 USD of rounding after {operations:,} operations, all against accounts"
        checks = [
            (not self._summary["undermargined_left"], "No account is left with health below 1.00"),
            (not self._summary["unallocated_deficit"], "No deficit is left unallocated"),
            (0 <= drift <= operations, f"The ledger adds up: {rounding}"),
            (totals["collateral"] == totals["collateral_recorded"], "Collateral balances sum to what the vault holds, exactly"),
        ]
        return _section("Who bears it, and does it add up", "", money_table(self._figures.money(), checks))

    def _how(self) -> str:
        line = json.dumps(self._summary, indent=1)
        first = time.strftime("%d %B %Y %H:%M", time.gmtime(self._evidence.steps[0].time))
        last = time.strftime("%d %B %Y %H:%M UTC", time.gmtime(self._evidence.steps[-1].time))
        chain = (
            f"{self._evidence.last_block:,} blocks on a local node; every deposit, trade and liquidation is a contract call. "
            "Wall times are those of an observer that only watches blocks."
        )
        material = (
            "Logs, views and block times lie beside this page in evidence/; make verify-evidence decodes them anew and recomputes the "
            "figures below without the keeper's code."
        )
        path = f"{first} to {last}, {len(self._evidence.steps)} prices."
        facts = [("Path", path), *_explained(self._story.notes), ("Chain", chain), ("Evidence", material)]
        return _section("How it was made", "", notes(facts) + f"<pre>{escape(line)}</pre>")

    # --- pieces ---

    def _chart(
        self,
        key: str,
        label: str,
        format_: str,
        times: Sequence[float],
        series: list[dict[str, Any]],
        **extra: Any,
    ) -> None:
        self.charts[key] = {"label": label, "format": format_, "times": list(times), "series": series, **extra}

    @staticmethod
    def _slot(key: str) -> str:
        return f'<div class="chart" data-chart="{escape(key)}"></div>'


def _section(title: str, text: str, content: str) -> str:
    paragraph = f"<p>{text}</p>" if text else ""
    return f"<section><h2>{title}</h2>{paragraph}{content}</section>"


def _legend(name: str) -> str:
    items = "".join(
        f'<li><i class="{shape}" style="{"box-shadow:inset 0 0 0 2.5px" if label == "margin call" else "background:"}'
        f'{" " if label == "margin call" else ""}var({colour})"></i>{label}</li>'
        for shape, colour, label in LEGENDS[name]
    )
    return f'<ul class="legend">{items}</ul>'


def _explained(texts: Sequence[str]) -> list[tuple[str, str]]:
    """`Topic: text` as (topic, text)."""
    parts = (note.partition(": ") for note in texts)
    return [(topic, text[:1].upper() + text[1:]) for topic, _, text in parts]


def _rounded(values: Sequence[float]) -> list[float]:
    return [round(value, 2) for value in values]


def _money(amount: float) -> str:
    return f"${amount / 1e6:,.2f}m" if abs(amount) >= 1e6 else f"${amount / 1e3:,.0f}k" if abs(amount) >= 1e4 else f"${amount:,.0f}"


def _duration(milliseconds: float) -> str:
    return f"{milliseconds / 1e3:.1f}<small>s</small>" if milliseconds >= 1e3 else f"{milliseconds:.0f}<small>ms</small>"


def _verdict(good: bool) -> str:
    return "good" if good else "bad"


def main() -> None:
    from scripts.demo.__main__ import story_of  # noqa: PLC0415 - the demo writes the page

    parser = argparse.ArgumentParser(prog="python -m scripts.demo.page", description="Writes the report anew from a run's evidence.")
    parser.add_argument("folder", type=Path, nargs="?", default=ROOT / "out")
    folder: Path = parser.parse_args().folder
    evidence = read_evidence(folder)
    print(write_page(evidence, story_of(evidence.story), folder / "report.html"))


if __name__ == "__main__":
    main()
