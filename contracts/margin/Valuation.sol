// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {WAD} from "../math/FixedPoint.sol";
import {Memory} from "../math/Memory.sol";
import {MarginMode} from "../types/Book.sol";
import {SpotWord} from "../types/Feed.sol";
import {COLLATERALS_AT, MAX_COLLATERALS, Parameter, ParameterTable} from "../types/Parameter.sol";
import {Portfolio, PortfolioLib, UnderlyingLegs} from "./Portfolio.sol";

/// @title Perp mark and collateral (margin.md sections 1, 2 and 6)
library Valuation {
    using Memory for uint256[];
    using Memory for int256[];

    /// @notice Collateral at its price, and what of it counts as margin, USD 1e18, rounded down.
    struct Collateral {
        uint256 value;
        uint256 initial;
        uint256 maintenance;
    }

    /// @notice The perp's mark, clamped to spot (1 +- MAX_BASIS). USD 1e18.
    function perpMark(ParameterTable table, uint256 word) internal pure returns (uint256 mark) {
        unchecked {
            uint256 spot = SpotWord.wrap(word).spot();
            mark = SpotWord.wrap(word).mark();
            uint256 width = spot * table.get(Parameter.MAX_BASIS) / WAD;
            if (mark > spot + width) mark = spot + width;
            else if (mark + width < spot) mark = spot - width;
        }
    }

    /// @notice Makes the collateral's prices part of what is read, and joins it to the legs where the mode says so.
    function attach(ParameterTable table, MarginMode mode, uint256[] memory quantities, Portfolio memory p) internal pure {
        unchecked {
            for (uint256 i; i < quantities.length && i < MAX_COLLATERALS; ++i) {
                uint256 word = table.word(COLLATERALS_AT + i);
                if (quantities.at(i) == 0 || !_exists(word)) continue;
                UnderlyingLegs memory legs = PortfolioLib.asUnderlying()(PortfolioLib.underlying(p, uint8(word), 0));
                if (!_joins(word, mode)) continue;
                p.legged |= 1 << uint8(word);
                legs.joined += quantities.at(i);
            }
        }
    }

    /// @notice Values the collateral once prices are there.
    function collateral(ParameterTable table, MarginMode mode, uint256[] memory quantities)
        internal
        pure
        returns (Collateral memory c)
    {
        unchecked {
            for (uint256 i; i < quantities.length && i < MAX_COLLATERALS; ++i) {
                uint256 word = table.word(COLLATERALS_AT + i);
                if (quantities.at(i) == 0 || !_exists(word)) continue;
                UnderlyingLegs memory legs = PortfolioLib.asUnderlying()(PortfolioLib.entry(uint8(word)));
                uint256 value = quantities.at(i) * SpotWord.wrap(legs.spot).spot();
                c.value += value / WAD;
                if (_joins(word, mode)) {
                    c.initial += value / WAD;
                    c.maintenance += value / WAD;
                } else {
                    c.initial += value / WAD * (WAD - (word >> 192)) / WAD;
                    c.maintenance += value / WAD * (WAD - uint64(word >> 128)) / WAD;
                }
            }
        }
    }

    function _exists(uint256 word) private pure returns (bool) {
        return uint8(word >> 16) != 0;
    }

    function _joins(uint256 word, MarginMode mode) private pure returns (bool) {
        return mode == MarginMode.PORTFOLIO && uint8(word >> 8) != 0;
    }
}
