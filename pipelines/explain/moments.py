"""Times as the marts compare them: by the second in which they lie."""

from __future__ import annotations

from datetime import datetime


def second(moment: datetime) -> datetime:
    """The beginning of it."""
    return moment.replace(microsecond=0)
