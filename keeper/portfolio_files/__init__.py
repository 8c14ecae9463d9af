"""Books and option chains as files and DataFrames: JSON, CSV and frames in, frames out (docs/methods.md).

file, chain = read_book(Path("examples/book.json")), read_chain(Path("snapshot.csv"))
frames = margin_of_file(file, chain)
frames.modes, frames.underlyings, frames.positions
"""

from keeper.portfolio_files.book import BookFile, book_of_frames, read_book
from keeper.portfolio_files.chain import Chain, chain_of, read_chain
from keeper.portfolio_files.frames import MarginFrames, margin_frames, margin_of_file
from keeper.portfolio_files.names import instrument_of, name_of

__all__ = [
    "BookFile",
    "Chain",
    "MarginFrames",
    "book_of_frames",
    "chain_of",
    "instrument_of",
    "margin_frames",
    "margin_of_file",
    "name_of",
    "read_book",
    "read_chain",
]
