// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

/// @notice Packed market data as the price door stores them. Fixed point 1e18 unless a field says otherwise.
/// @dev Spot word, one per underlying (bits, most significant first):
///
///      | 255..160                | 159..64                 | 63..48            | 47..32 | 31..0              |
///      | spot, uint96, USD       | perp mark, uint96, USD  | confidence, 1e-4  | unused | signed at (unix s) |
///
///      Expiry words, three per (underlying, expiry):
///
///      quote | 255..160 forward, uint96, USD | 159..96 rate, int64 | 95..32 refTau, uint64, years | 31..0 signed at |
///      smile | 255..192 a, int64 | 191..128 b, uint64 | 127..64 rho, int64 | 63..0 m, int64 |
///      wing  | 255..192 sigma, uint64 | 191..96 refForward, uint96, USD | 95..0 settlement, uint96, USD (0: not fixed) |
///
///      Integral word, one per underlying: sums of (price x seconds it stood), for time-weighted averages
///
///      | 255..160 premium (mark - spot) / spot, int96, 1e18 s | 159..32 spot, uint128, USD s | 31..0 advanced to (unix s) |
type SpotWord is uint256;

type QuoteWord is uint256;

type SmileWord is uint256;

type WingWord is uint256;

type IntegralWord is uint256;

using {spot, mark, confidence, signedAt} for SpotWord global;
using {forward, rate, refTau, quotedAt} for QuoteWord global;
using {a, b, rho, m} for SmileWord global;
using {sigma, refForward, settlement, withSettlement} for WingWord global;
using {premium, spotSeconds, advancedAt} for IntegralWord global;

/// @dev Confidence of 1 (1e-4 units).
uint16 constant FULL_CONFIDENCE = 10_000;

function spotWord(uint96 spot_, uint96 mark_, uint16 confidence_, uint32 signedAt_) pure returns (SpotWord) {
    return SpotWord.wrap(
        (uint256(spot_) << 160) | (uint256(mark_) << 64) | (uint256(confidence_) << 48) | uint256(signedAt_)
    );
}

function spot(SpotWord w) pure returns (uint256) {
    return SpotWord.unwrap(w) >> 160;
}

function mark(SpotWord w) pure returns (uint256) {
    return uint96(SpotWord.unwrap(w) >> 64);
}

/// @return Units of 1e-4: 10,000 is full confidence.
function confidence(SpotWord w) pure returns (uint256) {
    return uint16(SpotWord.unwrap(w) >> 48);
}

function signedAt(SpotWord w) pure returns (uint256) {
    return uint32(SpotWord.unwrap(w));
}

function quoteWord(uint96 forward_, int64 rate_, uint64 refTau_, uint32 signedAt_) pure returns (QuoteWord) {
    return QuoteWord.wrap(
        (uint256(forward_) << 160) | (uint256(uint64(rate_)) << 96) | (uint256(refTau_) << 32) | uint256(signedAt_)
    );
}

function forward(QuoteWord w) pure returns (uint256) {
    return QuoteWord.unwrap(w) >> 160;
}

function rate(QuoteWord w) pure returns (int256) {
    return int64(uint64(QuoteWord.unwrap(w) >> 96));
}

function refTau(QuoteWord w) pure returns (uint256) {
    return uint64(QuoteWord.unwrap(w) >> 32);
}

function quotedAt(QuoteWord w) pure returns (uint256) {
    return uint32(QuoteWord.unwrap(w));
}

function smileWord(int64 a_, uint64 b_, int64 rho_, int64 m_) pure returns (SmileWord) {
    return SmileWord.wrap(
        (uint256(uint64(a_)) << 192) | (uint256(b_) << 128) | (uint256(uint64(rho_)) << 64) | uint256(uint64(m_))
    );
}

function a(SmileWord w) pure returns (int256) {
    return int64(uint64(SmileWord.unwrap(w) >> 192));
}

function b(SmileWord w) pure returns (uint256) {
    return uint64(SmileWord.unwrap(w) >> 128);
}

function rho(SmileWord w) pure returns (int256) {
    return int64(uint64(SmileWord.unwrap(w) >> 64));
}

function m(SmileWord w) pure returns (int256) {
    return int64(uint64(SmileWord.unwrap(w)));
}

function wingWord(uint64 sigma_, uint96 refForward_, uint96 settlement_) pure returns (WingWord) {
    return WingWord.wrap((uint256(sigma_) << 192) | (uint256(refForward_) << 96) | uint256(settlement_));
}

function sigma(WingWord w) pure returns (uint256) {
    return WingWord.unwrap(w) >> 192;
}

function refForward(WingWord w) pure returns (uint256) {
    return uint96(WingWord.unwrap(w) >> 96);
}

function settlement(WingWord w) pure returns (uint256) {
    return uint96(WingWord.unwrap(w));
}

function withSettlement(WingWord w, uint96 price) pure returns (WingWord) {
    return WingWord.wrap((WingWord.unwrap(w) & ~uint256(type(uint96).max)) | uint256(price));
}

/// @dev Cut to their fields: the spot's sum may wrap, differences stay right modulo 2**128.
function integralWord(int256 premium_, uint256 spotSeconds_, uint32 advancedAt_) pure returns (IntegralWord) {
    return IntegralWord.wrap(
        (uint256(uint96(int96(premium_))) << 160) | (uint256(uint128(spotSeconds_)) << 32) | uint256(advancedAt_)
    );
}

function premium(IntegralWord w) pure returns (int256) {
    return int96(uint96(IntegralWord.unwrap(w) >> 160));
}

function spotSeconds(IntegralWord w) pure returns (uint256) {
    return uint128(IntegralWord.unwrap(w) >> 32);
}

function advancedAt(IntegralWord w) pure returns (uint256) {
    return uint32(IntegralWord.unwrap(w));
}
