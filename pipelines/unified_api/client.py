"""One HTTP client for the API: authorises, retries what passes, names what does not."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from time import monotonic
from types import TracebackType
from typing import Any, NoReturn, Self, TypeVar
from urllib.parse import urlencode

import httpx
import msgspec
import tenacity

from pipelines.errors import (
    ApiKeyRejected,
    CallNotOffered,
    FixConfiguration,
    GrantPermission,
    ParameterRefused,
    RequestRefused,
    TicketingError,
    TryAgainLater,
    UnknownId,
)
from pipelines.unified_api.budget import Budget, Refusal
from pipelines.unified_api.endpoints import connection_of
from pipelines.unified_api.records import Listed, NotAPage, Page, parse_record, parse_records

ATTEMPTS = 8
LONGEST_WAIT = 120.0
"""Seconds. A `Retry-After` beyond this ends the call: the next run is the better place to wait."""
LARGEST_BODY = 256 * 1024 * 1024
LONGEST_ANSWER = 300.0
"""Seconds after which a body is given up that comes part by part, each in time."""
_BACKOFF = tenacity.wait_exponential_jitter(multiplier=0.5, max=30.0, jitter=1.0)
_OWN_LIMIT = b"Too many requests to Unified.to"
"""What the API says of its own limit; any other 429 is that of the helpdesk, passed through."""
_PASSING_STATUS = frozenset({408, 425, 429, 500, 502, 503, 504, 520, 521, 522, 523, 524})

Parameters = Mapping[str, str | int | Sequence[str]]
Parsed = TypeVar("Parsed")


_COUNTING = threading.Lock()


@dataclass
class Calls:
    """What a piece of work cost: requests sent (retries among them) and seconds spent waiting for the pace or to
    retry, not for other requests to end. Threads that share a piece of work share its calls."""

    requests: int = 0
    retries: int = 0
    seconds_waited: float = 0.0

    def add(self, *, requests: int = 0, retries: int = 0, seconds_waited: float = 0.0) -> None:
        """Count; safe between threads."""
        with _COUNTING:
            self.requests += requests
            self.retries += retries
            self.seconds_waited += seconds_waited


class _PassingFault(Exception):
    """Worth another try. `retry_after` is in seconds, None where the server named no time."""

    def __init__(self, reason: str, retry_after: float | None = None) -> None:
        super().__init__(reason)
        self.retry_after = retry_after


class _Refused(_PassingFault):
    """One request too many. The budget knows when to ask again."""


class UnifiedClient:
    """A synchronous client; safe to share between threads.

    Every request takes its turn in `budget`. `attempts` is how often a passing fault may come before a call is given
    up. `sleep` and `transport` are for tests.
    """

    def __init__(
        self,
        base_url: str,
        api_key: str,
        *,
        budget: Budget | None = None,
        attempts: int = ATTEMPTS,
        transport: httpx.BaseTransport | None = None,
        sleep: Callable[[float], None] | None = None,
    ) -> None:
        self._refuse_plain_http(base_url)
        self._base_url = base_url.rstrip("/")
        self._api_key = api_key
        self.budget = budget or Budget()
        self._sleep = sleep or self.budget.sleep
        self._attempts = attempts
        trust_env = not _is_loopback(base_url)  # a proxy has no business between a machine and itself
        self._lines = _Lines(
            headers={"authorization": f"bearer {api_key}", "accept": "application/json"},
            timeout=httpx.Timeout(60.0, connect=15.0),
            transport=transport,
            trust_env=trust_env,
            verify=httpx.create_ssl_context(trust_env=trust_env),
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Ask nothing more: whoever waits in the budget stops."""
        self.budget.close()
        self._lines.close()

    def list(self, path: str, parameters: Parameters, calls: Calls) -> Page:
        """One page of a list. Raises a `TicketingError` that is final; passing faults are retried here."""
        body, served_at = self._get(path, parameters, calls, parse_records)
        return Page(body, served_at)

    def get_record(self, path: str, parameters: Parameters, calls: Calls) -> tuple[Listed, datetime]:
        """One record by its id, and the server's clock. Raises `UnknownId` where the API does not know it."""
        return self._get(path, parameters, calls, parse_record)

    def get_json(self, path: str, parameters: Parameters, calls: Calls) -> object:
        """One answer that is not a list of records, decoded."""
        return self._get(path, parameters, calls, _json)[0]

    def _get(
        self, path: str, parameters: Parameters, calls: Calls, parse: Callable[[bytes], Parsed]
    ) -> tuple[Parsed, datetime]:
        def count_the_wait(state: tenacity.RetryCallState) -> None:
            calls.add(retries=1, seconds_waited=state.upcoming_sleep)

        attempts = tenacity.Retrying(
            retry=tenacity.retry_if_exception_type(_PassingFault),
            stop=lambda state: state.attempt_number >= self._attempts or _asked_to_wait(state) > LONGEST_WAIT,
            wait=_wait,
            sleep=self._sleep,
            before_sleep=count_the_wait,
            reraise=True,
        )
        try:
            return attempts(self._attempt, path, parameters, calls, parse)
        except _PassingFault as fault:
            raise TryAgainLater(
                f"GET {path}: {self._redacted(str(fault))}, after {attempts.statistics['attempt_number']} attempts. "
                "Check sources.unified.base_url and the network, or try again later. Nothing is lost: no cursor moved."
            ) from None

    def _attempt(
        self, path: str, parameters: Parameters, calls: Calls, parse: Callable[[bytes], Parsed]
    ) -> tuple[Parsed, datetime]:
        try:
            answer, body = self._send(path, parameters, calls)
        except (httpx.LocalProtocolError, httpx.UnsupportedProtocol) as error:
            raise FixConfiguration(
                "The request could not even be made. Check sources.unified.api_key and sources.unified.base_url for "
                "characters that do not belong there."
            ) from error
        except httpx.InvalidURL as error:
            raise RequestRefused(
                f"Expected an id that a URL can hold, got one that it cannot. It begins: GET {path[:100]}. "
                "Nothing can be asked of it."
            ) from error
        except httpx.RequestError as error:
            raise _PassingFault(f"{type(error).__name__}: {error}") from error
        if _is_refusal(answer):
            raise _Refused(f"answered {answer.status_code}", _retry_after(answer, datetime.now(UTC)))
        if answer.status_code in _PASSING_STATUS:
            raise _PassingFault(f"answered {answer.status_code}", _retry_after(answer, datetime.now(UTC)))
        if answer.status_code != 200:
            self._raise_final(path, answer.status_code, body)
        try:
            return parse(body), _served_at(answer)
        except NotAPage as error:
            raise _PassingFault(f"answered 200, but {error}") from error

    def _send(self, path: str, parameters: Parameters, calls: Calls) -> tuple[httpx.Response, bytes]:
        """One request in its turn, and its whole answer."""
        with self.budget.request(connection_of(path)) as request:
            calls.add(requests=1, seconds_waited=request.seconds_paced)
            url = self._url(path, parameters)
            with self._lines.one() as line, line.stream("GET", url) as answer:
                body = _bounded_body(answer)
            request.answered(_refusal(answer, body))
        return answer, body

    def _url(self, path: str, parameters: Parameters) -> str:
        """The whole address at once: httpx takes three times as long to put it together from its parts."""
        return f"{self._base_url}{path}?{urlencode(parameters, doseq=True)}"

    def _raise_final(self, path: str, status: int, body: bytes) -> NoReturn:
        said = f"GET {path} answered {status}: {_message(body, self._redacted)}."
        error: TicketingError
        match status:
            case 401:
                error = ApiKeyRejected(
                    f"{said} The API does not accept the key. Set sources.unified.api_key to a key of the right "
                    "workspace and region (SOURCES__UNIFIED__API_KEY or .dlt/secrets.toml)."
                )
            case 403:
                error = GrantPermission(f"{said} Grant the permission to the connection in the Unified.to console.")
            case 404 | 410:
                error = UnknownId(f"{said} The API does not know this path or id.")
            case 501:
                error = CallNotOffered(f"{said} This integration does not offer the call.")
            case 400 | 422:
                error = ParameterRefused(f"{said} The same request would be refused again.")
            case _:
                error = RequestRefused(f"{said} The same request would be refused again.")
        raise error

    def _redacted(self, text: str) -> str:
        return text.replace(self._api_key, "(api key)")

    @staticmethod
    def _refuse_plain_http(base_url: str) -> None:
        if "@" in base_url:
            raise FixConfiguration(
                "Expected sources.unified.base_url to be an address alone, got one with a user or a password before an "
                "@ (not shown here). The key has a setting of its own: sources.unified.api_key."
            )
        try:
            url = httpx.URL(base_url)
        except httpx.InvalidURL as error:
            raise FixConfiguration(f"Expected sources.unified.base_url to be a URL, got none ({error}).") from error
        is_safe = url.scheme == "https" or (url.scheme == "http" and _is_loopback(base_url))
        if not is_safe or not url.host or " " in base_url:
            raise FixConfiguration(
                f"sources.unified.base_url must begin with https:// (the key travels with every call), got "
                f"{base_url!r}. Example: https://api-eu.unified.to"
            )


