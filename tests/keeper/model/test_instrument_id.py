"""Instrument ids against the layout drawn in contracts/types/InstrumentId.sol."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keeper.errors import InstrumentError
from keeper.model import Instrument, Kind

expiries = st.integers(1, 2**32 - 1)
strikes = st.integers(1, 2**64 - 1)
instruments = st.one_of(
    st.builds(lambda u: Instrument(Kind.PERP, u), st.integers(0, 255)),
    st.builds(lambda u, e: Instrument(Kind.FUTURE, u, e), st.integers(0, 255), expiries),
    st.builds(Instrument, st.sampled_from([Kind.CALL, Kind.PUT]), st.integers(0, 255), expiry=expiries, strike_units=strikes),
)


@given(instruments)
def test_pack_and_unpack_are_inverse(instrument: Instrument) -> None:
    word = instrument.pack()
    assert 0 <= word < 2**112
    assert Instrument.unpack(word) == instrument


def is_canonical(word: int) -> bool:
    """The rule of `isCanonical` in contracts/types/InstrumentId.sol."""
    kind, expiry, strike = word >> 104, word >> 64 & 0xFFFFFFFF, word & 0xFFFFFFFFFFFFFFFF
    if kind == 0:
        return expiry == 0 and strike == 0
    return kind <= 3 and expiry != 0 and (strike != 0) == (kind >= 2)


sparse_words = st.builds(
    lambda kind, underlying, expiry, strike: kind << 104 | underlying << 96 | expiry << 64 | strike,
    st.integers(0, 5),
    st.integers(0, 255),
    st.sampled_from([0, 1, 2**32 - 1]),
    st.sampled_from([0, 1, 2**64 - 1]),
)


@given(st.one_of(sparse_words, st.integers(0, 2**112 - 1)))
def test_a_word_names_an_instrument_exactly_when_canonical(word: int) -> None:
    if is_canonical(word):
        assert Instrument.unpack(word).pack() == word
    else:
        with pytest.raises(InstrumentError, match="expected"):
            Instrument.unpack(word)


def test_fields_are_where_the_contract_has_them() -> None:
    word = Instrument.put(7, 0x6B49D200, Decimal("0.00000003")).pack()
    assert word == int("03" + "07" + "6b49d200" + "0000000000000003", 16)
    assert Instrument.perp(255).pack() == 255 << 96


def test_strikes_mean_the_decimal_number_that_was_written() -> None:
    assert Instrument.call(0, 1, 0.1).strike_units == 10_000_000
    assert Instrument.call(0, 1, "58.00000001").strike == 58.00000001
    for strike in (0, -1, "1e-9", 2**64, float("nan"), float("inf"), "x"):
        with pytest.raises(InstrumentError, match="strike"):
            Instrument.call(0, 1, strike)


@pytest.mark.parametrize(
    "word",
    [
        pytest.param(1, id="perp with a strike"),
        pytest.param(1 << 64, id="perp with an expiry"),
        pytest.param(1 << 104, id="future without expiry"),
        pytest.param(1 << 104 | 5 << 64 | 1, id="future with a strike"),
        pytest.param(2 << 104 | 5 << 64, id="call without strike"),
        pytest.param(3 << 104 | 1, id="put without expiry"),
        pytest.param(4 << 104 | 5 << 64 | 1, id="unknown kind"),
        pytest.param(1 << 112, id="too wide"),
        pytest.param(-1, id="negative"),
    ],
)
def test_words_that_name_nothing(word: int) -> None:
    with pytest.raises(InstrumentError, match="expected"):
        Instrument.unpack(word)


def test_underlying_must_fit_a_byte() -> None:
    for underlying in (-1, 256):
        with pytest.raises(InstrumentError, match="underlying"):
            Instrument.perp(underlying)
