"""A faithful local Unified.to, seeded from one integer: see `Sandbox`, `World` and `Faults`."""

from pipelines.sandbox.faults import Faults
from pipelines.sandbox.server import Sandbox, serve
from pipelines.sandbox.world import World

__all__ = ["Faults", "Sandbox", "World", "serve"]
