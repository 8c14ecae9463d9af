"""The committed table is what the generator writes, and says what it claims to: prices inside of their bounds."""

from __future__ import annotations

import json

from scripts.generate_price_vectors import TARGET, rows


def test_the_committed_table_is_generated() -> None:
    committed = json.loads(TARGET.read_text())
    assert committed == rows()
    assert {len(column) for column in committed.values()} == {256}


def test_every_row_is_free_of_arbitrage() -> None:
    """Not by the generator's own formula: parity to the last digit, and prices between intrinsic value and forward or strike."""
    table = rows()
    columns = (map(int, table[key]) for key in ("forward", "strike", "call", "put"))
    for name, forward, units, call, put in zip(table["name"], *columns, strict=True):
        strike = units * 10**10
        assert abs(call - put - (forward - strike)) <= 1, name
        assert max(0, forward - strike) - 1 <= call <= forward, name
        assert max(0, strike - forward) - 1 <= put <= strike, name
