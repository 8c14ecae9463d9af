// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

/// @title What a PORTFOLIO account keeps above initial margin, at least
/// @notice Known without pricing an option, whatever the vols are (margin.md sections 1 to 4). Where the surplus is not negative no scan
/// is needed to know that the account may have its positions; where it is, only the scan knows.
///
/// A leg's value less its loss in a scenario (x, w), V + w (V(x) - V), is a mean of V and V(x), and so
///
///      long option           >= 0
///      short call            >= -|size| F (1 + h)            V(x) <= D F (1 + x), D <= 1
///      short put             >= -|size| K                    V(x) <= D K
///      perp, future, joined  >= size P - |size| P h          linear
///
/// with h the largest w |x| of the table. Offsets in groups only lower the requirement. Charges and floor are at most a rate of
/// q = sum |size| max(S, P, K): |delta| S, |V| and |vega| / (phi(0) sqrt T) of a leg are at most |size| max(P, K), P its forward or mark.
interface ISurplusBound {
    /// @return surplus At most margin equity - initial margin, USD 1e18; type(int256).min where nothing is known: another mode, a
    /// negative rate (D > 1), a price that is missing.
    /// @return oldestPrice When the oldest price used was signed; type(uint256).max where none was used.
    function surplusDown(uint64 account) external view returns (int256 surplus, uint256 oldestPrice);
}
