"""Sampled stacks, summed up: which part of the program, and which functions, were found at work."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Self

_PARTS = (
    ("importing", r"<frozen importlib|importlib/_bootstrap"),
    ("speaking HTTP", r"httpx/|httpcore/|unified_api/client\.py"),
    ("decoding pages", r"unified_api/records\.py"),
    ("shaping into Arrow", r"transforms/"),
    ("walks and cursors", r"pipelines/ticketing/"),
    ("asking what is stored", r"pipelines/warehouse/stored\.py"),
    ("dlt: extract", r"dlt/extract/"),
    ("dlt: normalize", r"dlt/normalize/"),
    ("dlt: load", r"dlt/(load|destinations)/"),
    ("dlt: the rest", r"dlt/"),
    ("our loading", r"pipelines/warehouse/"),
    ("our command", r"pipelines/"),
)
"""A stack belongs to the first part that its innermost telling frame names."""

_IDLE = re.compile(
    r"^(wait|_worker|get|_wait_for_tstate_lock|select|poll|accept|sleep|join|as_completed|result|run_pool"
    r"|sleep_check_time) \((threading|queue|concurrent|selectors|multiprocessing|asyncio|.*/thread\.py|.*runners)"
)
"""A thread that waits for another one, not for the network or the warehouse."""


@dataclass(frozen=True)
class Samples:
    """Stacks, outermost frame first, and how often each was found."""

    stacks: dict[tuple[str, ...], int]
    rate: int

    @classmethod
    def read(cls, path: Path, rate: int) -> Self:
        """From py-spy's raw format, taken so often a second; threads that wait for another one are left out."""
        stacks: Counter[tuple[str, ...]] = Counter()
        for line in path.read_text().splitlines():
            frames, _, count = line.rpartition(" ")
            stack = tuple(re.sub(r":\d+\)$", ")", frame) for frame in frames.split(";"))
            if not _IDLE.match(stack[-1]):
                stacks[stack] += int(count)
        return cls(dict(stacks), rate)

    def text(self, most: int = 25) -> str:
        """Seconds of all threads together: by part, by function without what it calls, and with that."""
        parts, own, inclusive = Counter[str](), Counter[str](), Counter[str]()
        for stack, count in self.stacks.items():
            parts[_part(stack)] += count
            own[stack[-1]] += count
            inclusive.update(dict.fromkeys({frame for frame in stack if _is_ours(frame)}, count))
        sections = {
            "By part": parts.most_common(),
            "Functions, without what they call": own.most_common(most),
            "Functions of this project, with what they call": inclusive.most_common(most),
        }
        return "\n".join(self._section(title, counts) for title, counts in sections.items())

    def _section(self, title: str, counts: list[tuple[str, int]]) -> str:
        total = sum(self.stacks.values()) or 1
        lines = [f"{count / self.rate:9.2f} s {count / total:6.1%}  {name}" for name, count in counts]
        return "\n".join([f"{title} ({total / self.rate:.1f} s of all threads):", *lines, ""])


def _part(stack: tuple[str, ...]) -> str:
    for frame in reversed(stack):
        for part, pattern in _PARTS:
            if re.search(pattern, frame):
                return part
    return "everything else"


def _is_ours(frame: str) -> bool:
    return "(pipelines/" in frame or "(transforms/" in frame
