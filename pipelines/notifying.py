"""Tells a webhook what has failed, what is stale and where records are missing.

What servers and helpdesks say is hostile in a chat as it is on a terminal: it stands on one line, is cut, and can
neither call people nor make links. No word of a ticket is passed on.
"""

from __future__ import annotations

import logging
import os
import socket
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Thread

import httpx
import msgspec

from pipelines import console
from pipelines.errors import FixConfiguration, TicketingError, TryAgainLater
from pipelines.settings import NotificationSettings, WarehouseSettings, load_notification_settings
from pipelines.unified_api.client import is_loopback
from pipelines.warehouse.marts import reading_marts

TOLD_AGAIN_AFTER = timedelta(hours=24)
PATIENCE = 5.0
"""Seconds that a look at the marts waits for a writer to end: a DuckDB file cannot be read beside one."""
TRIES = 3
SECONDS_A_TRY = 10.0
LONGEST_WAIT = 10.0
"""Seconds between two tries, whatever `Retry-After` asks for."""
LONGEST_LINE = 300
LONGEST_MESSAGE = 2_800
"""Slack refuses a text of more than 3,000 characters."""

HEALTH = "health"
"""The scope of what `sync_health` says; each command has one of its own, named like it."""

LOOK_AT_HEALTH = frozenset({"run", "publish", "verify"})
"""Commands after which the marts are asked, too."""

_UNWELL = """
select connection_id, object_name, health, integration_type, age_seconds, failures_since_success_count,
    unrepaired_gap_count
from marts.sync_health
where health not in ('ok', 'not_offered')
order by place
"""


@dataclass(frozen=True)
class Ended:
    """How a command has ended, and the line that says so."""

    exit_code: int
    closing: str


@dataclass(frozen=True)
class Problem:
    """An object of a connection that is not well, as `sync_health` has it."""

    connection_id: str
    object_name: str
    health: str
    integration_type: str | None
    age_seconds: int | None
    failures_since_success_count: int
    unrepaired_gap_count: int | None

    @property
    def key(self) -> str:
        """By which it is the same one as before."""
        return f"{self.health} {self.connection_id} {self.object_name}"

    def __str__(self) -> str:
        what = f"{self.integration_type or 'unknown helpdesk'} {self.object_name} of {self.connection_id}"
        return f"{self.health.replace('_', ' ')}: {what}{self._how_bad()}"

    def _how_bad(self) -> str:
        if self.health == "failing":
            return f", {console.count(self.failures_since_success_count, 'sync')} since the last that went well"
        if self.health == "gaps":
            return f", {console.count(self.unrepaired_gap_count or 0, 'record')} to repair"
        return "" if self.age_seconds is None else f", read up to {console.duration(self.age_seconds)} ago"


@dataclass(frozen=True)
class Message:
    """What is told: of a command that failed, of objects that are not well, or that all of it is over."""

    title: str
    said: str
    problems: Sequence[Problem]
    host: str
    warehouse: str
    at: str
    command: str | None = None
    exit_code: int | None = None

    def lines(self) -> list[str]:
        """As a person reads it, below the title."""
        said = [self.said, *map(str, self.problems)]
        return [_plain(line) for line in said if line] + [_plain(f"{self.warehouse}, on {self.host}, {self.at}")]


class Told(msgspec.Struct, frozen=True):
    """The problems of a scope as they were told last, and when."""

    problems: list[str]
    told_at: datetime


State = Mapping[str, Told]
Seen = Mapping[str, Iterable[str]]
Post = Callable[[str, bytes], None]


def is_news(before: State, seen: Seen, now: datetime) -> bool:
    """Whether something has come up, or was told a day ago and still is."""
    return any(
        {*problems} - {*before[scope].problems} or now - before[scope].told_at >= TOLD_AGAIN_AFTER
        if scope in before
        else True
        for scope, problems in seen.items()
        if [*problems]
    )


def is_over(before: State, seen: Seen) -> bool:
    """Whether nothing is left of what was told of one of the scopes that were looked at."""
    return any(scope in before and not [*problems] for scope, problems in seen.items())


def remembered(before: State, seen: Seen, now: datetime, *, is_told: bool) -> dict[str, Told]:
    """What is to be known the next time; of what was not looked at it stays as it was."""
    after = {scope: told for scope, told in before.items() if scope not in seen}
    for scope, problems in seen.items():
        if names := sorted(problems):
            after[scope] = Told(names, now if is_told or scope not in before else before[scope].told_at)
    return after


