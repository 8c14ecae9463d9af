"""States as bytes, for snapshots in the keeper's database: loaded at start-up, so that only what came after is folded.

The bytes are pickled, but nothing beside the keeper's own data types is ever constructed from them. Bytes that another
version of those types wrote are recognised by their shape, and left alone.
"""

from __future__ import annotations

import dataclasses
import hashlib
import io
import pickle
import zlib
from enum import Enum
from types import MappingProxyType
from typing import Any

from keeper.errors import StoreError
from keeper.model import Account, Instrument, Kind, MarginMode, Position, Wad
from keeper.portfolio.carry import Carry, Debit, Funding
from keeper.portfolio.deficits import Deficit, Deficits, Nominee, Realised
from keeper.portfolio.state import Expiry, Spot, State
from keeper.portfolio.table import ParameterTable

__all__ = ["dump_state", "load_state", "shape_of_state"]

_LEVEL = 1
_PACKAGES = ("keeper.model", "keeper.portfolio")


def shape_of_state() -> str:
    """Changes whenever a type inside a state gets other fields."""
    held = (Account, Instrument, Position, Wad, Expiry, Spot, ParameterTable, Carry, Debit, Funding, Deficits, Deficit, Nominee, Realised)
    types = (State, *held)
    described = [(kind.__name__, [(item.name, str(item.type)) for item in dataclasses.fields(kind)]) for kind in types]
    return hashlib.sha256(repr(described).encode()).hexdigest()[:16]


def dump_state(state: State) -> bytes:
    buffer = io.BytesIO()
    pickler = pickle.Pickler(buffer, protocol=pickle.HIGHEST_PROTOCOL)
    # Enumerations by value: some versions of Python pickle them as getattr(type, name), others as type(value).
    pickler.dispatch_table = {MappingProxyType: _reduce_proxy, MarginMode: _reduce_enum, Kind: _reduce_enum}
    pickler.dump(state)
    return zlib.compress(buffer.getvalue(), _LEVEL)


def load_state(content: bytes) -> State:
    """Raises StoreError for bytes that `dump_state` did not write."""
    try:
        state = _Unpickler(io.BytesIO(zlib.decompress(content))).load()
    except (pickle.UnpicklingError, zlib.error, EOFError, AttributeError, TypeError, ValueError, IndexError, KeyError) as error:
        raise StoreError(f"a snapshot cannot be read: {type(error).__name__}: {error}") from error
    if not isinstance(state, State):
        raise StoreError(f"a snapshot is expected to hold a state, got {type(state).__name__}")
    return state


def _proxy(content: dict[Any, Any]) -> MappingProxyType[Any, Any]:
    return MappingProxyType(content)


def _reduce_proxy(proxy: MappingProxyType[Any, Any]) -> tuple[Any, tuple[dict[Any, Any]]]:
    return _proxy, (dict(proxy),)


def _reduce_enum(member: Enum) -> tuple[type[Enum], tuple[Any]]:
    return type(member), (member.value,)


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if module.startswith(_PACKAGES) and "." not in name:
            found = super().find_class(module, name)
            if found is _proxy or (isinstance(found, type) and found.__module__.startswith(_PACKAGES)):
                return found
        raise pickle.UnpicklingError(f"{module}.{name} does not belong into a state")
