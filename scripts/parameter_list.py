"""The governed scalars by name, read from where they are declared: the enum `Parameter` of contracts/types/Parameter.sol."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation, localcontext
from functools import cache
from pathlib import Path

__all__ = ["PARAMETER_FILE", "GovernedParameter", "ParameterListError", "Unit", "governed_parameters"]

PARAMETER_FILE = Path(__file__).resolve().parents[1] / "contracts" / "types" / "Parameter.sol"

_ENUM = re.compile(r"enum Parameter \{\n(.*?)\n\}", re.DOTALL)
_MEMBER = re.compile(r"(?P<name>[A-Z][A-Z0-9_]*),? // \[(?P<unit>[^]]+)\] (?P<meaning>.+)")
_SECTION = re.compile(r"// (?P<title>[^\[].*)")
_FIRST_SCALARS = 64
_FURTHER_SCALARS_AT = 153
_PRECISION = 100  # digits; a stored word has 78


class ParameterListError(ValueError):
    """A line of the declaration, or a value typed for a parameter, is not of the expected form."""


@dataclass(frozen=True, slots=True)
class Unit:
    """tag: as in the declaration; decimals: of the stored integer."""

    tag: str
    decimals: int

    def parse(self, text: str) -> int:
        """The stored integer for a number as a person types it. Raises ParameterListError unless it can be stored exactly."""
        with localcontext(prec=_PRECISION):
            try:
                stored = Decimal(text).scaleb(self.decimals)
            except InvalidOperation:
                raise ParameterListError(f"expected a number, got {text!r}") from None
            if not stored.is_finite() or stored < 0 or stored >= 2**256 or stored != stored.to_integral_value():
                kind = f"at most {self.decimals} decimals" if self.decimals else "no decimals"
                raise ParameterListError(f"expected a number >= 0 with {kind} [{self.tag}], got {text!r}")
            return int(stored)

    def show(self, stored: int) -> str:
        """Thousands with commas, no trailing zeros, the unit unless it is a ratio."""
        with localcontext(prec=_PRECISION):
            number = f"{Decimal(stored).scaleb(-self.decimals).normalize():,f}"
        return number if self.tag in ("1", "count") else f"{number} {self.tag}"


@dataclass(frozen=True, slots=True)
class GovernedParameter:
    """index: position in the enum; section, meaning: the declaration's own words."""

    name: str
    index: int
    section: str
    unit: Unit
    meaning: str

    @property
    def word(self) -> int:
        """Position in the stored table: the sections lie between the first scalars and the further ones."""
        return self.index if self.index < _FIRST_SCALARS else self.index - _FIRST_SCALARS + _FURTHER_SCALARS_AT


_UNITS = {tag: Unit(tag, 18) for tag in ("1", "USD", "1/USD", "1/year", "vol", "USD/vol")} | {tag: Unit(tag, 0) for tag in ("s", "count")}


@cache
def governed_parameters() -> dict[str, GovernedParameter]:
    """Name -> parameter, in the order of the enum. Raises ParameterListError for a line that is neither a member nor a section."""
    body = _ENUM.search(PARAMETER_FILE.read_text())
    if body is None:
        raise ParameterListError(f"{PARAMETER_FILE.name}: expected `enum Parameter {{`")
    found: dict[str, GovernedParameter] = {}
    section = ""
    for line in map(str.strip, body.group(1).splitlines()):
        if (member := _MEMBER.fullmatch(line)) and member["unit"] in _UNITS:
            found[member["name"]] = GovernedParameter(member["name"], len(found), section, _UNITS[member["unit"]], member["meaning"])
        elif title := _SECTION.fullmatch(line):
            section = title["title"]
        else:
            raise ParameterListError(f"{PARAMETER_FILE.name}: expected `NAME, // [unit] meaning` or `// Section`, got {line!r}")
    return found