def _is_loopback(base_url: str) -> bool:
    return httpx.URL(base_url).host in {"127.0.0.1", "localhost", "::1"}


class _Lines:
    """HTTP clients, each lent to one request at a time: so each has one connection, kept for the next request.

    A client that many threads share looks, twice for each request and under a lock, at every connection it has.
    """

    def __init__(self, **options: Any) -> None:
        self._options = options
        self._idle: deque[httpx.Client] = deque()
        self._all: list[httpx.Client] = []

    @contextmanager
    def one(self) -> Iterator[httpx.Client]:
        """The line that was used last of those that are free, or a new one."""
        try:
            line = self._idle.pop()
        except IndexError:
            line = self._new()
            self._all.append(line)
        try:
            yield line
        finally:
            self._idle.append(line)

    def _new(self) -> httpx.Client:
        try:
            return httpx.Client(**self._options)
        except (httpx.InvalidURL, ImportError, ValueError) as error:
            raise FixConfiguration(
                "Expected HTTP_PROXY, HTTPS_PROXY and ALL_PROXY to be unset or the http:// address of a proxy, got "
                "another (not shown here, for it may hold a password). Correct or unset them."
            ) from error

    def close(self) -> None:
        for line in self._all:
            line.close()


def _is_refusal(answer: httpx.Response) -> bool:
    return answer.status_code == 429 or (answer.status_code == 503 and bool(answer.headers.get("retry-after")))


