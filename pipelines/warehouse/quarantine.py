"""Where load packages go that no warehouse takes, so that they stand in no run's way and can still be looked at."""

from __future__ import annotations

import re
import shutil
import time
from pathlib import Path

KEPT = 20
"""How many are kept from earlier runs: they hold customers' data."""

_PLACE = re.compile(r"\d+\.\d+")
"""The name of a place: a load's id, which is a time. Nothing else that lies there is ours."""

PACKAGE_FOLDERS = ("normalize/extracted", "load/normalized")
"""Where dlt keeps, below a pipeline's working folder, the load packages that it has yet to normalize or load."""


def unfinished_packages(working_dir: Path) -> list[str]:
    """The ids of the load packages in a pipeline's working folder that were not loaded, the oldest first."""
    return sorted({package.name for folder in PACKAGE_FOLDERS for package in (working_dir / folder).glob("*")})


def quarantine(working_dir: Path, state_dir: Path, reason: str) -> Path:
    """Move a pipeline's whole working folder, named for its newest load, to `quarantine/` in the state folder.

    Returns where it lies now, with the reason beside it in `reason.txt`. Only this user can open it.
    """
    shelf = _shelf(state_dir)
    shelf.mkdir(mode=0o700, parents=True, exist_ok=True)
    shelf.chmod(0o700)
    place = shelf / next(reversed(unfinished_packages(working_dir)), str(time.time()))
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(mode=0o700)
    working_dir.rename(place / working_dir.name)
    (place / "reason.txt").write_text(f"{reason}\n")
    return place


def prune(state_dir: Path) -> None:
    """Remove all that was put aside but the newest `KEPT`. Call it before a run: what that one puts aside, it names."""
    for older in _places(state_dir)[:-KEPT]:
        shutil.rmtree(older, ignore_errors=True)


def clear(state_dir: Path) -> int:
    """Remove all that was put aside; returns how many places that were."""
    places = _places(state_dir)
    for place in places:
        shutil.rmtree(place)
    return len(places)


def count(state_dir: Path) -> int:
    """How many load packages have been put aside."""
    return len(_places(state_dir))


def _places(state_dir: Path) -> list[Path]:
    return sorted(path for path in _shelf(state_dir).glob("*") if _PLACE.fullmatch(path.name) and path.is_dir())


def _shelf(state_dir: Path) -> Path:
    return state_dir / "quarantine"
