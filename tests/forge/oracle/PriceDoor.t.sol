// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {CircuitBreaker} from "../../../contracts/governance/CircuitBreaker.sol";
import {RiskParameters} from "../../../contracts/governance/RiskParameters.sol";
import {IOracleSigners} from "../../../contracts/interfaces/IOracleSigners.sol";
import {IPriceDoor} from "../../../contracts/interfaces/IPriceDoor.sol";
import {InstrumentRegistry} from "../../../contracts/ledger/InstrumentRegistry.sol";
import {PriceDoor} from "../../../contracts/oracle/PriceDoor.sol";
import {QuoteWord, SmileWord, SpotWord, WingWord} from "../../../contracts/types/Feed.sol";

interface ICheats {
    function addr(uint256 key) external returns (address);
    function assume(bool condition) external;
    function sign(uint256 key, bytes32 digest) external returns (uint8 v, bytes32 r, bytes32 s);
    function warp(uint256 time) external;
}

contract PriceDoorTest {
    ICheats private constant CHEATS = ICheats(address(uint160(uint256(keccak256("hevm cheat code")))));
    uint256 private constant BEGIN = 1_735_689_600;
    uint256 private constant KEY = 0xA11CE;
    uint8 private constant UNDERLYINGS = 3;
    uint32 private constant EXPIRIES = 4;

    PriceDoor private door;

    function setUp() public {
        CHEATS.warp(BEGIN);
        InstrumentRegistry registry = new InstrumentRegistry(address(this));
        address[] memory signers = new address[](1);
        signers[0] = CHEATS.addr(KEY);
        CircuitBreaker breaker = new CircuitBreaker(address(this));
        door = new PriceDoor(address(this), registry, new RiskParameters(address(this)), breaker, signers, 1);
        breaker.grantRole(breaker.TRIPPER(), address(door));
        for (uint8 u; u < UNDERLYINGS; ++u) {
            registry.listUnderlying(u, "", true);
            for (uint32 e; e < EXPIRIES; ++e) {
                registry.listExpiry(u, expiryAt(e));
            }
        }
    }

    /// What is signed is what is read, and the mark inside its band.
    function testFuzz_words_hold_what_was_signed(IPriceDoor.MarketUpdate memory u, IPriceDoor.ExpiryQuote memory q) public {
        u.underlying %= UNDERLYINGS;
        u.timestamp = uint32(BEGIN - u.timestamp % (door.ARRIVAL_LIMIT() + 1));
        CHEATS.assume(u.spot != 0 && u.mark != 0);
        u.confidence %= 10_001;
        q.expiry = expiryAt(q.expiry);
        CHEATS.assume(q.forward != 0 && q.sigma != 0 && q.refForward != 0 && q.refTau != 0);
        q.rho %= 1e18;
        if (q.a < 0) q.a = -(q.a + 1); // never negative: the sign is SviSliceTest's
        // No butterfly: |slope| <= 2 b, so either w >= 4 / 3 allows any, or b <= a / 8 keeps it small beside w.
        q.b %= q.a < 1.34e18 ? uint64(q.a) / 8 + 1 : 1e18;
        if (u.spot % 4 != 0) _shorten(q);
        u.expiries = new IPriceDoor.ExpiryQuote[](1);
        u.expiries[0] = q;
        door.submit(u, signatures(u));
        require(u.spot % 4 == 0 || q.m % 1e8 == 0, "few digits");

        uint40[] memory keys = new uint40[](2);
        keys[0] = uint40(u.underlying) << 32;
        keys[1] = keys[0] | q.expiry;
        uint256[] memory words = door.read(keys);
        require(words.length == 4, "length");
        SpotWord spot = SpotWord.wrap(words[0]);
        require(spot.spot() == u.spot && spot.confidence() == u.confidence && spot.signedAt() == u.timestamp, "spot word");
        uint256 band = uint256(u.spot) * 5;
        require(spot.mark() * 100 >= uint256(u.spot) * 100 - band && spot.mark() * 100 <= uint256(u.spot) * 100 + band, "band");
        bool inside = uint256(u.mark) * 100 >= uint256(u.spot) * 100 - band && uint256(u.mark) * 100 <= uint256(u.spot) * 100 + band;
        require(!inside || spot.mark() == u.mark, "a mark inside the band is kept");
        QuoteWord quote = QuoteWord.wrap(words[1]);
        require(quote.forward() == q.forward && quote.rate() == q.rate && quote.refTau() == q.refTau, "quote word");
        require(quote.quotedAt() == u.timestamp, "quoted at");
        SmileWord smile = SmileWord.wrap(words[2]);
        require(smile.a() == q.a && smile.b() == q.b && smile.rho() == q.rho && smile.m() == q.m, "smile word");
        WingWord wing = WingWord.wrap(words[3]);
        require(wing.sigma() == q.sigma && wing.refForward() == q.refForward && wing.settlement() == 0, "wing word");
    }

    /// @dev Few digits, as are stored in one word.
    function _shorten(IPriceDoor.ExpiryQuote memory q) private pure {
        (q.a, q.b, q.rho, q.m) = (q.a / 1e8 * 1e8, q.b / 1e8 * 1e8, q.rho / 1e8 * 1e8, q.m / 1e8 * 1e8);
        (q.sigma, q.refForward) = (q.sigma / 1e8 * 1e8, q.refForward / 1e10 * 1e10);
        if (q.sigma == 0) q.sigma = 1e8;
        if (q.refForward == 0) q.refForward = 1e10;
    }

    /// The assembly loop against reading key by key.
    function testFuzz_read_concatenates(uint40[] memory keys, uint8 seed) public {
        for (uint8 u; u < UNDERLYINGS; ++u) {
            IPriceDoor.MarketUpdate memory update = market(u, seed);
            door.submit(update, signatures(update));
        }
        for (uint256 i; i < keys.length; ++i) {
            uint40 spot = uint40(keys[i] % UNDERLYINGS) << 32;
            if (i % 3 == 0) keys[i] = spot;
            if (i % 3 == 1) keys[i] = spot | expiryAt(uint32(keys[i] >> 3));
        }
        uint256[] memory words = door.read(keys);
        uint256 at;
        for (uint256 i; i < keys.length; ++i) {
            uint40[] memory one = new uint40[](1);
            one[0] = keys[i];
            uint256[] memory own = door.read(one);
            require(own.length == (uint32(keys[i]) == 0 ? 1 : 3), "words per key");
            require(i % 3 == 2 || own[0] != 0, "a stored feed is not zero");
            for (uint256 j; j < own.length; ++j) {
                require(words[at++] == own[j], "order");
            }
        }
        require(at == words.length, "length");
    }

    /// No signature of anybody else passes, whatever its bytes.
    function testFuzz_random_signatures_are_refused(bytes memory noise) public {
        IPriceDoor.MarketUpdate memory update = market(0, 1);
        bytes[] memory noises = new bytes[](1);
        noises[0] = noise;
        try door.submit(update, noises) {
            require(false, "accepted");
        } catch (bytes memory reason) {
            require(bytes4(reason) == IOracleSigners.BadSigner.selector, "another error");
        }
    }

    function market(uint8 u, uint8 seed) private pure returns (IPriceDoor.MarketUpdate memory update) {
        update = IPriceDoor.MarketUpdate(u, uint32(BEGIN), uint96(1e18 + seed), 1e18, 1, new IPriceDoor.ExpiryQuote[](EXPIRIES));
        for (uint32 e; e < EXPIRIES; ++e) {
            update.expiries[e] =
                IPriceDoor.ExpiryQuote(expiryAt(e), uint96(1e18) * (e + 1), 0, 1, uint64(seed), 0, int64(uint64(u)), 1, 1e18, 1e17);
        }
    }

    function expiryAt(uint32 index) private pure returns (uint32) {
        return uint32(BEGIN + 1 days * (1 + uint256(index % EXPIRIES)));
    }

    function signatures(IPriceDoor.MarketUpdate memory update) private returns (bytes[] memory list) {
        (uint8 v, bytes32 r, bytes32 s) = CHEATS.sign(KEY, door.digest(update));
        list = new bytes[](1);
        list[0] = abi.encodePacked(r, s, v);
    }
}
