"""Helpdesks of which only the support table matters here: each lacks something."""

from __future__ import annotations

from pipelines.sandbox.helpdesks.helpdesk import Helpdesk
from pipelines.sandbox.support import support_table

OTHERS = (
    Helpdesk("helpscout", support_table(notes_per_ticket=True, raw=False), "Help Scout"),
    Helpdesk("gorgias", support_table(updated_gte=False, raw=False), "Gorgias"),
    Helpdesk("hubspot", support_table(sort_by_updated_at=False, sort_by_created_at=False, raw=False), "HubSpot"),
    Helpdesk(
        "front",
        support_table(updated_gte=False, sort_by_updated_at=False, sort_by_created_at=False, raw=False),
        "Front",
    ),
    Helpdesk("zohodesk", support_table(objects=("ticket", "customer", "category"), raw=False), "Zoho Desk"),
    Helpdesk("kustomer", support_table(notes_per_ticket=True, raw=False), "Kustomer", unknown_ticket_is_404=True),
    Helpdesk("groove", support_table(methods=("list", "create", "update", "remove"), raw=False), "Groove"),
)
"""Notes only by ticket; no `updated_gte`; no sort; neither; no notes at all; notes only by a ticket that is known;
no record by its id."""
