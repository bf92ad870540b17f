"""Numbers as a person would list them."""

from __future__ import annotations

from collections.abc import Iterable


def spans(numbers: Iterable[int]) -> str:
    """`1 to 3, 5` for 1, 2, 3, 5."""
    found: list[tuple[int, int]] = []
    for number in sorted({*numbers}):
        if found and found[-1][1] == number - 1:
            found[-1] = (found[-1][0], number)
        else:
            found.append((number, number))
    return ", ".join(_span(first, last) for first, last in found)


def _span(first: int, last: int) -> str:
    if first == last:
        return str(first)
    return f"{first}, {last}" if last == first + 1 else f"{first} to {last}"
