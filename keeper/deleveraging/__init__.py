"""Deficits beyond the insurance fund: who would bear them, who is to be nominated, when to execute. Decides, sends nothing."""

from keeper.deleveraging.planner import Place, Rankings, nominations, standing
from keeper.deleveraging.score import Holder, Light, holders, lights
from keeper.deleveraging.step import Execute, Nominate, Open, Step

__all__ = ["Execute", "Holder", "Light", "Nominate", "Open", "Place", "Rankings", "Step", "holders", "lights", "nominations", "standing"]
