"""Conversations as a person reads them: on their subject, in office hours, and ended when they are over."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from typing import Any

import pytest

from pipelines.sandbox import World
from pipelines.sandbox.helpdesks import plain_text
from pipelines.sandbox.instants import DAY, HOUR, from_iso
from pipelines.sandbox.topics import PHRASES, Desk, Progress, desk_of

HELPDESKS = ("zendesk", "intercom", "freshdesk", "servicenow")
Records = list[dict[str, Any]]

pytestmark = pytest.mark.xdist_group("a lived world")


@pytest.fixture(scope="module")
def world() -> World:
    lived = World.seeded(seed=7, tickets=1_200)
    lived.live(hours=400)
    return lived


@pytest.mark.parametrize(("tickets", "expected"), [(40, [0, 0, 0, 0]), (60, [1, 0, 0, 0]), (400, [1, 1, 1, 1])])
def test_very_long_threads_are_few_and_their_number_follows_the_size(tickets: int, expected: list[int]) -> None:
    world = World.seeded(seed=7, tickets=tickets)
    shortest = 100 if tickets >= 400 else 50
    lengths = [
        [len(notes) for notes in threads(world, integration_type).values() if len(notes) > shortest]
        for integration_type in HELPDESKS
    ]
    assert [len(each) for each in lengths] == expected
    flat = [length for each in lengths for length in each]
    assert len(set(flat)) > 1 or len(flat) < 2


@pytest.mark.parametrize("integration_type", HELPDESKS)
def test_a_very_long_thread_keeps_to_its_subject(world: World, integration_type: str) -> None:
    desk = desk_of(integration_type)
    [(ticket_id, notes)] = [each for each in threads(world, integration_type).items() if len(each[1]) > 100]
    ticket = world.record(connection(world, integration_type), "ticket", ticket_id)
    saga = next(saga for saga in desk.sagas if pattern(saga.subject).search(ticket["subject"]))
    own = [saga.opening, saga.solution, *(text for each in saga.rounds for text in (each.says, each.answer))]
    own += [*PHRASES.thanks, *PHRASES.holding, *PHRASES.bot_lines]
    own += [text for each in PHRASES.comebacks for text in (each.says, each.answer)]
    own += [text for topic in desk.topics if topic.category == saga.category for text in topic.internals]
    for note in notes:
        assert not note["description"] or any(pattern(text).search(spoken(note)) for text in own), spoken(note)


@pytest.mark.parametrize("integration_type", HELPDESKS)
def test_agents_keep_office_hours(world: World, integration_type: str) -> None:
    written = [note for notes in threads(world, integration_type).values() for note in notes if is_agents(note)]
    moments = [from_iso(note["created_at"]) for note in written if note["description"]]
    by_day = Counter(8 * HOUR <= at % DAY < 20 * HOUR for at in moments)
    assert by_day[True] / len(moments) > 0.98
    if integration_type != "intercom":
        assert sum((at // DAY + 3) % 7 > 4 for at in moments) / len(moments) < 0.01


@pytest.mark.parametrize("integration_type", HELPDESKS)
def test_no_agent_speaks_of_progress_after_the_solution(world: World, integration_type: str) -> None:
    desk = desk_of(integration_type)
    for notes in threads(world, integration_type).values():
        is_solved = False
        for note in notes:
            text = spoken(note)
            if not is_agents(note):
                is_solved = is_solved and not says(text, returns(desk))
                continue
            assert not (is_solved and says(text, promises(desk))), text
            is_solved = is_solved or says(text, solutions(desk))


@pytest.mark.parametrize("integration_type", HELPDESKS)
def test_a_ticket_is_closed_after_a_solution_a_thanks_or_days_of_silence(world: World, integration_type: str) -> None:
    desk = desk_of(integration_type)
    stories = threads(world, integration_type)
    for ticket in world.records(connection(world, integration_type), "ticket"):
        spoken_notes = [note for note in stories[ticket["id"]] if note["description"]]
        if ticket["status"] != "CLOSED" or not spoken_notes:
            continue
        last = spoken_notes[-1]
        assert not (is_agents(last) and says(spoken(last), [each.says for each in progress(desk)])), spoken(last)
        if is_agents(last) and says(spoken(last), promises(desk)):
            assert from_iso(ticket["closed_at"]) - from_iso(last["created_at"]) >= 2 * DAY, spoken(last)


@pytest.mark.parametrize("integration_type", HELPDESKS)
def test_what_is_mentioned_beside_belongs_to_the_topic(world: World, integration_type: str) -> None:
    desk = desk_of(integration_type)
    names = {row["id"]: row["name"] for row in world.records(connection(world, integration_type), "category")}
    strange: dict[str, set[str]] = defaultdict(set)
    for topic in desk.topics:
        fitting = {*topic.details, *desk.details}
        strange[topic.category] = {text for other in desk.topics for text in other.details} - fitting
    for ticket in world.records(connection(world, integration_type), "ticket"):
        category = ticket.get("category") or names.get(ticket.get("category_id") or "")
        text = f"{plain_text(ticket['description'])}".lower()
        for detail in strange[category or ""]:
            assert not re.search(rf"\n\n{pattern(detail.lower()).pattern}\.", text), (category, text)


def connection(world: World, integration_type: str) -> str:
    return next(str(row["id"]) for row in world.connections() if row["integration_type"] == integration_type)


def threads(world: World, integration_type: str) -> dict[str, Records]:
    found: dict[str, Records] = defaultdict(list)
    for note in world.records(connection(world, integration_type), "note"):
        found[note["ticket_id"]].append(note)
    for notes in found.values():
        notes.sort(key=lambda note: str(note["created_at"]))
    return found


def is_agents(note: dict[str, Any]) -> bool:
    return bool(note.get("user_id"))


def spoken(note: dict[str, Any]) -> str:
    """What a note says, without what it quotes."""
    return plain_text((note["description"] or "").split('<div class="attribution">')[0])


def says(text: str, templates: list[str]) -> bool:
    return any(pattern(template).search(text) for template in templates)


def pattern(template: str) -> re.Pattern[str]:
    """The first line of a text, whatever its braces were filled with and however it begins."""
    first_line = template.split("\n")[0]
    pieces = [re.escape(piece) for piece in re.split(r"\{\w+\}", first_line)]
    return re.compile(".+".join(pieces), re.IGNORECASE)


def promises(desk: Desk) -> list[str]:
    asks = [text for topic in desk.topics for case in topic.cases for text in case.asks]
    return [*asks, *(each.says for each in progress(desk)), *PHRASES.holding]


def progress(desk: Desk) -> list[Progress]:
    return [*desk.progress, *(each for topic in desk.topics for each in topic.progress)]


def returns(desk: Desk) -> list[str]:
    rounds = [*PHRASES.comebacks, *(each for topic in desk.topics for each in topic.comebacks)]
    return [each.says for each in rounds]


def solutions(desk: Desk) -> list[str]:
    return [text for topic in desk.topics for case in topic.cases for text in case.fixes]
