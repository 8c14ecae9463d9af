"""All 80 independent DPRE-1 cases through the kernels, in PORTFOLIO and in CROSS, to 1e-9 of gross notional."""

from keeper import kernels
from keeper.kernels import Engine
from keeper.margin import Book
from keeper.model import MarginMode
from tests.keeper.cases import CASES, case_of

FIGURES = ("initial", "maintenance", "equity", "margin_equity_initial", "margin_equity_maintenance")


def test_the_published_figures_of_every_case() -> None:
    assert len(CASES) == 80
    for raw in CASES:
        case = case_of(raw)
        book = Book.from_accounts([case.account], case.parameters)
        unit = max(case.outputs["portfolio"]["gross_notional"], 1.0)
        for mode, name in ((MarginMode.PORTFOLIO, "portfolio"), (MarginMode.CROSS, "cross")):
            ours = kernels.margin(book.in_mode(mode), case.market, case.parameters, engine=Engine.KERNELS)
            for figure in FIGURES:
                assert abs(getattr(ours, figure)[0] - case.outputs[name][figure]) <= 1e-9 * unit, (case.id, name, figure)
