"""What an account manager asks of a customer: how it was lately and before, and what it is about."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import timedelta
from fractions import Fraction

from tests.warehouse.golden_account import Account
from tests.warehouse.golden_business_time import whole_second
from tests.warehouse.golden_people import SET_ASIDE, median_of, percentile
from tests.warehouse.golden_settings import Row


def account_figures(connection_id: str, tickets: Sequence[Row], account: Account) -> Row:
    """Over the tickets of one customer that are not deleted."""
    work = [ticket for ticket in tickets if ticket["kind"] not in SET_ASIDE]
    recent, previous = _opened(connection_id, work, account, 0), _opened(connection_id, work, account, 1)
    seen = [count > 0 for ticket in tickets if (count := ticket["observed_reopen_count"]) is not None]
    named = Counter(ticket["category_name"] for ticket in work if ticket["category_name"])
    foremost = sorted(named, key=lambda name: (-named[name], str(name).encode()))[:3]
    replied = [ticket["last_agent_message_at"] for ticket in tickets if ticket["last_agent_message_at"]]
    waiting = [ticket["opened_at"] for ticket in work if not ticket["is_closed"] and ticket["opened_at"]]
    return {
        "reopened_ticket_count": sum(seen) if seen or not tickets else None,
        "p90_first_reply_seconds": _ninth_tenth(tickets, "first_reply_seconds"),
        "p90_resolution_seconds": _ninth_tenth(work, "resolution_seconds"),
        "last_agent_message_at": max(replied, default=None),
        "oldest_open_ticket_opened_at": min(waiting, default=None),
        "recent_opened_ticket_count": None if recent is None else len(recent),
        "previous_opened_ticket_count": None if previous is None else len(previous),
        "trend_share": (len(recent or ()) - len(previous)) / len(previous) if previous else None,
        "recent_median_first_reply_seconds": median_of(ticket["first_reply_seconds"] for ticket in recent or ()),
        "previous_median_first_reply_seconds": median_of(ticket["first_reply_seconds"] for ticket in previous or ()),
        "top_categories": [{"category_name": name, "ticket_count": named[name]} for name in foremost],
        "data_as_of": account.data_as_of(connection_id),
    }


def _ninth_tenth(tickets: Sequence[Row], name: str) -> int | None:
    return percentile((ticket[name] for ticket in tickets), Fraction(9, 10))


def _opened(connection_id: str, tickets: Sequence[Row], account: Account, periods_ago: int) -> list[Row] | None:
    """Those opened in a period: after its first second, and not after its last."""
    through = account.data_as_of(connection_id)
    if through is None:
        return None
    length = timedelta(days=account.settings.customer_trend_days)
    last = whole_second(through) - periods_ago * length
    opened = [ticket for ticket in tickets if ticket["opened_at"]]
    return [ticket for ticket in opened if last - length < whole_second(ticket["opened_at"]) <= last]
