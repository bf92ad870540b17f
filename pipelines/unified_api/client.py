"""One HTTP client for the API: authorises, retries what passes, names what does not."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
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
    OutcomeUnknown,
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
_REPEATABLE = frozenset({"GET", "DELETE"})
"""Methods that do no harm if they come twice. PATCH is none: what somebody else changed between would be undone."""
_NO_SEGMENTS = frozenset({".", ".."})
_NEVER_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError)

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


@dataclass(frozen=True)
class _Call:
    """What is asked of the API; `body` is the JSON that goes along, None for none."""

    method: str
    path: str
    parameters: Parameters = field(default_factory=dict)
    body: object = None

    def __str__(self) -> str:
        return f"{self.method} {self.path}"

    @property
    def may_be_repeated(self) -> bool:
        return self.method in _REPEATABLE

    @property
    def content(self) -> bytes | None:
        return None if self.body is None else msgspec.json.encode(self.body)

    @property
    def headers(self) -> dict[str, str]:
        return {} if self.body is None else {"content-type": "application/json"}


class _PassingFault(Exception):
    """Worth another try. `retry_after` is in seconds, None where the server named no time."""

    def __init__(self, reason: str, retry_after: float | None = None) -> None:
        super().__init__(reason)
        self.retry_after = retry_after


class _Refused(_PassingFault):
    """One request too many. The budget knows when to ask again."""


class _NotSent(_PassingFault):
    """Nobody was reached who could have carried it out."""


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
        trust_env = not is_loopback(base_url)  # a proxy has no business between a machine and itself
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
        return Page(*self._request(_Call("GET", path, parameters), calls, parse_records))

    def get_record(self, path: str, parameters: Parameters, calls: Calls) -> tuple[Listed, datetime]:
        """One record by its id, and the server's clock. Raises `UnknownId` where the API does not know it."""
        return self._request(_Call("GET", path, parameters), calls, parse_record)

    def get_json(self, path: str, parameters: Parameters, calls: Calls) -> object:
        """One answer that is not a list of records, decoded."""
        return self._request(_Call("GET", path, parameters), calls, _json)[0]

    def post(self, path: str, body: object, calls: Calls, parameters: Parameters | None = None) -> object:
        """Make something; what the API answers, decoded.

        Raises `OutcomeUnknown` where nobody can say whether it was made: it is not sent again before somebody looked.
        """
        return self._request(_Call("POST", path, parameters or {}, body), calls, _json)[0]

    def patch(self, path: str, body: object, calls: Calls) -> object:
        """Change the fields that `body` names; what the API answers, decoded. Raises `OutcomeUnknown` like `post`."""
        return self._request(_Call("PATCH", path, body=body), calls, _json)[0]

    def create_record(self, path: str, body: object, parameters: Parameters, calls: Calls) -> tuple[Listed, datetime]:
        """Make a record; it as the API shows it, and the server's clock.

        Raises `OutcomeUnknown` like `post`, and `TryAgainLater` after one try: whoever waits is to look again first.
        """
        return self._request(_Call("POST", path, parameters, body), calls, parse_record, attempts=1)

    def change_record(self, path: str, body: object, parameters: Parameters, calls: Calls) -> tuple[Listed, datetime]:
        """Change the fields of a record that `body` names; like `create_record`."""
        return self._request(_Call("PATCH", path, parameters, body), calls, parse_record, attempts=1)

    def delete(self, path: str, calls: Calls) -> None:
        """Remove something. Raises `UnknownId` where it was not there at first; not there once a try had failed counts
        as removed."""
        spent = Calls()
        try:
            self._request(_Call("DELETE", path), spent, _json_if_any)
        except UnknownId:
            if not spent.retries:
                raise
        finally:
            calls.add(**asdict(spent))

    def _request(
        self, call: _Call, calls: Calls, parse: Callable[[bytes], Parsed], attempts: int | None = None
    ) -> tuple[Parsed, datetime]:
        """The answer and the server's clock, after as many tries as it takes and the call allows."""
        _refuse_other_address(call)

        def count_the_wait(state: tenacity.RetryCallState) -> None:
            calls.add(retries=1, seconds_waited=state.upcoming_sleep)

        most = attempts or self._attempts
        retrying = tenacity.Retrying(
            retry=tenacity.retry_if_exception_type(_PassingFault),
            stop=lambda state: state.attempt_number >= most or _asked_to_wait(state) > LONGEST_WAIT,
            wait=_wait,
            sleep=self._sleep,
            before_sleep=count_the_wait,
            reraise=True,
        )
        try:
            return retrying(self._careful_attempt, call, calls, parse)
        except _PassingFault as fault:
            unharmed = " Nothing is lost: no cursor moved." if call.method == "GET" else ""
            raise TryAgainLater(
                f"{call}: {self._redacted(str(fault))}, after {retrying.statistics['attempt_number']} attempts. "
                f"Check sources.unified.base_url and the network, or try again later.{unharmed}"
            ) from None

    def _careful_attempt(self, call: _Call, calls: Calls, parse: Callable[[bytes], Parsed]) -> tuple[Parsed, datetime]:
        """One try, the last one if it leaves open whether the call was carried out and a second would do harm."""
        try:
            return self._attempt(call, calls, parse)
        except _PassingFault as fault:
            if call.may_be_repeated or isinstance(fault, _Refused | _NotSent):
                raise
            raise OutcomeUnknown(
                f"{call}: {self._redacted(str(fault))}. Whether it was carried out is not known, so it was not sent "
                "again. Look there before you do so."
            ) from None

    def _attempt(self, call: _Call, calls: Calls, parse: Callable[[bytes], Parsed]) -> tuple[Parsed, datetime]:
        try:
            answer, body = self._send(call, calls)
        except (httpx.LocalProtocolError, httpx.UnsupportedProtocol) as error:
            raise FixConfiguration(
                "The request could not even be made. Check sources.unified.api_key and sources.unified.base_url for "
                "characters that do not belong there."
            ) from error
        except httpx.InvalidURL as error:
            raise RequestRefused(
                f"Expected an id that a URL can hold, got one that it cannot. It begins: {str(call)[:100]}. "
                "Nothing can be asked of it."
            ) from error
        except _NEVER_SENT as error:
            raise _NotSent(f"{type(error).__name__}: {error}") from error
        except httpx.RequestError as error:
            raise _PassingFault(f"{type(error).__name__}: {error}") from error
        self._raise_fault(call, answer, body)
        try:
            return parse(body), _served_at(answer)
        except NotAPage as error:
            raise _PassingFault(f"answered {answer.status_code}, but {error}") from error

    def _send(self, call: _Call, calls: Calls) -> tuple[httpx.Response, bytes]:
        """One request in its turn, and its whole answer."""
        with self.budget.request(connection_of(call.path)) as request:
            calls.add(requests=1, seconds_waited=request.seconds_paced)
            url = self._url(call)
            with (
                self._lines.one() as line,
                line.stream(call.method, url, content=call.content, headers=call.headers) as answer,
            ):
                body = _bounded_body(answer)
            request.answered(_refusal(answer, body))
        return answer, body

    def _url(self, call: _Call) -> str:
        """The whole address at once: httpx takes three times as long to put it together from its parts."""
        return f"{self._base_url}{call.path}?{urlencode(call.parameters, doseq=True)}"

    def _raise_fault(self, call: _Call, answer: httpx.Response, body: bytes) -> None:
        """Raise what an answer amounts to that does not say that the call was carried out."""
        status = answer.status_code
        if status == 429 or (_is_refusal(answer) and call.may_be_repeated):
            raise _Refused(f"answered {status}", _retry_after(answer, datetime.now(UTC)))
        if _passes(status):
            raise _PassingFault(f"answered {status}", _retry_after(answer, datetime.now(UTC)))
        if not answer.is_success:
            self._raise_final(call, status, body)

    def _raise_final(self, call: _Call, status: int, body: bytes) -> NoReturn:
        said = f"{call} answered {status}: {_message(body, self._redacted)}."
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
        is_safe = url.scheme == "https" or (url.scheme == "http" and is_loopback(base_url))
        if not is_safe or not url.host or " " in base_url:
            raise FixConfiguration(
                f"sources.unified.base_url must begin with https:// (the key travels with every call), got "
                f"{base_url!r}. Example: https://api-eu.unified.to"
            )


def is_loopback(base_url: str) -> bool:
    """Whether an address is of this machine. Raises `httpx.InvalidURL`."""
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


def _refuse_other_address(call: _Call) -> None:
    """Refuse an id that an address cannot hold: what is meant for one record would befall what stands above it."""
    for segment in _NO_SEGMENTS.intersection(call.path.split("/")):
        raise ParameterRefused(f"{call}: the id {segment!r} cannot be asked for: in an address it means another one.")


def _passes(status: int) -> bool:
    """Whether a fault is one of the moment."""
    return status in (408, 425, 429) or (status >= 500 and status != 501)


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
            _refuse_body(answer)
    return bytes(body)


def _refuse_body(answer: httpx.Response) -> NoReturn:
    """Raise what a page without end amounts to. Any other such answer does not say what was carried out."""
    size = f"more than {LARGEST_BODY // 2**20} MB"
    if answer.request.method != "GET":
        raise httpx.DecodingError(f"answered {size}")
    raise RequestRefused(
        f"GET {answer.url.path} answered {size} in one page. "
        "Set sources.unified.page_size lower, or include_raw = false."
    )


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


def _json_if_any(body: bytes) -> object:
    return _json(body) if body.strip() else None


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
