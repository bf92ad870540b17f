"""The helpdesks behind the connections, one module for each that has a shape of its own."""

from __future__ import annotations

from collections.abc import Mapping

from pipelines.sandbox.helpdesks.freshdesk import FRESHDESK
from pipelines.sandbox.helpdesks.helpdesk import BLANK, Backstage, Helpdesk, Part, State, plain_text
from pipelines.sandbox.helpdesks.intercom import INTERCOM
from pipelines.sandbox.helpdesks.others import OTHERS
from pipelines.sandbox.helpdesks.servicenow import SERVICENOW
from pipelines.sandbox.helpdesks.zendesk import ZENDESK

HELPDESKS: Mapping[str, Helpdesk] = {
    helpdesk.type: helpdesk for helpdesk in (ZENDESK, INTERCOM, FRESHDESK, SERVICENOW, *OTHERS)
}
"""The integration types known from the start; a world can register more."""

__all__ = ["BLANK", "HELPDESKS", "Backstage", "Helpdesk", "Part", "State", "plain_text"]
