"""A faithful local Unified.to, seeded from one integer: see `Sandbox`, `World`, `Faults` and `PostFaults`."""

from pipelines.sandbox.faults import Faults
from pipelines.sandbox.outbox import Outbox
from pipelines.sandbox.poison import Poisoned, poison_records
from pipelines.sandbox.post_faults import PostFaults
from pipelines.sandbox.server import Sandbox, serve
from pipelines.sandbox.signing import DEFAULT_WEBHOOK_SECRET
from pipelines.sandbox.world import World

__all__ = [
    "DEFAULT_WEBHOOK_SECRET",
    "Faults",
    "Outbox",
    "Poisoned",
    "PostFaults",
    "Sandbox",
    "World",
    "poison_records",
    "serve",
]
