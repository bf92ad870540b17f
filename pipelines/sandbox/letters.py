"""How messages look: greetings and signatures, filled-in texts, and plain text made into HTML."""

from __future__ import annotations

import random
import re
from html import escape

from pipelines.sandbox.people import Agent, Person
from pipelines.sandbox.topics import NUMBERS, SLOTS

_LINK = re.compile(r"https://[^\s<]*[\w/]")
_REGARDS = ("Kind regards", "Best regards", "Best wishes", "Many thanks")
_FAREWELLS = ("Thanks", "Thank you", "Regards", "Best", "Cheers", "Many thanks in advance")


class Slots(dict[str, str]):
    """Values for the names in a text's braces, drawn when first asked for and kept for the whole thread."""

    def __init__(self, rng: random.Random, **known: str) -> None:
        super().__init__(known)
        self._rng = rng

    def __missing__(self, name: str) -> str:
        if name == "frame":
            self[name] = f"NC{self['frame_number']}"
        elif name in SLOTS:
            self[name] = self._rng.choice(SLOTS[name])
        else:
            self[name] = str(self._rng.randint(*NUMBERS[name]))
        return self[name]

    def fill(self, text: str) -> str:
        """The text with its braces filled."""
        return text.format_map(self)


def customer_mail(rng: random.Random, person: Person, text: str, *, greets: bool) -> str:
    """What a customer writes by e-mail."""
    body = text[0].upper() + text[1:]
    if person.is_terse and not greets:
        return body
    farewell = person.given if rng.random() < 0.4 else f"{rng.choice(_FAREWELLS)},\n{person.given}"
    return f"{person.hello},\n\n{body}\n\n{farewell}" if greets else f"{body}\n\n{farewell}"


def agent_mail(rng: random.Random, agent: Agent, person: Person, text: str, signature: str) -> str:
    """What an agent writes by e-mail."""
    body = text[0].upper() + text[1:]
    hello = f"{rng.choice(('Hi', 'Hello', 'Dear'))} {person.given}"
    return f"{hello},\n\n{body}\n\n{rng.choice(_REGARDS)},\n{agent.given} {agent.family}\n{signature}"


def to_html(text: str, quoted: str = "", quoted_from: str = "") -> str:
    """Paragraphs, line breaks, lists and links; below them what is answered to, quoted as mail programs do."""
    html = "\n".join(_block(block) for block in text.split("\n\n") if block)
    if not quoted:
        return html
    quote = "\n".join(_block(block) for block in quoted.split("\n\n") if block)
    attribution = f'<div class="attribution">{escape(quoted_from, quote=False)} wrote:</div>'
    return f'{html}\n{attribution}\n<blockquote type="cite">\n{quote}\n</blockquote>'


def _block(block: str) -> str:
    lines = block.split("\n")
    items = [f"<li>{_line(line[2:])}</li>" for line in lines if line.startswith("- ")]
    intro = "<br>\n".join(_line(line) for line in lines if not line.startswith("- "))
    parts = [f"<p>{intro}</p>"] if intro else []
    return "\n".join([*parts, "<ul>", *items, "</ul>"] if items else parts)


def _line(line: str) -> str:
    text = escape(line, quote=False)
    return _LINK.sub(lambda link: f'<a href="{link[0]}">{link[0]}</a>', text)
