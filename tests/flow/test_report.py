"""`ticketing report`: the file, the page in a browser, and what it makes of hostile or missing data."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from playwright.sync_api import Browser

from pipelines.cli import main
from pipelines.publish import publish
from pipelines.report import report_of
from pipelines.report.figures import Figures, Support, figures_of
from pipelines.settings import DuckdbWarehouse, PostgresWarehouse, WarehouseSettings
from pipelines.warehouse.marts import reading_published
from tests.chromium import Opened, chromium, opened
from tests.flow.conftest import destination_environment, on_both, on_postgres
from tests.hand_made_marts import Tables, make_marts
from tests.report_marts import DESK, OTHER_DESK, READ, marts_saying, unavailable

MADE_AT = datetime(2026, 5, 28, 8, 31, tzinfo=UTC)

HOSTILE = (
    "</title></style></script><script>document.title='pwned'</script>\"><img src=x onerror=alert(1)>"
    "<svg onload=alert(2)>{{7*7}}{% raw %}&lt;b&gt;'\"`\u202egnp.exe\u2066\u200b\x07\x1b[2J\u2028"
)
LONG = "W" * 3_000
SCRIPT_URL = "JavaScript:alert(3)//https://desk.example"


@pytest.fixture
def written(warehouse: WarehouseSettings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """Runs the command in this process; the result, and where the page is."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SOURCES__UNIFIED__STATE_DIR", str(warehouse.state_dir))
    for name, value in destination_environment(warehouse).items():
        monkeypatch.setenv(name, value)

    def run(*arguments: str) -> Result:
        ended = CliRunner().invoke(main, ["report", *arguments])
        assert ended.exception is None or isinstance(ended.exception, SystemExit), ended.exception
        return ended

    return run


def publish_marts(warehouse: WarehouseSettings, tables: Tables) -> None:
    make_marts(warehouse, tables, READ)
    publish(warehouse)


def page_over(warehouse: WarehouseSettings, tables: Tables) -> str:
    """The page from marts with these rows."""
    publish_marts(warehouse, tables)
    with reading_published(warehouse) as ask:
        return report_of(ask, "the warehouse", MADE_AT)[0]


