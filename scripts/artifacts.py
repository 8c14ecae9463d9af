"""ABI and byte code of the compiled contracts, from Brownie's build folder, for code that does not use Brownie.

`python -m scripts.artifacts` compiles what changed and lists the deployable contracts with their code sizes.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

__all__ = ["CODE_SIZE_LIMIT", "Artifact", "ArtifactError", "compile_project", "load"]

ROOT = Path(__file__).resolve().parents[1]
BUILD = ROOT / "build" / "contracts"
CODE_SIZE_LIMIT = 24_576  # bytes, EIP-170


class ArtifactError(LookupError):
    """No compiled contract of that name; the message lists the names there are."""


@dataclass(frozen=True)
class Artifact:
    """What a deployment needs. `bytecode` is creation code, 0x-prefixed hex without constructor arguments; empty for interfaces."""

    name: str
    abi: list[dict[str, Any]]
    bytecode: str
    deployed_size: int  # bytes of runtime code


@cache
def load(name: str) -> Artifact:
    """Artifact of the contract `name` as last compiled. Raises ArtifactError when there is none."""
    path = BUILD / f"{name}.json"
    if not path.is_file():
        known = ", ".join(sorted(p.stem for p in BUILD.glob("*.json"))) or "none: run `make compile`"
        raise ArtifactError(f"no compiled contract {name!r} in build/; known: {known}")
    build = json.loads(path.read_text())
    creation = build["bytecode"]
    return Artifact(name, build["abi"], f"0x{creation}" if creation else "", len(build["deployedBytecode"]) // 2)


def compile_project() -> list[Artifact]:
    """Compiles what changed; the project's own deployable contracts (no libraries, no packages, no mocks), by name."""
    # Brownie is imported here so that `load` stays light.
    from scripts.brownie_env import load_project  # noqa: PLC0415

    load_project()
    load.cache_clear()
    names = []
    for path in sorted(BUILD.glob("*.json")):
        build = json.loads(path.read_text())
        own = build["sourcePath"].startswith("contracts/") and not build["sourcePath"].startswith("contracts/mocks/")
        if own and build["type"] == "contract" and build["bytecode"]:
            names.append(path.stem)
    return [load(name) for name in names]


def main() -> None:
    for artifact in compile_project():
        share = artifact.deployed_size / CODE_SIZE_LIMIT
        print(f"    {artifact.name:<32} {artifact.deployed_size:>6} bytes  {share:>5.0%} of the limit")


if __name__ == "__main__":
    main()
