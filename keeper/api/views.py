"""A snapshot as documents. Figures come from keeper.margin and keeper.overview; here they only change their clothes."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, fields
from datetime import UTC, datetime

import numpy as np

from keeper.api.documents import (
    AccountFigures,
    AccountList,
    AccountRisk,
    AlarmNews,
    Deficit,
    Endpoint,
    GroupRisk,
    HealthNews,
    Job,
    Leg,
    Liquidatable,
    MarginCallNews,
    Market,
    MarketExpiry,
    MarketUnderlying,
    Mode,
    NominationQueue,
    ParameterList,
    PositionRisk,
    Signer,
    StageTimes,
    Status,
    Suggested,
    Transaction,
    TransactionList,
    TransactionNews,
    UnderlyingRisk,
)
from keeper.api.documents import Witness as WitnessDocument
from keeper.bus import Alarm, Band, HealthChange, News
from keeper.chain import Deployment
from keeper.deleveraging import lights
from keeper.errors import AccountError
from keeper.execution import Entry
from keeper.margin import AccountReport, MarginResult, Witness, account_report
from keeper.model import WAD, ExpiryMarket, Instrument, Kind
from keeper.monitoring import Assessment, CallChange
from keeper.overview import account_lines, band_counts, deficit_lines, suggestions
from keeper.portfolio import Parameter
from keeper.pricing.svi import implied_vol
from keeper.snapshot import Latencies, Snapshot

__all__ = [
    "account_list",
    "account_risk",
    "instrument_name",
    "liquidatable",
    "market",
    "news_document",
    "parameter_list",
    "status",
    "transaction",
    "transaction_list",
]


def status(snapshot: Snapshot) -> Status:
    cursor, head = snapshot.cursor, snapshot.head
    return Status(
        at=snapshot.at,
        account=snapshot.account,
        ready=snapshot.ready,
        leading=snapshot.leading,
        dry_run=snapshot.dry_run,
        block=None if cursor is None else cursor.number,
        block_time=None if cursor is None else cursor.time,
        head=None if head is None else head.number,
        lag=snapshot.lag,
        reorgs=snapshot.reorgs,
        reorg_depth=snapshot.reorg_depth,
        oracle_ages=dict(snapshot.oracle_ages),
        bands={band.value: count for band, count in band_counts(snapshot).items()},
        margin_calls=sorted(snapshot.margin_calls),
        under_margined=len(snapshot.findings),
        queue=snapshot.queue,
        shortfall=sum(max(0.0, finding.shortfall) for finding in snapshot.findings),
        urgency=sum(max(0.0, finding.urgency) for finding in snapshot.findings),
        fund_balance=snapshot.fund_balance,
        deficits=_deficits(snapshot),
        jobs=[Job(**asdict(job)) for job in snapshot.jobs],
        problems=list(snapshot.problems),
        transactions=dict(snapshot.counts),
        stages=_stages(snapshot.latencies),
        signers=[
            Signer(
                address=each.address,
                balance=None if each.balance is None else each.balance / WAD,
                next_nonce=each.nonce,
                nonce_gap=each.gap,
                gas_today=each.spent_today / WAD,
                gas_cap_today=None if each.cap_today is None else each.cap_today / WAD,
            )
            for each in snapshot.signers
        ],
        endpoints=[
            Endpoint(
                name=each.name,
                active=each.active,
                head=each.head,
                lag=each.lag,
                milliseconds=each.milliseconds,
                failures=each.failures,
                trouble=each.trouble,
            )
            for each in snapshot.endpoints
        ],
        counters=dict(snapshot.counters),
    )


def _deficits(snapshot: Snapshot) -> list[Deficit]:
    if snapshot.assessment is None:
        return []
    state = snapshot.assessment.state
    return [
        Deficit(
            **{name: getattr(line, name) for name in Deficit.model_fields if name != "queues"},
            queues=[
                NominationQueue(
                    instrument=instrument_name(Instrument.unpack(queue.instrument), state.symbols),
                    packed=hex(queue.instrument),
                    longs=queue.longs,
                    accounts=list(queue.accounts),
                    scores=list(queue.scores),
                )
                for queue in line.queues
            ],
        )
        for line in deficit_lines(state)
    ]


def _stages(latencies: Latencies) -> dict[str, StageTimes]:
    kept = {stage.name: getattr(latencies, stage.name) for stage in fields(latencies)}
    return {
        name: StageTimes(p50=float(np.quantile(values, 0.5)) / 1000.0, p99=float(np.quantile(values, 0.99)) / 1000.0)
        for name, values in kept.items()
        if values
    }


def account_list(
    snapshot: Snapshot, assessment: Assessment, below: float | None, band: Band | None, offset: int, limit: int
) -> AccountList:
    """below: only accounts whose health is less; offset, limit: the page."""
    bands = _bands(snapshot)
    lines = [
        line
        for line in account_lines(assessment)
        if (below is None or (line.health is not None and line.health < below))
        and (band is None or bands.get(line.account, Band.SAFE) is band)
    ]
    return AccountList(
        block=assessment.block.number,
        time=assessment.block.time,
        total=len(lines),
        accounts=[
            AccountFigures(
                **{item.name: getattr(line, item.name) for item in fields(line)},
                band=bands.get(line.account, Band.SAFE).value,
                margin_called=snapshot.margin_calls.get(line.account),
            )
            for line in lines[offset : offset + limit]
        ],
    )


def account_risk(snapshot: Snapshot, assessment: Assessment, account: int, *, liquidation_prices: bool) -> AccountRisk:
    """Raises AccountError for an account that does not exist, MarketError for one that cannot be priced."""
    held = assessment.state.accounts.get(account)
    if held is None or account == 0:
        raise AccountError(f"expected an account of the ledger, got {account}")
    alone = assessment.alone(account)
    report = account_report(alone.book, 0, assessment.market, assessment.parameters, liquidation_prices)
    return AccountRisk(
        block=assessment.block.number,
        time=assessment.block.time,
        account=account,
        owner=held.owner,
        mode=report.mode.name,
        band=_bands(snapshot).get(account, Band.SAFE).value,
        margin_called=snapshot.margin_calls.get(account),
        cash=str(held.cash.raw),
        collateral={token: str(quantity.raw) for token, quantity in held.collateral.items() if quantity},
        equity=report.equity,
        margin_equity_initial=report.margin_equity_initial,
        margin_equity_maintenance=report.margin_equity_maintenance,
        initial=report.initial,
        maintenance=report.maintenance,
        health=_finite(report.health),
        gross_notional=report.gross_notional,
        leverage=_finite(report.leverage),
        witness=_witness(report.witness),
        positions=_positions(assessment, account, alone),
        underlyings=_underlyings(assessment, report),
        groups=[
            GroupRisk(
                members=list(group.members),
                sum_loss=group.sum_loss,
                joint_loss=group.joint_loss,
                worst_scenario=group.worst_scenario,
                credit=group.credit,
            )
            for group in report.groups
        ],
        modes={
            mode.name: Mode(
                initial=figures.initial,
                maintenance=figures.maintenance,
                margin_equity_initial=figures.margin_equity_initial,
                margin_equity_maintenance=figures.margin_equity_maintenance,
                health=_finite(figures.health),
            )
            for mode, figures in report.modes.items()
        },
    )


def _positions(assessment: Assessment, account: int, alone: MarginResult) -> list[PositionRisk]:
    marks, found = assessment.marks_of(account), []
    standing = {each.instrument: each for each in lights(assessment, account)}
    notional = dict(zip((alone.book.table.instruments[i] for i in alone.book.instrument), np.abs(alone.book.size), strict=True))
    for instrument, position in sorted(assessment.state.accounts[account].positions.items()):
        size, cost, mark = position.size.to_float(), position.cost.to_float(), marks[instrument]
        found.append(
            PositionRisk(
                instrument=instrument_name(instrument, assessment.state.symbols),
                packed=hex(instrument.pack()),
                size=str(position.size.raw),
                cost=str(position.cost.raw),
                contracts=size,
                mark=mark,
                notional=float(notional[instrument]) * assessment.market.underlying(instrument.underlying).spot,
                unrealised=size * mark - cost,
                adl_light=standing[instrument].light,
                adl_ahead=standing[instrument].ahead,
            )
        )
    return found


def _underlyings(assessment: Assessment, report: AccountReport) -> list[UnderlyingRisk]:
    found = []
    for each in report.underlyings:
        scenario, quoted = assessment.parameters.scenarios[each.worst_scenario], assessment.market.underlying(each.underlying)
        found.append(
            UnderlyingRisk(
                underlying=each.underlying,
                symbol=assessment.state.symbols.get(each.underlying, str(each.underlying)),
                spot=quoted.spot,
                worst_scenario=each.worst_scenario,
                spot_move=scenario.spot_shock * (quoted.spot_scale if scenario.core else 1.0),
                vol_direction=scenario.vol.name.lower(),
                stress_loss=each.stress_loss,
                attribution=each.attribution,
                charges=each.charges,
                greeks=each.greeks,
                delta_notional=each.delta_notional,
                liquidation_below=None if each.liquidation is None else each.liquidation.below,
                liquidation_above=None if each.liquidation is None else each.liquidation.above,
            )
        )
    return found


def liquidatable(snapshot: Snapshot, assessment: Assessment, deployment: Deployment, taker: int, limit: int) -> Liquidatable:
    """What `taker`, an account of the ledger, could do about the `limit` most urgent findings."""
    return Liquidatable(
        block=assessment.block.number,
        time=assessment.block.time,
        chain_id=deployment.chain_id,
        taker=taker,
        found=len(snapshot.findings),
        suggestions=[
            Suggested(
                account=each.account,
                tier=each.tier,
                health=each.health,
                shortfall=each.shortfall,
                urgency=each.urgency,
                kind=each.kind,  # type: ignore[arg-type]  # the purposes of keeper.execution.calls
                legs=[
                    Leg(instrument=instrument_name(Instrument.unpack(packed), assessment.state.symbols), packed=hex(packed), size=str(size))
                    for packed, size in each.legs
                ],
                witness=WitnessDocument(underlyings="0x" + each.witness[0].hex(), groups="0x" + each.witness[1].hex()),
                payment=each.payment,
                to=each.to,
                data="0x" + each.data.hex(),
            )
            for each in suggestions(snapshot, deployment, taker, limit)
        ],
    )


def parameter_list(assessment: Assessment) -> ParameterList:
    table, parameters, symbols = assessment.state.table, assessment.parameters, assessment.state.symbols
    return ParameterList(
        block=assessment.block.number,
        scalars={parameter.name: table.scalar(parameter) for parameter in Parameter},
        collateral={
            each.token: {"haircut_initial": each.haircut_initial, "haircut_maintenance": each.haircut_maintenance, "joins": each.underlying}
            for each in parameters.collateral
        },
        scenarios=[
            {"spot_shock": each.spot_shock, "vol": each.vol.name.lower(), "weight": each.weight, "core": each.core}
            for each in parameters.scenarios
        ],
        groups=[{"members": list(group.members), "kappa": group.kappa} for group in assessment.market.groups],
        spot_scales={symbols.get(index, str(index)): each.spot_scale for index, each in assessment.market.underlyings.items()},
    )


def market(assessment: Assessment) -> Market:
    block, state, symbols = assessment.block, assessment.state, assessment.state.symbols
    return Market(
        block=block.number,
        time=block.time,
        underlyings={
            symbols.get(index, str(index)): MarketUnderlying(
                underlying=index,
                spot=each.spot,
                mark=each.mark,
                confidence=each.confidence,
                age=block.time - state.spots[index].signed_at,
                expiries=[
                    MarketExpiry(
                        expiry=expiry.expiry,
                        forward=expiry.forward,
                        rate=expiry.rate,
                        atm_vol=_atm_vol(expiry),
                        settlement=expiry.settlement,
                        age=block.time - state.expiries[index, expiry.expiry].signed_at,
                    )
                    for expiry in each.expiries
                ],
            )
            for index, each in assessment.market.underlyings.items()
        },
    )


def _atm_vol(expiry: ExpiryMarket) -> float | None:
    svi = expiry.svi
    if svi is None:
        return None
    return float(implied_vol(expiry.forward, svi.ref_forward, svi.ref_tau, svi.a, svi.b, svi.rho, svi.m, svi.sigma))


def transaction_list(entries: tuple[Entry, ...], limit: int) -> TransactionList:
    return TransactionList(transactions=[transaction(entry) for entry in entries[:limit]])


def transaction(entry: Entry) -> Transaction:
    return Transaction(
        id=entry.id,
        nonce=entry.nonce,
        hash=entry.hash,
        purpose=entry.purpose,
        account=entry.account,
        correlation=entry.correlation,
        status=entry.status.value,
        max_fee=str(entry.max_fee),
        priority_fee=str(entry.priority_fee),
        detected_at=entry.detected_at,
        sent_at=entry.sent_at,
        settled_at=entry.settled_at,
        block=entry.block,
        gas_used=entry.gas_used,
        note=entry.note,
    )


def news_document(news: News) -> HealthNews | MarginCallNews | TransactionNews | AlarmNews:
    if isinstance(news, HealthChange):
        return HealthNews(
            account=news.account,
            before=news.before.value,
            now=news.now.value,
            health=_finite(news.health),
            shortfall=news.shortfall,
            block=news.block,
            time=news.time,
        )
    if isinstance(news, CallChange):
        health = _finite(news.health)
        return MarginCallNews(account=news.account, raised=news.raised, health=health, block=news.block, time=news.time)
    if isinstance(news, Alarm):
        return AlarmNews(
            kind=news.kind, severity=news.severity.value, subject=news.subject, text=news.text, at=news.at, cleared=news.cleared
        )
    return TransactionNews(transaction=transaction(news.entry))


def instrument_name(instrument: Instrument, symbols: Mapping[int, str]) -> str:
    """As venues write it: ETH-PERPETUAL, ETH-27MAR26, ETH-27MAR26-3600-C; an expiry at another hour than 08:00 UTC with its time."""
    symbol = symbols.get(instrument.underlying, str(instrument.underlying))
    if instrument.kind is Kind.PERP:
        return f"{symbol}-PERPETUAL"
    at = datetime.fromtimestamp(instrument.expiry, UTC)
    # Not strftime's %b: names must not follow the operator's language.
    month = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")[at.month - 1]
    dated = f"{symbol}-{at.day}{month}{at.year % 100:02d}"
    if (at.hour, at.minute, at.second) != (8, 0, 0):
        dated += f"T{at:%H%M%S}"
    return f"{dated}-{instrument.strike:.10g}-{instrument.kind.name[0]}" if instrument.is_option else dated


def _bands(snapshot: Snapshot) -> dict[int, Band]:
    named = dict.fromkeys(snapshot.margin_calls, Band.CALLED)
    return named | {finding.account: Band(finding.tier.name.lower()) for finding in snapshot.findings}


def _witness(proof: Witness) -> WitnessDocument:
    underlyings, groups = proof.encode()
    return WitnessDocument(underlyings="0x" + underlyings.hex(), groups="0x" + groups.hex())


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
