"""A helpdesk's records, rendered to JSON once: as large, and as unevenly spread over time, as real ones are."""

from __future__ import annotations

import random
import re
from array import array
from bisect import bisect_left
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

_DAY = 24 * 3600 * 1000
_FIRST_DAY = int(datetime(2023, 1, 1, tzinfo=UTC).timestamp()) * 1000
_DAYS = 1_096
"""Up to the end of 2025."""
_TEXTS = 499
_WORDS = re.findall(
    r"\w+",
    "the bike battery does not charge since last week and the display shows an error after the update could you please "
    "send me a new key for the lock my order has not arrived yet tracking says delivered on Tuesday thank you for your "
    "help we have sent a replacement from our warehouse in Bristol kind regards rider support the rear hub makes noise "
    "when I pedal hard warranty invoice refund address app stand within two metres close it fully open again",
)


@dataclass(frozen=True)
class Work:
    """How many records of each object a connection has."""

    tickets: int = 20_000
    notes: int = 80_000
    customers: int = 4_000
    categories: int = 20

    def scaled(self, factor: float) -> Work:
        """So many times the work; categories stay few."""
        return Work(
            round(self.tickets * factor), round(self.notes * factor), round(self.customers * factor), self.categories
        )

    def counts(self) -> dict[str, int]:
        """Records by the API's name of their object."""
        return {
            "ticket": self.tickets,
            "note": self.notes,
            "customer": self.customers,
            "category": self.categories,
        }

    @property
    def records(self) -> int:
        return sum(self.counts().values())

    def pages(self, page_size: int) -> int:
        """The fewest pages that hold it all."""
        return sum(-(-count // page_size) for count in self.counts().values())


@dataclass
class Shelf:
    """One object's records, oldest `updated_at` first; `times` holds those, in milliseconds."""

    times: array[int]
    records: list[bytes]

    def page(self, since: int | None, offset: int, limit: int, *, descending: bool) -> list[bytes]:
        """The records of one answer."""
        first = 0 if since is None else bisect_left(self.times, since)
        if not descending:
            return self.records[first + offset : first + offset + limit]
        end = max(first, len(self.records) - offset)
        return self.records[max(first, end - limit) : end][::-1]

    def find(self, record_id: str) -> bytes | None:
        """The record with this id, slowly."""
        beginning = b'{"id":"%s",' % record_id.encode()
        return next((record for record in self.records if record.startswith(beginning)), None)

    def touch(self, count: int, now: int) -> None:
        """Give so many records, evenly scattered over the shelf, an `updated_at` of just now."""
        total = len(self.records)
        chosen = (place * total // count for place in range(count))
        moved = dict(zip(chosen, range(now - count, now), strict=True))
        touched = [_retimed(self.records[at], self.times[at], time) for at, time in moved.items()]
        kept = [at for at in range(total) if at not in moved]
        self.times = array("q", [*(self.times[at] for at in kept), *moved.values()])
        self.records = [self.records[at] for at in kept] + touched


def id_and_time(record: bytes) -> bytes:
    """What is left of a record where only its `id` and `updated_at` are asked for."""
    id, _, rest = record[len(_BEFORE_ID) :].partition(b'"')
    time = rest.partition(_BEFORE_TIME)[2][:_TIME_LENGTH]
    return b'{"id":"%s","updated_at":"%s"}' % (id, time)


_BEFORE_ID, _BEFORE_TIME, _TIME_LENGTH = b'{"id":"', b'"updated_at":"', len("2023-01-01T00:00:00.000Z")


def shelves(work: Work, seed: int) -> dict[str, Shelf]:
    """The records of one connection, by the API's name of their object; the same seed gives the same ones."""
    rng = random.Random(seed)
    texts = [" ".join(rng.choices(_WORDS, k=rng.randint(10, 49))).encode() for _ in range(_TEXTS)]
    return {name: _shelf(count, _RENDERED[name], work, texts, rng) for name, count in work.counts().items()}


_Rendered = Callable[[int, bytes, bytes, Work], bytes]


def _shelf(count: int, rendered: _Rendered, work: Work, texts: list[bytes], rng: random.Random) -> Shelf:
    times = array("q", _times(count, rng))
    records = [rendered(number, _iso(time), texts[number * 31 % _TEXTS], work) for number, time in enumerate(times)]
    return Shelf(times, records)


def _times(count: int, rng: random.Random) -> Iterator[int]:
    """Times that only rise: more a day each year, in working hours, one in ten the same as the one before."""
    last = 0
    for number in range(count):
        day, share = divmod(_DAYS * (number / count) ** 0.6, 1)
        if rng.random() >= 0.1:
            last = max(last, _FIRST_DAY + int(day) * _DAY + int((8 + 10 * share) * 3600 * 1000))
        yield last or _FIRST_DAY


def _iso(milliseconds: int) -> bytes:
    """A time as the API writes it."""
    day, rest = divmod(milliseconds, _DAY)
    if day not in _DATES:
        _DATES[day] = datetime.fromtimestamp(day * _DAY / 1000, UTC).strftime("%Y-%m-%d").encode()
    seconds, thousandths = divmod(rest, 1000)
    minutes, second = divmod(seconds, 60)
    return b"%sT%02d:%02d:%02d.%03dZ" % (_DATES[day], *divmod(minutes, 60), second, thousandths)


_DATES: dict[int, bytes] = {}


def _retimed(record: bytes, old: int, new: int) -> bytes:
    return record.replace(b'"updated_at":"' + _iso(old), b'"updated_at":"' + _iso(new), 1)


def _ticket(number: int, at: bytes, text: bytes, work: Work) -> bytes:
    is_open = number % 7 == 0
    closed = b"" if is_open else b'"closed_at":"%s",' % at
    return (
        b'{"id":"%d","created_at":"%s","updated_at":"%s","customer_id":"%d","subject":"%s","description":"%s",'
        b'"status":"%s",%s"priority":"normal","category_id":"%d","source":"web","tags":["tag-%d","tag-%d"],'
        b'"user_id":"%d","url":"https://acme.helpdesk.example/agent/tickets/%d","raw":{"id":%d,"url":'
        b'"https://acme.helpdesk.example/api/v2/tickets/%d.json","status":"%s","requester_id":%d,"submitter_id":%d,'
        b'"assignee_id":%d,"group_id":%d,"via":{"channel":"web","source":{"from":{},"to":{},"rel":null}},'
        b'"subject":"%s","priority":"normal","tags":["tag-%d","tag-%d"],"is_public":true,"satisfaction_rating":'
        b'{"score":"unoffered"},"created_at":"%s","updated_at":"%s"}}'
    ) % (
        *(40_000_000 + number, at, at, _customer_id(number, work), text[:60], text),
        *(b"ACTIVE" if is_open else b"CLOSED", closed, _category_id(number, work), number % 13, number % 17),
        *(50_000_000 + number % 40, 40_000_000 + number, 40_000_000 + number),
        *(40_000_000 + number, b"open" if is_open else b"closed", _customer_id(number, work)),
        *(_customer_id(number, work), 50_000_000 + number % 40, 70_000_000 + number % 5),
        *(text[:60], number % 13, number % 17, at, at),
    )


def _note(number: int, at: bytes, text: bytes, work: Work) -> bytes:
    ticket = number * work.tickets // work.notes
    return (
        b'{"id":"%d","created_at":"%s","updated_at":"%s","customer_id":"%d","description":"<p>%s</p>",'
        b'"ticket_id":"%d","user_id":"%d","raw":{"id":%d,"type":"Comment","author_id":%d,"public":%s,"body":"%s",'
        b'"via":{"channel":"web"},"created_at":"%s"}}'
    ) % (
        *(1_000_000_000 + number, at, at, _customer_id(ticket, work), text),
        *(40_000_000 + ticket, 50_000_000 + number % 40, 1_000_000_000 + number, 50_000_000 + number % 40),
        *(b"false" if number % 5 == 0 else b"true", text, at),
    )


def _customer(number: int, at: bytes, text: bytes, work: Work) -> bytes:
    name = b" ".join(text.split()[:2])
    return (
        b'{"id":"%d","created_at":"%s","updated_at":"%s","name":"%s","emails":[{"email":"rider.%d@mailbox.example",'
        b'"type":"HOME"}],"telephones":[{"telephone":"+44 117 %07d","type":"MOBILE"}],"raw":{"id":%d,"name":"%s",'
        b'"email":"rider.%d@mailbox.example","phone":"+44 117 %07d","role":"end-user","verified":true,'
        b'"updated_at":"%s"}}'
    ) % (60_000_000 + number, at, at, name, number, number, 60_000_000 + number, name, number, number, at)


def _category(number: int, at: bytes, text: bytes, work: Work) -> bytes:
    name = text[:20]
    return (
        b'{"id":"%d","created_at":"%s","updated_at":"%s","name":"%s","description":"%s","is_active":true,'
        b'"raw":{"id":%d,"name":"%s","is_public":true,"deleted":false}}'
    ) % (80_000_000 + number, at, at, name, text[:40], 80_000_000 + number, name)


def _customer_id(number: int, work: Work) -> int:
    return 60_000_000 + number * 31 % max(1, work.customers)


def _category_id(number: int, work: Work) -> int:
    return 80_000_000 + number % max(1, work.categories)


_RENDERED: dict[str, _Rendered] = {"ticket": _ticket, "note": _note, "customer": _customer, "category": _category}
