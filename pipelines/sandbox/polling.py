"""What virtual webhooks have not seen yet. They see where a record stands when they run, and nothing in between."""

from __future__ import annotations

from dataclasses import dataclass, field

from pipelines.sandbox.events import Event


@dataclass
class Unseen:
    """The ids of what was made since a run, gone or not, and of what was changed since and made before."""

    created: dict[str, None] = field(default_factory=dict)
    updated: dict[str, None] = field(default_factory=dict)

    def note(self, event: Event) -> None:
        """Remember a change until the next run."""
        record_id = event.stored.id
        if event.happening == "created":
            self.created[record_id] = None
        elif event.happening == "updated" and record_id not in self.created:
            self.updated[record_id] = None
        elif event.happening == "deleted":
            self.updated.pop(record_id, None)


class Polling:
    """What each virtual webhook will find at its next run."""

    def __init__(self) -> None:
        self._unseen: dict[str, Unseen] = {}

    def note(self, webhook_id: str, event: Event) -> None:
        """Remember a change until the webhook's next run."""
        self._unseen.setdefault(webhook_id, Unseen()).note(event)

    def take(self, webhook_id: str, happening: str) -> list[str]:
        """The ids that a run finds, once. Polling never finds what was deleted."""
        unseen = self._unseen.pop(webhook_id, Unseen())
        return list({"created": unseen.created, "updated": unseen.updated}.get(happening, ()))
