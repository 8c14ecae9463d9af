"""The database: snapshots that are sound or ignored, damage that is noticed and costs no journal."""

from __future__ import annotations

from pathlib import Path

import pytest

from keeper.chain import Block, Store
from keeper.errors import DamagedError
from keeper.execution import Call, Journal

PAGE = 4096


def filled(path: Path, blocks: int = 400) -> None:
    store = Store(path, "test", exclusive=True)
    store.append([Block(number, f"0x{number:064x}", f"0x{number - 1:064x}", number) for number in range(1, blocks)], [])
    journal = Journal(store.connection)
    for number in range(50):
        call = Call("0x" + "11" * 20, bytes(500), "liquidate", number)
        journal.prepare(call, "c", number, (f"0x{number:064x}", bytes(200)), 21_000, (2, 1), 0.0, 0.0)
    store.close()


def test_damage_is_noticed_and_the_journal_comes_over(tmp_path: Path) -> None:
    path = tmp_path / "keeper.sqlite"
    filled(path)
    content = bytearray(path.read_bytes())
    # The pages of `blocks`: each is torn in the middle.
    for page in range(2, 8):
        content[page * PAGE + 100 : page * PAGE + 1200] = b"\xff" * 1100
    path.write_bytes(content)
    with pytest.raises(DamagedError, match="move it away"):
        Store(path, "test")
    store, aside = Store.open_or_rebuild(path, "test", exclusive=True)
    assert aside is not None
    assert aside.exists()
    assert store.cursor() is None, "the chain is read anew"
    assert len(Journal(store.connection).open_entries()) > 0
    store.close()
    again, aside = Store.open_or_rebuild(path, "test", exclusive=True)
    assert aside is None
    again.close()


def test_a_file_that_is_none_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "keeper.sqlite"
    path.write_bytes(b"rubbish" * 1000)
    store, aside = Store.open_or_rebuild(path, "test")
    assert aside is not None
    assert store.cursor() is None
    store.close()


def test_snapshots_are_given_only_while_sound_and_on_the_chain() -> None:
    store = Store(":memory:", "test")
    blocks = [Block(number, f"0x{number}", "", number) for number in range(1, 5)]
    store.append(blocks, [])
    for block in blocks:
        store.save_snapshot(block, "shape", b"state %d" % block.number)
    assert list(store.snapshots("shape")) == [(4, b"state 4"), (3, b"state 3")]
    assert list(store.snapshots("another shape")) == []
    store.connection.execute("UPDATE snapshots SET state = ? WHERE block = 4", (b"state 5",))
    assert list(store.snapshots("shape")) == [(3, b"state 3")]
    store.roll_back(2)
    assert list(store.snapshots("shape")) == []
