"""The address that deliveries are sent to: what it must be, and how it is shown."""

from __future__ import annotations

import re

import httpx

from pipelines.errors import FixConfiguration
from pipelines.unified_api.client import is_loopback

_USER = re.compile(r"//[^/]*@")


def require_hook_url(url: str) -> None:
    """Refuse an address that nothing should be sent to. Raises `FixConfiguration`, which does not show it."""
    if _USER.search(url):
        raise _wrong("an address alone, got one with a user or a password before an @")
    try:
        parts = httpx.URL(url)
    except httpx.InvalidURL as error:
        raise _wrong("a URL, got none") from error
    if not parts.host or not url.isprintable() or " " in url:
        raise _wrong("a URL with a host and without blanks, got another")
    if parts.scheme != "https" and not (parts.scheme == "http" and is_loopback(url)):
        raise _wrong("one that begins with https:// (tickets travel to it), got another")
    if parts.fragment:
        raise _wrong("one without a #, got one: what follows it is never sent")


def _wrong(expected: str) -> FixConfiguration:
    return FixConfiguration(
        f"Expected --url to be {expected} (it is not shown here). Example: --url https://support.example/hook"
    )


def without_secrets(url: str) -> str:
    """An address as it may be shown: its query may hold a token, and who knows what stands before an @."""
    return _USER.sub("//", re.split(r"[?#]", url, maxsplit=1)[0])
