"""Reads a published PM2 case (the venue's own names) into the preset's types."""

from typing import Any

import numpy as np

from keeper.methods.derive_pm2 import Pm2Collateral, Pm2Parameters, Pm2Portfolio
from keeper.methods.grid import OptionPositions

SKEWS = ("LINEAR", "ABS")


def parameters(table: dict[str, Any]) -> Pm2Parameters:
    vol, skew, margin, basis, other = (table[k] for k in ("VolShock", "SkewShock", "Margin", "BasisContingency", "OtherContingency"))
    spot = [s for s in table["Scenarios"] if s["VolShockDirection"] not in SKEWS]
    return Pm2Parameters.from_table(
        {
            "vol": {
                "range_up": vol["VOLRANGEUP"],
                "range_down": vol["VOLRANGEDOWN"],
                "power_short": vol["SHORTTERMPOWER"],
                "power_long": vol["LONGTERMPOWER"],
                "tenor_floor_days": vol["DTE_FLOOR"],
                "floor_up": vol["MIN_VOL_EVAL_SHOCKED"],
            },
            "scenarios": [(s["SpotShock"] - 1.0, s["VolShockDirection"].upper(), s["DampeningFactor"]) for s in spot],
            "skew": {
                "weights": {s["VolShockDirection"]: s["DampeningFactor"] for s in table["Scenarios"] if s not in spot},
                "scale_cap": {name: skew[f"{name}_SCALE_CAP"] for name in SKEWS},
                "cap_slope": {name: skew[f"{name}_CBASE"] for name in SKEWS},
                "min_k_star": skew["MIN_K_STAR"],
                "min_width_scale": skew["MIN_WIDTH_SCALE"],
                "vol_static": skew["VOL_PARAM_STATIC"],
                "vol_slope": skew["VOL_PARAM_SCALE"],
            },
            "margin": {
                "maintenance_factor": margin["MM_LOSS_FACTOR"],
                "initial_factor": margin["IM_LOSS_FACTOR"],
                "long_discount": margin["BASE_STATIC_DISCOUNT"],
                "long_rate_multiple": margin["LONG_RATE_MULTSCALE"],
                "long_rate_add": margin["LONG_RATE_ADDSCALE"],
                "short_discount": margin["BASE_STATIC_DISCOUNT_NEG"],
                "short_rate_multiple": margin["SHORT_RATE_MULTSCALE"],
                "short_rate_add": margin["SHORT_RATE_ADDSCALE"],
            },
            "basis": {
                "spot_up": basis["SCENARIO_SPOT_UP"],
                "spot_down": basis["SCENARIO_SPOT_DOWN"],
                "add_factor": basis["BASIS_CONT_ADD_FACTOR"],
                "mult_factor": basis["BASIS_CONT_MULT_FACTOR"],
            },
            "contingency": {
                "peg_threshold": other["PEG_LOSS_THRESHOLD"],
                "peg_factor": other["PEG_LOSS_FACTOR"],
                "confidence_threshold": other["CONF_THRESHOLD"],
                "confidence_scale": other["CONF_MARGIN"],
                "perp_maintenance": other["MM_PERP_PERCENT"],
                "perp_initial": other["IM_PERP_PERCENT"],
                "option_maintenance": other["MM_OPTION_PERCENT"],
                "option_initial": other["IM_OPTION_PERCENT"],
            },
        }
    )


def portfolio(account: dict[str, Any]) -> Pm2Portfolio:
    feeds = {feed["FeedExpiry"]: feed for feed in account["OptionFeeds"]}
    options = account["Options"]
    of_feed = [feeds[option["Expiry"]] for option in options]
    return Pm2Portfolio(
        cash=account["Cash"],
        spot=account["SpotPrice"],
        options=OptionPositions.of(
            seconds=[option["Expiry"] for option in options],
            forward=[feed["Forward"] for feed in of_feed],
            strike=[option["Strike"] for option in options],
            vol=[option["MarkVol"] for option in options],
            rate=[feed["Rate"] for feed in of_feed],
            is_call=[bool(option["IsCall"]) for option in options],
            size=[option["Amount"] for option in options],
        ),
        option_confidence=np.array(
            [min(feed[f"{name}Confidence"] for name in ("Forward", "Rate")) for feed in of_feed], dtype=np.float64
        ).clip(max=[feed["OptionVolConfidences"] for feed in of_feed] or None),
        perps=account["NumPerps"],
        perp_price=account["PerpPrice"],
        unrealised_perp=account["UnrealisedPerpPNL"] + account["UnrealisedFunding"],
        collateral=tuple(
            Pm2Collateral(
                name=c["Name"],
                quantity=c["Amount"],
                price=c["Price"],
                haircut_maintenance=c["MMHaircut"],
                haircut_initial=c["IMHaircut"],
                cancels_risk=c["IsRiskCancelling"],
                confidence=c["Confidence"],
                confidence_threshold=c["ConfidenceFactor"],
            )
            for c in account["Collaterals"]
        ),
        stable_price=account["StablePrice"],
        spot_confidence=account["SpotConfidence"],
        perp_confidence=account["PerpConfidence"],
    )


def published_scenarios(result: dict[str, Any]) -> list[float]:
    """P&L per scenario in the order of the table: price moves, tails, skews."""
    rows = [*result["reg_losses"], *result["tail_losses"], *result["skew_losses"]]
    return [float(row[-1]) for row in rows]
