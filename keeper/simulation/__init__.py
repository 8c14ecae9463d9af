"""Market paths for demos, back-tests and studies: the ends of the loop are swapped, nothing in between."""

from keeper.simulation.history import CRASHES, PATH_CONVENTION, Candle, Crash, PathPoint, load_crash
from keeper.simulation.replay import Replay
from keeper.simulation.shock import ShockStep, interpolated, shocked_market, simulate
from keeper.simulation.surface import SmileShape, Surface, load_smiles, parkinson_vol, term_vol

__all__ = [
    "CRASHES",
    "PATH_CONVENTION",
    "Candle",
    "Crash",
    "PathPoint",
    "Replay",
    "ShockStep",
    "SmileShape",
    "Surface",
    "interpolated",
    "load_crash",
    "load_smiles",
    "parkinson_vol",
    "shocked_market",
    "simulate",
    "term_vol",
]
