"""`keeper margin`: the command prints what the functions compute, and says what is wrong with a file."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from keeper.cli import app
from keeper.portfolio_files import BookFile, Chain, margin_of_file


def run(*arguments: str | Path) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, ["margin", *map(str, arguments)])
    return result.exit_code, result.stdout, result.stderr


def test_json(example_paths: tuple[Path, Path], book_file: BookFile, chain: Chain) -> None:
    book, snapshot = example_paths
    code, out, _ = run(book, "--chain", snapshot, "--json")
    assert code == 0
    document = json.loads(out)
    frames = margin_of_file(book_file, chain)
    assert document["time"] == chain.market.time
    assert document["expiries_without_slice"] == {}
    assert [account["account"] for account in document["accounts"]] == [1, 2]
    for account in document["accounts"]:
        expected = frames.modes[frames.modes["account"] == account["account"]]
        assert [m["mode"] for m in account["modes"]] == ["ISOLATED", "CROSS", "PORTFOLIO"]
        for name in ("equity", "initial", "maintenance", "health"):
            assert [m[name] for m in account["modes"]] == pytest.approx(expected[name].tolist())
        positions = frames.positions[frames.positions["account"] == account["account"]]
        assert [p["instrument"] for p in account["positions"]] == positions["instrument"].tolist()
        for name in ("delta", "gamma", "vega", "theta", "rho", "vanna", "volga"):
            assert [p[name] for p in account["positions"]] == pytest.approx(positions[name].tolist())
    assert document["accounts"][1]["positions"][0]["vol"] is None  # a perp has none; JSON has no NaN


def test_table(example_paths: tuple[Path, Path], book_file: BookFile, chain: Chain) -> None:
    book, snapshot = example_paths
    code, out, _ = run(book, "--chain", snapshot, "--liquidation")
    assert code == 0
    frames = margin_of_file(book_file, chain)
    for figure in (*frames.modes["initial"], *frames.modes["equity"]):
        assert f"{figure:,.2f}" in out
    for name in frames.positions["instrument"]:
        assert name in out
    assert "PORTFOLIO *" in out


def test_a_wrong_file_is_said_on_stderr(example_paths: tuple[Path, Path], tmp_path: Path) -> None:
    book, _ = example_paths
    code, out, errors = run(book, "--chain", tmp_path / "none.csv")
    assert (code, out) == (1, "")
    assert "MarketError" in errors
