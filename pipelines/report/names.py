"""What the connections are called."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from pipelines.report.words import cut
from pipelines.warehouse.destinations.destination import AskRows

_LENGTH = 80

_CONNECTIONS = """
select connection_id, coalesce(integration_name, integration_type) as helpdesk, external_xref
from connections
order by ticket_count desc, connection_id
"""


def names_of(ask: AskRows) -> Mapping[str, str]:
    """A name for each, those with most tickets first; two of the same helpdesk are told apart."""
    rows = ask(_CONNECTIONS)
    found = Counter(row["helpdesk"] for row in rows)
    names = {}
    for row in rows:
        helpdesk, its_id = row["helpdesk"] or "Helpdesk", row["connection_id"]
        is_one_of_many = found[row["helpdesk"]] > 1 or row["helpdesk"] is None
        names[its_id] = cut(f"{helpdesk} ({row['external_xref'] or its_id})" if is_one_of_many else helpdesk, _LENGTH)
    return names
