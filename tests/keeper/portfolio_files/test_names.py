"""Instrument names there and back."""

from datetime import UTC, datetime

import pytest

from keeper.errors import InstrumentError
from keeper.model import Instrument
from keeper.portfolio_files import instrument_of, name_of

MARCH = int(datetime(2026, 3, 27, 8, tzinfo=UTC).timestamp())


@pytest.mark.parametrize(
    ("name", "instrument"),
    [
        ("BTC-PERPETUAL", Instrument.perp(1)),
        ("ETH-27MAR26", Instrument.future(0, MARCH)),
        ("BTC-27MAR26-98000-C", Instrument.call(1, MARCH, 98_000)),
        ("ETH-27MAR26-1850.5-P", Instrument.put(0, MARCH, "1850.5")),
        ("ETH-6FEB26-1900-P", Instrument.put(0, int(datetime(2026, 2, 6, 8, tzinfo=UTC).timestamp()), 1900)),
    ],
)
def test_there_and_back(name: str, instrument: Instrument) -> None:
    assert instrument_of(name) == instrument
    assert name_of(instrument) == name


@pytest.mark.parametrize(
    "name",
    [
        "",
        "BTC",
        "BTC-27MAR26-98000",
        "BTC-27MAR26-98000-X",
        "SOL-PERPETUAL",
        "BTC-31FEB26",
        "BTC-27XXX26",
        "btc-perpetual",
        "BTC-27MAR26-1.2.3-C",
    ],
)
def test_other_names_are_refused(name: str) -> None:
    with pytest.raises(InstrumentError):
        instrument_of(name)


def test_what_a_name_cannot_say_is_refused() -> None:
    with pytest.raises(InstrumentError, match="08:00"):
        name_of(Instrument.future(0, MARCH + 1))
    with pytest.raises(InstrumentError, match="underlying"):
        name_of(Instrument.perp(7))
