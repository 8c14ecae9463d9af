"""DPRE keeper: watches accounts, computes their margin, liquidates where the contracts agree.

Usable as a library: `keeper.model` (data), `keeper.pricing` (Black-76, surface, scenarios) and `keeper.margin`
(requirements in the three modes) need no node and no other part of the keeper.
"""

__all__: list[str] = []
