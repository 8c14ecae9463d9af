"""docs/parameters.md from the contracts: names, units and meanings from the enum, defaults and bounds from a freshly deployed table.

python -m scripts.parameters_table            writes docs/parameters.md
python -m scripts.parameters_table --check    ends with 1 when the file is not what it would write
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

from web3 import HTTPProvider, Web3

from scripts.anvil import Anvil
from scripts.artifacts import load
from scripts.parameter_list import governed_parameters

__all__ = ["main", "parameters_table"]

DOCUMENT = Path(__file__).resolve().parents[1] / "docs" / "parameters.md"

_HEAD = """\
# Parameters

Made by `python -m scripts.parameters_table` from contracts/types/Parameter.sol and contracts/governance/: do not edit by hand.

Every number here is governed: the timelock may change it inside its bounds (`scripts/governance/set_parameter.py`), nobody may leave them.
Some must keep an order among each other, too (for example maintenance below initial, FULL_THRESHOLD <= PARTIAL_THRESHOLD <= TARGET_HEALTH,
DUTCH_DISCOUNT_MAX + LIQUIDATION_FEE <= 50 %); the list is `requireOrdered` of contracts/governance/ParameterRules.sol.
"""
_VOL = ("none", "up", "down")


def parameters_table(web3: Web3) -> str:
    """The document for the contracts as last compiled, deployed to `web3` for the purpose."""
    artifact = load("RiskParameters")
    deployer = web3.eth.accounts[0]
    deployment = web3.eth.contract(abi=artifact.abi, bytecode=artifact.bytecode).constructor(deployer).transact({"from": deployer})
    address = web3.eth.wait_for_transaction_receipt(deployment)["contractAddress"]
    table = web3.eth.contract(address=address, abi=artifact.abi).functions
    return "\n".join([_HEAD, *_scalars(table), *_scenarios(table)]) + "\n"


def _scalars(table: Any) -> list[str]:
    lines = []
    for section, members in groupby(governed_parameters().values(), key=lambda parameter: parameter.section):
        lines += [f"## {section}", "", "| parameter | default | from | to | meaning |", "|---|---|---|---|---|"]
        for p in members:
            lower, upper = table.bounds(p.index).call()
            values = " | ".join(p.unit.show(v) for v in (table.value(p.index).call(), lower, upper))
            lines.append(f"| {p.name} | {values} | {p.meaning} |")
        lines.append("")
    return lines


def _scenarios(table: Any) -> list[str]:
    lines = [
        "## Scenarios",
        "",
        "Default table; `setScenarios` replaces it (at most 40). `spotScale` of an underlying multiplies core spot shocks.",
        "",
    ]
    lines += ["| index | spot shock | vol | weight | core |", "|---|---|---|---|---|"]
    for index, (shock, weight, core, vol) in enumerate(table.scenarios().call()):
        lines.append(f"| {index} | {shock / 1e16:+.4g} % | {_VOL[vol]} | {weight / 1e18:.5g} | {'yes' if core else 'no'} |")
    return lines


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m scripts.parameters_table", description="Writes docs/parameters.md from the contracts.")
    parser.add_argument("--check", action="store_true", help="write nothing; end with 1 when the file is out of date")
    options = parser.parse_args(arguments)
    with Anvil() as node:
        text = parameters_table(Web3(HTTPProvider(node.url)))
    if not options.check:
        DOCUMENT.write_text(text)
        return 0
    if DOCUMENT.exists() and DOCUMENT.read_text() == text:
        return 0
    print(f"{DOCUMENT.name} is not what the contracts say: run python -m scripts.parameters_table", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
