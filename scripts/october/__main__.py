"""10 October 2025 on a local node: a crowd, a fall of 30 % in 20 minutes, a fund that is too small, and who pays.

    python -m scripts.october [--accounts 10000] [--fund 50000] [--output out/october.md]        (make october)

Prints and writes a table that compares auto-deleveraging by the contracts with a greedy queue and with a pro-rata scheme on the same
deficits, and beside it the figures as JSON, whose sums are the last line. Exit code 1 where a deficit is left, anybody paid more than
the shortfall and its rounding, or an account is below zero.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path

from scripts.anvil import ROOT
from scripts.october.play import Evening, play
from scripts.processes import exit_on_sigterm

__all__ = ["main", "page", "summary"]

WAD = 10**18
COLUMNS = {
    "DPRE": "DPRE, on chain",
    "greedy": "greedy queue, whole positions",
    "pro rata": "pro rata of all winners",
}


def summary(evening: Evening) -> dict[str, object]:
    """The last line: totals in USD from the events, drift in 1e-18 USD."""
    shortfall = sum(each.shortfall for each in evening.deficits)
    return {
        "accounts": evening.accounts,
        "bankrupt": evening.bankrupt,
        "deficits": len(evening.deficits),
        "shortfall": round(shortfall / WAD, 2),
        "fund": round(sum(each.fund for each in evening.deficits) / WAD, 2),
        "haircut": round(sum(each.haircut for each in evening.deficits) / WAD, 2),
        "shared": round(sum(each.shared for each in evening.deficits) / WAD, 2),
        "lost_by_others": round(evening.lost, 2),
        "unpaid_units": max((abs(each.left) for each in evening.deficits), default=0),
        "left_open": evening.left_open,
        "negative_after": evening.negative_after,
        "drift_units": evening.drift,
        **{f"{name.replace(' ', '_').lower()}_haircut": round(each.haircut, 2) for name, each in evening.schemes.items()},
    }


def page(evening: Evening) -> str:
    """Markdown."""
    shortfall = sum(each.shortfall for each in evening.deficits) / WAD
    fund = sum(each.fund for each in evening.deficits) / WAD
    rows = [
        ("haircut of the winners, USD", [f"{each.haircut:,.0f}" for each in evening.schemes.values()]),
        ("of what was needed", [f"{each.haircut / max(shortfall - fund, 1e-9):.1%}" for each in evening.schemes.values()]),
        ("people who paid", [f"{each.touched:,}" for each in evening.schemes.values()]),
        ("people with a position closed", [f"{each.closed:,}" for each in evening.schemes.values()]),
        ("hedges broken (net delta grew)", [f"{each.hedges_broken:,}" for each in evening.schemes.values()]),
        ("delta left unhedged, USD", [f"{each.unhedged:,.0f}" for each in evening.schemes.values()]),
    ]
    shared = sum(each.shared for each in evening.deficits) / WAD
    unpaid = max((abs(each.left) for each in evening.deficits), default=0)
    made_by = (
        f"Made by `python -m scripts.october --accounts {evening.accounts} --fund {evening.fund:.0f}` (`make october`): "
        f"{evening.accounts:,} accounts with {2 * evening.fills:,} positions in the ETH and BTC perpetuals and a BTC future, opened "
        "through signed orders on a local node; then 30 % down in 20 minutes while no liquidator bids. Orders, prices, liquidations and "
        f"every step of auto-deleveraging are transactions: {evening.transactions:,}, {evening.gas / 1e9:.1f} Ggas."
    )
    state = (
        f"At the low {evening.bankrupt:,} accounts owe {evening.shortfall:,.0f} USD. Liquidators take {evening.liquidated:,} of them "
        f"while the fund of {evening.fund:,.0f} USD can pay what is missing. The other {len(evening.deficits):,} are deficits of "
        f"together {shortfall:,.0f} USD, of which the fund's rest pays {fund:,.0f}."
    )
    index = (
        f"Of DPRE's haircut {shared:,.0f} USD went through the loss index: what no nominated winner could be closed for without falling "
        "under its maintenance margin. Whoever holds that side pays it in proportion to size, and keeps the position."
    )
    exactness = (
        f"What was paid and the shortfall, account by account: never further apart than {unpaid:,} units of 1e-18 USD (allowed for "
        f"rounding there: {max((each.allowed for each in evening.deficits), default=0):,}). By the margin of everybody else before and "
        f"after they lost {evening.lost:,.2f} USD together. Deficits left open: {evening.left_open}. Accounts below zero afterwards: "
        f"{evening.negative_after}. Drift of the ledger: {evening.drift} units."
    )
    others = (
        "The two other columns are computed on the same state, the same deficits and the same scores (`scripts/october/schemes.py`): "
        "the greedy queue closes whole positions from the top, one deficit after the other as on those venues, so that the last one for "
        "each leg is closed beyond it, at the same bankruptcy price; pro rata closes the same share of every "
        "winner on the other side, whether it is a hedge or not."
    )
    lines = [
        "# 10 October 2025, replayed with auto-deleveraging",
        "",
        made_by,
        "",
        state,
        "",
        "| | " + " | ".join(COLUMNS[name] for name in evening.schemes) + " |",
        "|---|" + "---|" * len(evening.schemes),
        *(f"| {name} | " + " | ".join(values) + " |" for name, values in rows),
        "",
        index,
        "",
        exactness,
        "",
        others,
    ]
    return "\n".join(lines) + "\n"


def main() -> int:
    exit_on_sigterm()
    parser = argparse.ArgumentParser(prog="python -m scripts.october", description="Auto-deleveraging on the evening of 10 October 2025.")
    parser.add_argument("--accounts", type=int, default=10_000)
    parser.add_argument("--fund", type=float, help="USD; 5 per account where not given")
    parser.add_argument("--output", type=Path, default=ROOT / "out" / "october.md")
    options = parser.parse_args()
    if options.accounts < 40:
        parser.error(f"expected at least 40 accounts, got {options.accounts}")
    started = time.monotonic()
    fund = 5.0 * options.accounts if options.fund is None else options.fund
    evening = play(options.accounts, ROOT / "out" / "october", fund, lambda text: print(text, flush=True))
    options.output.parent.mkdir(parents=True, exist_ok=True)
    options.output.write_text(page(evening))
    options.output.with_suffix(".json").write_text(json.dumps(evening.document(), indent=1))
    print(page(evening))
    print(f"{time.monotonic() - started:.0f} s, evidence in {options.output.with_suffix('.json').name}")
    print(json.dumps(summary(evening)))
    return 0 if evening.exact and not (evening.left_open or evening.negative_after) else 1


if __name__ == "__main__":
    sys.exit(main())