def payload(message: Message, form: str) -> bytes:
    """The body of the request, for Slack and those who read what it reads, or for a program of one's own."""
    if form == "json":
        told = asdict(message) | {"said": _plain(message.said)}
        problems = [
            {name: _plain(value) if isinstance(value, str) else value for name, value in asdict(problem).items()}
            for problem in message.problems
        ]
        return msgspec.json.encode(told | {"problems": problems})
    title, text = for_chat(message.title), within([for_chat(line) for line in message.lines()], LONGEST_MESSAGE)
    plain = {"type": "plain_text", "text": f"{title}\n{text}", "emoji": False}
    return msgspec.json.encode({"text": f"{title}\n{text}", "blocks": [{"type": "section", "text": plain}]})


def for_chat(text: str) -> str:
    """Text that a chat shows as it stands: no link, no mention and no emphasis comes of it."""
    escaped = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return "".join(f"{c}\u200b" if c in "@*_~`[:" else c for c in escaped)


def within(lines: Sequence[str], most: int) -> str:
    """As many of the lines as there is room for, the last one among them, and how many are left out."""
    *others, last = lines
    left_out = "... and {} more: see marts.sync_health"
    room = most - len(last) - len(left_out) - 10
    kept: list[str] = []
    for line in others:
        room -= len(line) + 1
        if room < 0:
            break
        kept.append(line)
    missing = len(others) - len(kept)
    return "\n".join([*kept, *([left_out.format(missing)] if missing else []), last])


def _plain(text: object) -> str:
    line = console.one_line(text)
    return line if len(line) <= LONGEST_LINE else f"{line[: LONGEST_LINE - 3]}..."


def recipient() -> NotificationSettings | None:
    """Who is told, None for nobody. Raises `FixConfiguration`, which does not show the address: whoever has it may post
    there."""
    settings = load_notification_settings()
    if not settings.url:
        return None
    try:
        url = httpx.URL(settings.url)
        is_safe = url.scheme == "https" or (url.scheme == "http" and is_loopback(settings.url))
    except httpx.InvalidURL:
        is_safe = False
    if not is_safe or not url.host or " " in settings.url:
        raise FixConfiguration(
            "The setting notifications.url must be the URL of a webhook that begins with https:// (or with http:// on "
            "this machine), got another (not shown here). Copy it once more into NOTIFICATIONS__URL or "
            ".dlt/secrets.toml."
        )
    return settings


def unwell(warehouse: WarehouseSettings, wait_seconds: float = PATIENCE) -> list[Problem]:
    """What `sync_health` calls neither well nor not offered at this moment, worst first. Raises as `reading_marts`."""
    with reading_marts(warehouse, wait_seconds) as ask:
        return [Problem(**row) for row in ask(_UNWELL)]


def message_of(
    warehouse: str,
    problems: Sequence[Problem],
    now: datetime,
    command: str | None = None,
    ended: Ended | None = None,
    *,
    before: State | None = None,
) -> Message:
    """What there is to be told; of a command that went well, or of none, what is not well. `before` is what was told
    last."""
    title, said = _title(problems, command, ended, before or {}), ""
    if ended is not None and ended.exit_code != 0:
        # The first line alone: what dbt says comes below it, and may hold a row of the database.
        said = ended.closing.strip().split("\n")[0]
    return Message(
        title=title,
        said=said,
        problems=problems,
        host=socket.gethostname(),
        warehouse=warehouse,
        at=f"{now:%Y-%m-%d %H:%M}Z",
        command=command,
        exit_code=ended.exit_code if ended else None,
    )


def _title(problems: Sequence[Problem], command: str | None, ended: Ended | None, before: State) -> str:
    if ended is not None and ended.exit_code != 0:
        return f"ticketing {command} ended with exit code {ended.exit_code}"
    if command in before:
        return f"ticketing {command} went well again"
    if problems:
        return f"{console.count(len(problems), 'object')} not well"
    return "The data are well again" if before.keys() - {HEALTH} else "All well again"


def tell(settings: NotificationSettings, message: Message, seen: Seen, state_dir: Path | None, now: datetime) -> bool:
    """Send what is news, or that it is over, and keep in the state folder what was told. Whether anything was sent.

    Raises `TryAgainLater` where it could not be delivered: then it counts as not told.
    """
    before = read_state(state_dir)
    is_told = is_news(before, seen, now) or is_over(before, seen)
    if is_told:
        post(settings.url, payload(message, settings.format))
    after = remembered(before, seen, now, is_told=is_told)
    if after != before:
        write_state(state_dir, after)
    return is_told