class Elements(HTMLParser):
    """What there is in a page, by its tags, and its links and text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: Counter[str] = Counter()
        self.attributes: Counter[str] = Counter()
        self.links: list[str] = []
        self.words: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] += 1
        self.attributes.update(name for name, _ in attrs)
        self.links += [value or "" for name, value in attrs if name == "href"]

    def handle_data(self, data: str) -> None:
        self.words.append(data)


@on_both
def test_the_report_is_written_and_its_place_is_said(
    warehouse: WarehouseSettings, written: Any, tmp_path: Path
) -> None:
    publish_marts(warehouse, marts_saying("Brakes"))
    ended = written()
    assert ended.exit_code == 0
    assert ended.stdout.splitlines()[-1] == (
        f"Written: {warehouse.report_path}; open it in a browser. Data as of 28 May 2026, 08:30 UTC."
    )
    assert warehouse.report_path.read_text(encoding="utf-8").startswith("<!doctype html>")
    assert not [path for path in warehouse.published_dir.iterdir() if path.name.endswith(".unfinished")]


def test_what_was_there_stays_where_the_report_cannot_be_made(
    warehouse: DuckdbWarehouse, written: Any, tmp_path: Path
) -> None:
    (tmp_path / "monday.html").write_text("last week's")
    ended = written("--out", "monday.html")
    assert ended.exit_code == 2
    assert "Run `ticketing publish` first." in ended.stderr
    assert (tmp_path / "monday.html").read_text() == "last week's"


def test_where_the_report_is_written_to_stays_what_it_is(
    warehouse: WarehouseSettings, written: Any, tmp_path: Path
) -> None:
    publish_marts(warehouse, marts_saying("Brakes"))
    kept = tmp_path / "kept.html"
    kept.write_text("last week's")
    kept.chmod(0o600)
    (tmp_path / "link.html").symlink_to(kept)
    assert written("--out", "link.html").exit_code == 0
    assert (tmp_path / "link.html").is_symlink()
    assert kept.read_text().startswith("<!doctype html>")
    assert kept.stat().st_mode & 0o777 == 0o600
    os.mkfifo(tmp_path / "pipe")
    for place in ("pipe", "", "-"):
        ended = written("--out", place)
        assert ended.exit_code == 2, place
        assert "Expected --out to be a file" in ended.stderr
    assert not [path for path in tmp_path.iterdir() if path.name.endswith(".unfinished")]


def test_a_report_that_breaks_off_leaves_no_draft(
    warehouse: WarehouseSettings, written: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish_marts(warehouse, marts_saying("Brakes"))
    monkeypatch.setattr(Path, "replace", _full)
    assert written().exit_code == 1
    assert not [path for path in warehouse.published_dir.iterdir() if path.name.endswith(".unfinished")]


def _full(*_: object) -> None:
    raise OSError(28, "No space left on device")


def test_other_commands_do_not_wait_for_what_draws() -> None:
    loaded = "import sys, pipelines.cli; print([each for each in ('altair', 'vl_convert') if each in sys.modules])"
    assert subprocess.run([sys.executable, "-c", loaded], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_a_word_of_others_is_shown_and_adds_nothing_to_the_page(warehouse: WarehouseSettings, tmp_path: Path) -> None:
    other = DuckdbWarehouse(tmp_path / "other.duckdb", tmp_path / "other")
    tame = Elements(page_over(other, marts_saying("Brakes", SCRIPT_URL)))
    page = page_over(warehouse, marts_saying(HOSTILE, SCRIPT_URL))
    wild = Elements(page)
    assert wild.tags == tame.tags
    assert wild.attributes == tame.attributes
    assert not {"script", "img", "iframe", "object", "link", "form"} & wild.tags.keys()
    assert all(link.startswith("#") for link in wild.links)
    assert any("<img src=x onerror=alert(1)>" in words for words in wild.words)
    assert any("{{7*7}}{% raw %}&lt;b&gt;" in words for words in wild.words)
    assert all(character.isprintable() or character == "\n" for character in page)


def test_an_address_of_the_web_becomes_a_link(warehouse: WarehouseSettings, written: Any, tmp_path: Path) -> None:
    address = 'https://desk.example/1?a="><b>'
    publish_marts(warehouse, marts_saying("Brakes", address))
    assert written("--out", "new/monday.html").exit_code == 0
    page = (tmp_path / "new" / "monday.html").read_text(encoding="utf-8")
    assert Elements(page).links.count(address) >= 12


@on_both
def test_before_the_first_ticket_the_report_says_so(warehouse: WarehouseSettings) -> None:
    page = page_over(warehouse, {})
    assert "There is nothing to tell yet" in page
    assert "<svg" not in page


def figures_over(warehouse: WarehouseSettings, tables: Tables) -> tuple[Figures, Support]:
    """What would be on the page from marts with these rows."""
    publish_marts(warehouse, tables)
    with reading_published(warehouse) as ask:
        figures = figures_of(ask)
    assert figures.support is not None
    return figures, figures.support


@on_both
def test_what_no_helpdesk_can_tell_is_not_known_rather_than_nothing(warehouse: WarehouseSettings) -> None:
    tables = marts_saying("Brakes")
    tables["metric_availability"] = [
        unavailable(desk, metric, "notes_not_offered")
        for desk in (DESK, OTHER_DESK)
        for metric in ("conversation", "first_reply", "changes", "service_levels")
    ]
    for row in tables["support_daily"]:
        row |= {"customer_message_count": None, "agent_reply_count": None}
    _, support = figures_over(warehouse, tables | {"conversation_turns": [], "conversation_messages": []})
    tiles = {tile.name: tile for tile in (*support.glance.now, *support.glance.week)}
    known = {name for name, tile in tiles.items() if tile.value is not None}
    assert known == {"open_count", "opened_count", "closed_count"}
    why = "Not known of Brakes: notes not offered (notes); Other: notes not offered (notes)."
    assert {tiles[name].doubt for name in tiles.keys() - known} == {why}
    assert [(each.metric, each.is_known) for each in support.waits][:2] == [
        ("first_reply", False),
        ("next_reply", False),
    ]
    assert [(each.is_known, each.lack) for each in support.volumes] == [(False, why)] * 2


def test_what_one_of_two_helpdesks_cannot_tell_is_said_by_the_figure(warehouse: WarehouseSettings) -> None:
    tables = marts_saying("Brakes")
    for row in tables["metric_availability"]:
        if row["connection_id"] == OTHER_DESK and row["metric"] == "conversation":
            row |= unavailable(OTHER_DESK, "conversation", "notes_not_offered")
    _, support = figures_over(warehouse, tables)
    [messages] = [tile for tile in support.glance.week if tile.name == "customer_message_count"]
    assert (messages.value, messages.doubt) == (35, "Not known of Other: notes not offered (notes).")
    rows = {row.key: row.values for row in support.breakdowns[0].rows}
    assert (rows[DESK][6], rows[OTHER_DESK][6]) == (35, None)


def test_what_is_amiss_with_a_connection_is_said_once_for_all_its_objects(warehouse: WarehouseSettings) -> None:
    tables = marts_saying("Brakes")
    failing, stale = tables["sync_health"]
    stale |= {"health": "stale", "age_seconds": 300_000}
    tables["sync_health"] = [failing, stale, stale | {"object_name": "notes", "place": 3}]
    figures, _ = figures_over(warehouse, tables)
    assert [(concern.sentence, concern.is_grave) for concern in figures.freshness.concerns] == [
        ("Brakes (tickets): the last 2 syncs failed: Brakes. Known up to 28 May 2026, 08:30 UTC.", True),
        ("Other (tickets, notes): not read for 3 d 11 h. Known up to 28 May 2026, 08:30 UTC.", False),
    ]


@pytest.mark.slow
@on_postgres
def test_the_same_page_comes_of_any_warehouse(warehouse: PostgresWarehouse, tmp_path: Path) -> None:
    other = DuckdbWarehouse(tmp_path / "other.duckdb", tmp_path / "other")
    assert page_over(warehouse, marts_saying(HOSTILE)) == page_over(other, marts_saying(HOSTILE))


@dataclass
class Shown:
    """The pages of this module, made once."""

    browser: Browser
    normal: Path
    hostile: Path

    def open(self, name: str = "normal", width: int = 1280, scheme: str = "light") -> Opened:
        return opened(self.browser, getattr(self, name), width=width, scheme=scheme)


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shown]:
    folder = tmp_path_factory.mktemp("pages")
    pages = {"normal": marts_saying("Brakes & wheels"), "hostile": marts_saying(HOSTILE + LONG, SCRIPT_URL)}
    with chromium() as browser:
        for name, tables in pages.items():
            warehouse = DuckdbWarehouse(folder / f"{name}.duckdb", folder / name)
            (folder / f"{name}.html").write_text(page_over(warehouse, tables), encoding="utf-8")
        yield Shown(browser, folder / "normal.html", folder / "hostile.html")


in_chromium = [pytest.mark.slow, pytest.mark.xdist_group("chromium")]


class TestInChromium:
    """The page as a browser has it."""

    pytestmark = in_chromium

    @pytest.mark.parametrize("width", [360, 768, 1280])
    @pytest.mark.parametrize("name", ["normal", "hostile"])
    def test_it_fits_asks_for_nothing_and_complains_of_nothing(self, shown: Shown, name: str, width: int) -> None:
        found = shown.open(name, width)
        assert found.page.evaluate("document.documentElement.scrollWidth") == width
        assert found.requests == [getattr(shown, name).as_uri()]
        assert found.complaints == []
        assert found.page.title() == "Support report, 28 May 2026"
        assert found.page.evaluate("document.scripts.length") == 0
        assert [text for text in found.page.evaluate(_CLIPPED) if text] == []

    @pytest.mark.parametrize("scheme", ["light", "dark"])
    def test_every_text_can_be_read_against_what_is_behind_it(self, shown: Shown, scheme: str) -> None:
        contrasts = shown.open(scheme=scheme).page.evaluate(_CONTRASTS)
        assert len(contrasts) > 200
        assert [each for each in contrasts if each["ratio"] < 4.5] == []

    def test_light_and_dark_are_the_same_page_in_other_colours(self, shown: Shown) -> None:
        fills = "[...new Set([...document.querySelectorAll('.plot svg *')].map(e => getComputedStyle(e).fill))]"
        light, dark = (shown.open(scheme=scheme).page.evaluate(fills) for scheme in ("light", "dark"))
        assert len(light) == len(dark) > 3
        assert set(light) & set(dark) <= {"none", "rgb(0, 0, 0)"}

    @pytest.mark.parametrize("width", [360, 1280])
    def test_each_chart_has_a_name_a_table_and_shows_once(self, shown: Shown, width: int) -> None:
        page = shown.open(width=width).page
        plots = page.locator("figure.plot")
        assert plots.count() == 10
        for plot in plots.all():
            assert plot.locator("svg.chart:visible").count() == 1
            assert len(plot.locator("svg.chart:visible").get_attribute("aria-label") or "") > 20
            assert plot.locator("details table caption").count() == 1
            assert plot.locator("details table thead th[scope=col]").count() >= 3
            assert plot.locator("details table tbody th[scope=row]").count() >= 2

    def test_all_that_can_be_used_is_reached_by_the_keyboard_and_seen_to_be(self, shown: Shown) -> None:
        page = shown.open().page
        expected = page.locator("a[href]:visible, summary:visible, .scroll:visible").count()
        reached = set()
        for _ in range(expected + 1):
            page.keyboard.press("Tab")
            place = page.evaluate(_FOCUSED)
            if place is None:
                break
            assert place["outline"] != "none", place
            reached.add(place["index"])
        assert len(reached) == expected

    def test_a_screen_reader_finds_its_way(self, shown: Shown) -> None:
        page = shown.open().page
        assert page.locator("h1").count() == 1
        assert page.locator("html").get_attribute("lang") == "en"
        for landmark in ("header", "main", "footer", "nav[aria-label]"):
            assert page.locator(landmark).count() == 1
        levels = page.evaluate("[...document.querySelectorAll('h1,h2,h3,h4')].map(each => +each.tagName[1])")
        assert all(after - before <= 1 for before, after in pairwise(levels))
        page.keyboard.press("Tab")
        page.keyboard.press("Enter")
        assert page.evaluate("document.activeElement.id") == "main"


_FOCUSED = """() => {
    const active = document.activeElement;
    if (active === document.body) return null;
    return {index: [...document.querySelectorAll('*')].indexOf(active), outline: getComputedStyle(active).outlineStyle};
}"""

_CLIPPED = """() => [...document.querySelectorAll('.chart text')].filter(text => {
    const svg = text.ownerSVGElement.getBoundingClientRect();
    const own = text.getBoundingClientRect();
    return own.width && (own.left < svg.left - 1 || own.right > svg.right + 1);
}).map(text => text.textContent)"""

_CONTRASTS = """() => {
    const canvas = document.createElement('canvas').getContext('2d', {willReadFrequently: true});
    const numbers = colour => {
        canvas.clearRect(0, 0, 1, 1);
        canvas.fillStyle = colour;
        canvas.fillRect(0, 0, 1, 1);
        return [...canvas.getImageData(0, 0, 1, 1).data];
    };
    const light = rgb => {
        const [r, g, b] = rgb.map(each => each / 255).map(c => c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const behind = element => {
        for (let each = element; each; each = each.parentElement) {
            const colour = numbers(getComputedStyle(each).backgroundColor);
            if (colour[3] === 255) return colour;
        }
        return [255, 255, 255, 255];
    };
    const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    const found = [];
    while (texts.nextNode()) {
        const element = texts.currentNode.parentElement;
        const isSeen = element.getClientRects().length && !element.closest('title');
        if (!isSeen || !texts.currentNode.textContent.trim()) continue;
        const style = getComputedStyle(element);
        const own = numbers(element instanceof SVGElement ? style.fill : style.color);
        const [one, other] = [light(own.slice(0, 3)), light(behind(element).slice(0, 3))].sort((a, b) => b - a);
        found.push({text: texts.currentNode.textContent.trim().slice(0, 40), ratio: (one + 0.05) / (other + 0.05)});
    }
    return found;
}"""
