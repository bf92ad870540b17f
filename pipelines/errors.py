"""What can go wrong, named by what the operator should do; each message says what was expected, what came
and how to mend it."""

from __future__ import annotations


class TicketingError(Exception):
    """An error for the operator's eyes. `exit_code` is the command's when nothing else worked."""

    exit_code = 1


class FixConfiguration(TicketingError):
    """A setting is missing or wrong."""

    exit_code = 2


class ApiKeyRejected(FixConfiguration):
    """401: the API does not know this key."""


class GrantPermission(TicketingError):
    """403: the connection lacks a permission."""


class UnknownId(TicketingError):
    """404 or 410: no such connection, record or path."""


class RequestRefused(TicketingError):
    """400 or another final answer: the API will not accept this request however often it is sent."""


class ParameterRefused(RequestRefused):
    """400 or 422: it is something that was asked for in the request."""


class CallNotOffered(TicketingError):
    """501, or the support table says so: this integration does not offer the call."""


class TryAgainLater(TicketingError):
    """Passing faults outlasted the retries, of the API or of the warehouse."""


class OutcomeUnknown(TicketingError):
    """The API may have carried out what it was asked for: look there before it is asked again."""


class CallsUsedUp(TicketingError):
    """The run has made as many requests as it may; the next one goes on."""


class ContradictsSupportTable(TicketingError):
    """The server does not do what the integration's support table promises."""


class TooManyDeletions(TicketingError):
    """More records seem to be gone than can be believed without a person's word."""


class WarehouseBusy(TicketingError):
    """Another process holds the warehouse."""


class LoadFailed(TicketingError):
    """What was extracted could not be loaded and is pending. `is_final`: it would not be, however often it is tried."""

    def __init__(self, message: str, *, is_final: bool = False) -> None:
        super().__init__(message)
        self.is_final = is_final


class ModelsFailed(TicketingError):
    """dbt reported an error or a failed test."""