def tell_of_command(command: str, ended: Ended, warehouse: WarehouseSettings | None) -> None:
    """Tell of a command that has ended, and after those that bring new marts, of what these say, if they can be read.
    Raises a `TicketingError` where it could not be told."""
    settings = recipient()
    if settings is None:
        return
    now = datetime.now(UTC)
    problems: list[Problem] = []
    seen = {command: [str(ended.exit_code)] if ended.exit_code else []}
    if command in LOOK_AT_HEALTH and warehouse is not None:
        with suppress(TicketingError):
            problems = unwell(warehouse)
            seen[HEALTH] = [problem.key for problem in problems]
    name, state_dir = (warehouse.name, warehouse.state_dir) if warehouse else ("no warehouse", None)
    message = message_of(name, problems, now, command, ended, before=read_state(state_dir))
    tell(settings, message, seen, state_dir, now)


def message_of_health(problems: Sequence[Problem], warehouse: WarehouseSettings) -> Message:
    """What there is to be told of the data alone."""
    return message_of(warehouse.name, problems, datetime.now(UTC), before=read_state(warehouse.state_dir))


def tell_of_health(settings: NotificationSettings, message: Message, warehouse: WarehouseSettings) -> bool:
    """Tell what is not well, if that is news. Raises `TryAgainLater` where it could not be delivered."""
    seen = {HEALTH: [problem.key for problem in message.problems]}
    return tell(settings, message, seen, warehouse.state_dir, datetime.now(UTC))


def read_state(state_dir: Path | None) -> dict[str, Told]:
    """What was told of each scope; nothing where there is no folder yet, or what lies there cannot be read."""
    if state_dir is None:
        return {}
    try:
        state = msgspec.json.decode((state_dir / "told.json").read_bytes(), type=dict[str, Told])
    except (OSError, msgspec.DecodeError):
        return {}
    return {scope: told for scope, told in state.items() if told.told_at.tzinfo is not None}


def write_state(state_dir: Path | None, state: State) -> None:
    """Keep it, whole or not at all: what is half written would have it told twice. Raises `TryAgainLater` where that is
    not to be had."""
    if state_dir is None:
        return
    draft = state_dir / f"told.json.{os.getpid()}"
    try:
        state_dir.mkdir(parents=True, exist_ok=True)
        draft.write_bytes(msgspec.json.encode(state))
        draft.replace(state_dir / "told.json")
    except OSError as error:
        with suppress(OSError):
            draft.unlink(missing_ok=True)
        raise TryAgainLater(
            f"It was told, but {state_dir} does not keep that ({error.strerror}), so that it will be told again."
        ) from error


def post(url: str, body: bytes) -> None:
    """Send it, thrice at most. Raises `TryAgainLater`, which does not show the address."""
    logging.getLogger("httpx").setLevel(logging.WARNING)  # it logs addresses
    for attempt in range(1, TRIES + 1):
        answer = _answer(url, body)
        if isinstance(answer, httpx.Response) and answer.is_success:
            return
        if attempt == TRIES or (isinstance(answer, httpx.Response) and not _is_passing(answer)):
            break
        time.sleep(_wait_for(answer, attempt))
    said = f"it answers {answer.status_code}" if isinstance(answer, httpx.Response) else answer
    raise TryAgainLater(
        f"Expected the webhook of notifications.url to take the notification, but {said}. See whether the address "
        "(not shown here) is still the right one: NOTIFICATIONS__URL or .dlt/secrets.toml."
    )


def _answer(url: str, body: bytes) -> httpx.Response | str:
    """The head of what comes back, whose body nobody needs; or why nothing did."""
    came: list[httpx.Response | str] = []

    def ask() -> None:
        trust_env = not is_loopback(url)  # a proxy has no business between a machine and itself
        try:
            with (
                httpx.Client(timeout=SECONDS_A_TRY, trust_env=trust_env, follow_redirects=False) as client,
                client.stream("POST", url, content=body, headers={"content-type": "application/json"}) as response,
            ):
                came.append(response)
        except Exception as error:  # whatever it is, the command that is told of goes on, and the text may hold the URL
            came.append(f"it cannot be reached ({type(error).__name__})")

    asking = Thread(target=ask, daemon=True)  # one that sends a byte now and then is let go after the same time
    asking.start()
    asking.join(SECONDS_A_TRY)
    return came[0] if came else f"it did not answer within {SECONDS_A_TRY:.0f} s"


def _is_passing(answer: httpx.Response) -> bool:
    return answer.status_code == 429 or answer.status_code >= 500


def _wait_for(answer: httpx.Response | str, attempt: int) -> float:
    asked = answer.headers.get("retry-after", "") if isinstance(answer, httpx.Response) else ""
    return min(float(asked), LONGEST_WAIT) if asked.isascii() and asked.isdigit() else float(attempt)
