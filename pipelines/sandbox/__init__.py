"""A faithful local Unified.to, seeded from one integer: see `Sandbox`, `World` and `Faults`."""

from pipelines.sandbox.faults import Faults
from pipelines.sandbox.poison import Poisoned, poison_records
from pipelines.sandbox.server import Sandbox, serve
from pipelines.sandbox.world import World

__all__ = ["Faults", "Poisoned", "Sandbox", "World", "poison_records", "serve"]
