"""Chromium, where this machine has it: a page of the disk, opened without a network."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

REQUIRE_VARIABLE = "TICKETING_TEST_REQUIRE_CHROMIUM"
_NAMES = ("chromium", "chromium-browser", "google-chrome")


@dataclass
class Opened:
    """A page, and what it asked for or complained of meanwhile."""

    page: Page
    requests: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)


@contextmanager
def chromium() -> Iterator[Browser]:
    """A browser; a test that asks for it is skipped where there is none."""
    found = next(filter(None, map(shutil.which, _NAMES)), None)
    if found is None:
        if os.environ.get(REQUIRE_VARIABLE):
            pytest.fail(f"Expected one of {', '.join(_NAMES)}, found none.")
        pytest.skip("Chromium is not installed")
    with sync_playwright() as playwright:
        # It refuses to be root otherwise.
        options = ["--no-sandbox"] if os.geteuid() == 0 else []
        browser = playwright.chromium.launch(executable_path=found, args=options)
        yield browser
        browser.close()


def opened(browser: Browser, path: Path, *, width: int = 1280, scheme: str = "light") -> Opened:
    """The page as somebody sees it who has the file and nothing else."""
    context = browser.new_context(
        viewport={"width": width, "height": 900},
        color_scheme="dark" if scheme == "dark" else "light",
        offline=True,
        locale="en-GB",
    )
    page = context.new_page()
    found = Opened(page)
    page.on("request", lambda request: found.requests.append(request.url))
    page.on("console", lambda message: found.complaints.append(message.text))
    page.on("pageerror", lambda error: found.complaints.append(str(error)))
    page.on("dialog", lambda dialog: found.complaints.append(dialog.message))
    page.goto(path.resolve().as_uri())
    return found
