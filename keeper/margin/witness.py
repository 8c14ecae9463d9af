"""Witnesses: the scenarios that prove an account under-margined, and what they prove (margin.md section 5)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from keeper.errors import WitnessError
from keeper.margin.book import sum_by
from keeper.margin.requirement import MarginResult, stress_requirement
from keeper.model import MarginMode

__all__ = ["RequirementBound", "Witness", "requirement_bound", "witness", "witnessed"]

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Witness:
    """One scenario index per underlying the account has legs in, ascending by underlying (joined collateral is a leg),
    and one per group of those, ascending by group. Both empty in CROSS and ISOLATED, where the requirement is exact."""

    underlyings: tuple[int, ...] = ()
    groups: tuple[int, ...] = ()

    def encode(self) -> tuple[bytes, bytes]:
        """As the contract takes it: one byte per index."""
        return bytes(self.underlyings), bytes(self.groups)


@dataclass(frozen=True, slots=True)
class RequirementBound:
    """Lower bounds, all [A], USD: initial >= R' and maintenance >= its share of R'. Exact in CROSS and ISOLATED."""

    initial: Floats
    maintenance: Floats


def witness(result: MarginResult, row: int) -> Witness:
    """The worst scenarios of the account in `row`: the witness whose bound is the requirement itself."""
    if result.book.mode[row] != MarginMode.PORTFOLIO:
        return Witness()
    segments = _segments(result, row)
    groups = np.flatnonzero(result.groups.held[row])
    return Witness(tuple(result.stress.worst_index[segments].tolist()), tuple(result.groups.worst_index[row, groups].tolist()))


def witnessed(result: MarginResult, row: int, proof: Witness) -> tuple[float, float]:
    """(initial, maintenance) that `proof` shows the account in `row` to need at least, USD.

    Raises WitnessError where the proof has not one existing scenario per underlying and group of the account.
    """
    scenario = result.stress.worst_index.copy()
    joint = result.groups.worst_index.copy()
    segments, groups = _segments(result, row), np.flatnonzero(result.groups.held[row])
    if result.book.mode[row] != MarginMode.PORTFOLIO:
        segments, groups = segments[:0], groups[:0]
    if (len(proof.underlyings), len(proof.groups)) != (len(segments), len(groups)):
        raise WitnessError(
            f"expected {len(segments)} underlyings and {len(groups)} groups, got {len(proof.underlyings)} and {len(proof.groups)}"
        )
    scenario[segments], joint[row, groups] = proof.underlyings, proof.groups
    bound = requirement_bound(result, scenario, joint)
    return float(bound.initial[row]), float(bound.maintenance[row])


def requirement_bound(result: MarginResult, scenario: ArrayLike, joint_scenario: ArrayLike) -> RequirementBound:
    """R' of every account when each maximum is replaced by one scenario: scenario [G] per segment, joint_scenario [A, N]
    per account and group. Raises WitnessError for other shapes and for scenarios that do not exist."""
    stress, groups, parameters = result.stress, result.groups, result.parameters
    S = stress.pnl.shape[1]
    chosen, joint = np.asarray(scenario, dtype=np.int64), np.asarray(joint_scenario, dtype=np.int64)
    for indices, shape in ((chosen, stress.worst_index.shape), (joint, groups.worst_index.shape)):
        if indices.shape != shape or (indices.size and not 0 <= indices.min() <= indices.max() < S):
            raise WitnessError(f"expected scenario indices of 0 to {S - 1} in shape {shape}, got {indices}")
    loss = np.maximum(0.0, -stress.pnl[np.arange(len(chosen)), chosen])
    joint_loss = -np.take_along_axis(groups.pnl, joint[:, :, None], axis=2)[:, :, 0]
    book = result.book
    charge_sum = sum_by(book.segment_account, result.charges.total, book.accounts)
    required = stress_requirement(book, loss, groups, joint_loss, charge_sum, result.gross_notional, parameters)
    portfolio = book.mode == MarginMode.PORTFOLIO
    return RequirementBound(
        initial=np.where(portfolio, required, result.initial),
        maintenance=np.where(portfolio, parameters.maintenance_factor * required, result.maintenance),
    )


def _segments(result: MarginResult, row: int) -> NDArray[np.intp]:
    return np.flatnonzero((result.book.segment_account == row) & result.stress.held)