def _refusal(answer: httpx.Response, body: bytes) -> Refusal | None:
    """What the budget has to know. Too long a wait is not its matter: it ends the call."""
    if not _is_refusal(answer):
        return None
    asked = _retry_after(answer, datetime.now(UTC)) or 0.0
    return Refusal(answer.status_code == 429 and _OWN_LIMIT in body, asked if asked <= LONGEST_WAIT else 0.0)


def _wait(state: tenacity.RetryCallState) -> float:
    fault = state.outcome.exception() if state.outcome else None
    return 0.0 if isinstance(fault, _Refused) else _asked_to_wait(state) or _BACKOFF(state)


def _asked_to_wait(state: tenacity.RetryCallState) -> float:
    """Seconds that the server asked for; 0 where it did not."""
    fault = state.outcome.exception() if state.outcome else None
    return (fault.retry_after or 0.0) if isinstance(fault, _PassingFault) else 0.0


def _bounded_body(answer: httpx.Response) -> bytes:
    body = bytearray()
    deadline = monotonic() + LONGEST_ANSWER
    for chunk in answer.iter_bytes():
        body += chunk
        if monotonic() > deadline:
            raise httpx.ReadTimeout(
                f"expected the whole answer within {LONGEST_ANSWER:g} s, got {len(body):,} bytes of it (where the line "
                "is slow, set sources.unified.page_size lower)"
            )
        if len(body) > LARGEST_BODY:
            raise RequestRefused(
                f"GET {answer.url.path} answered more than {LARGEST_BODY // 2**20} MB in one page. "
                "Set sources.unified.page_size lower, or include_raw = false."
            )
    return bytes(body)


def _retry_after(answer: httpx.Response, now: datetime) -> float | None:
    """Seconds until the server wants to be asked again: from a number, from an HTTP date, or None."""
    header = answer.headers.get("retry-after", "").strip()
    if not header:
        return None
    try:
        return max(0.0, float(header))
    except ValueError:
        pass
    until = _http_date(header)
    if until is None:
        return None
    return max(0.0, (until - (_http_date(answer.headers.get("date", "")) or now)).total_seconds())


def _served_at(answer: httpx.Response) -> datetime:
    return _http_date(answer.headers.get("date", "")) or datetime.now(UTC)


def _http_date(text: str) -> datetime | None:
    try:
        moment = parsedate_to_datetime(text)
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        return None


def _json(body: bytes) -> object:
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise NotAPage("expected JSON, got something else") from error


def _message(body: bytes, redacted: Callable[[str], str]) -> str:
    """What the server said, for an error message: its `message` if it is JSON, on one printable short line."""
    text = body.decode("utf-8", errors="replace")
    try:
        answer = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        answer = None
    if isinstance(answer, dict):
        text = str(answer.get("message") or answer.get("error") or text)
    return " ".join("".join(c if c.isprintable() else " " for c in redacted(text)).split())[:200] or "(no body)"
