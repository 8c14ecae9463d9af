"""The governed scalars by name, read from where they are declared: the enum `Parameter` of contracts/types/Parameter.sol."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

__all__ = ["PARAMETER_FILE", "GovernedParameter", "governed_parameters"]

PARAMETER_FILE = Path(__file__).resolve().parents[1] / "contracts" / "types" / "Parameter.sol"

_ENUM = re.compile(r"enum Parameter \{\n(.*?)\n\}", re.DOTALL)
_MEMBER = re.compile(r"(?P<name>[A-Z][A-Z0-9_]*),? // (?P<comment>.+)")
_SECTION = re.compile(r"// (?P<title>.+)")


@dataclass(frozen=True, slots=True)
class GovernedParameter:
    """index: position in the enum and in the stored table; section, comment: the declaration's own words."""

    name: str
    index: int
    section: str
    comment: str


@lru_cache(maxsize=1)
def governed_parameters() -> dict[str, GovernedParameter]:
    """Name -> parameter, in the order of the enum. Raises ValueError for a line that is neither a member with a comment nor a section."""
    body = _ENUM.search(PARAMETER_FILE.read_text())
    if body is None:
        raise ValueError(f"{PARAMETER_FILE.name}: expected `enum Parameter {{`")
    found: dict[str, GovernedParameter] = {}
    section = ""
    for line in map(str.strip, body.group(1).splitlines()):
        if member := _MEMBER.fullmatch(line):
            found[member["name"]] = GovernedParameter(member["name"], len(found), section, member["comment"])
        elif title := _SECTION.fullmatch(line):
            section = title["title"]
        else:
            raise ValueError(f"{PARAMETER_FILE.name}: expected `NAME, // meaning` or `// Section`, got {line!r}")
    return found
