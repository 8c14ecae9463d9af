"""The example book and chain."""

from pathlib import Path

import pytest

from keeper.portfolio_files import BookFile, Chain, read_book, read_chain

EXAMPLES = Path(__file__).parents[3] / "examples"


@pytest.fixture(scope="session")
def example_paths() -> tuple[Path, Path]:
    """(book, chain)"""
    return EXAMPLES / "book.json", EXAMPLES / "chain.csv"


@pytest.fixture(scope="session")
def book_file(example_paths: tuple[Path, Path]) -> BookFile:
    return read_book(example_paths[0])


@pytest.fixture(scope="session")
def chain(example_paths: tuple[Path, Path]) -> Chain:
    return read_chain(example_paths[1])
