// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {NormalCdf} from "../math/NormalCdf.sol";
import {Workspace} from "../math/Workspace.sol";
import {Book} from "../types/Book.sol";
import {PortfolioLib} from "./Portfolio.sol";
import {Case} from "./Risk.sol";
import {Valuation} from "./Valuation.sol";

/// @title What all cases begin with: workspace, normal table, grouping
abstract contract CaseBase {
    /// @dev Data contract of the normal table.
    address internal immutable NORMAL;

    constructor(address normalTable) {
        NORMAL = normalTable;
    }

    function _reserve() internal view {
        if (Workspace.reserve()) NormalCdf.load(NORMAL);
    }

    function _group(Case memory c, Book memory book) internal pure {
        c.mode = book.mode;
        c.balance = book.balance;
        c.collateral = book.collateral;
        PortfolioLib.group(c.portfolio, book.positions);
        Valuation.attach(c.table, c.mode, c.collateral, c.portfolio);
    }
}
