"""Who writes: customers from many places, with addresses and numbers that nobody owns, and the agents."""

from __future__ import annotations

import random
import unicodedata
from dataclasses import dataclass


@dataclass(frozen=True)
class Place:
    """Where people come from: how they are named, where they live, how their numbers begin."""

    given: tuple[str, ...]
    family: tuple[str, ...]
    cities: tuple[str, ...]
    dialling: str
    hello: tuple[str, ...]


@dataclass(frozen=True)
class Person:
    """A customer."""

    given: str
    family: str
    email: str
    telephone: str | None
    city: str
    hello: str
    is_terse: bool

    @property
    def name(self) -> str:
        return f"{self.given} {self.family}"


@dataclass(frozen=True)
class Agent:
    """Someone who answers."""

    id: str
    given: str
    family: str

    @property
    def name(self) -> str:
        return f"{self.given} {self.family}"


PLACES = (
    Place(
        (
            "Astrid",
            "Ingrid",
            "Lars",
            "Sindre",
            "Freja",
            "Mikkel",
            "Solveig",
            "Håkon",
            "Elin",
            "Oskar",
            "Maja",
            "Anders",
        ),
        ("Lindqvist", "Nyström", "Haugen", "Bakken", "Søndergaard", "Kjær", "Åkesson", "Dahl", "Berglund", "Holm"),
        ("Oslo", "Bergen", "Malmö", "Aarhus", "Göteborg", "Trondheim", "Copenhagen"),
        "+46 8 465 004 ",
        ("Hi", "Hello", "Hej"),
    ),
    Place(
        ("Lukas", "Hannah", "Jürgen", "Greta", "Felix", "Katharina", "Moritz", "Anneliese", "Jan", "Sabine", "Tobias"),
        ("Brandt", "Schäfer", "Vogel", "Krüger", "Weiß", "Neumann", "Baumgartner", "Huber", "Zimmermann", "Kessler"),
        ("Hamburg", "Leipzig", "Freiburg", "Vienna", "Zürich", "Bremen", "Munich"),
        "+49 30 23125 ",
        ("Hello", "Good morning", "Dear team"),
    ),
    Place(
        ("Amara", "Chidi", "Ngozi", "Kwame", "Adaeze", "Tunde", "Abena", "Femi", "Zanele", "Thabo", "Wanjiku"),
        ("Okafor", "Mensah", "Adeyemi", "Boateng", "Nwosu", "Dlamini", "Mwangi", "Eze", "Owusu", "Balogun"),
        ("London", "Manchester", "Bristol", "Leeds", "Birmingham"),
        "+44 7700 900",
        ("Hi there", "Hello", "Good afternoon"),
    ),
    Place(
        ("Priya", "Arjun", "Meera", "Rohan", "Ananya", "Vikram", "Farah", "Imran", "Sana", "Deepak", "Nadia"),
        ("Raghunathan", "Iyer", "Chaudhry", "Banerjee", "Patel", "Qureshi", "Menon", "Kapoor", "Rahman", "Desai"),
        ("Leicester", "London", "Rotterdam", "Berlin", "Edinburgh"),
        "+44 1632 960",
        ("Hi", "Dear support", "Hello"),
    ),
    Place(
        ("Camille", "Théo", "Léa", "Julien", "Élodie", "Mathis", "Aïcha", "Bastien", "Inès", "Rémi"),
        ("Moreau", "Lefèvre", "Garnier", "Rousseau", "Benali", "Chevalier", "Fontaine", "Marchand", "D'Amboise"),
        ("Lyon", "Nantes", "Strasbourg", "Bordeaux", "Brussels", "Geneva"),
        "+33 1 99 00 ",
        ("Bonjour", "Hello", "Hi"),
    ),
    Place(
        ("Lucía", "Mateo", "Joana", "Tiago", "Carmen", "Rafael", "Beatriz", "Íñigo", "Paula", "Duarte"),
        ("Fernández", "Carvalho", "Iturbe", "Ruiz", "Almeida", "Nogueira", "Ortega", "Peña", "Sousa"),
        ("Lisbon", "Porto", "Valencia", "Bilbao", "Seville", "Barcelona"),
        "+34 900 555 ",
        ("Hola", "Hello", "Good evening"),
    ),
    Place(
        ("Yuki", "Haruto", "Mei", "Jun", "Wei", "Li Na", "Minh", "Thảo", "Seo-yeon", "Ji-ho"),
        ("Tanaka", "Nakamura", "Chen", "Zhang", "Nguyễn", "Trần", "Kim", "Park", "Kobayashi", "Lin"),
        ("Amsterdam", "Utrecht", "Düsseldorf", "Paris", "Dublin"),
        "+31 20 555 0",
        ("Hello", "Dear Nordlys team", "Hi"),
    ),
    Place(
        ("Katarzyna", "Piotr", "Zofia", "Oleksandr", "Iryna", "Miloš", "Jelena", "Václav", "Eszter", "Andrei"),
        ("Wójcik", "Nowak", "Shevchenko", "Kovalenko", "Petrović", "Dvořák", "Szabó", "Popescu", "Zieliński"),
        ("Kraków", "Gdańsk", "Prague", "Brno", "Budapest", "Ljubljana"),
        "+48 22 555 0",
        ("Hello", "Good day", "Hi"),
    ),
    Place(
        ("Maya", "Ethan", "Zoë", "Malik", "Siobhán", "Callum", "Aoife", "Noah", "Leila", "Omar", "Hassan"),
        ("Whitaker", "O'Sullivan", "Haddad", "Brennan", "Jackson", "Al-Masri", "Fitzgerald", "Reyes", "Khoury"),
        ("Dublin", "Cork", "Galway", "Belfast", "Glasgow"),
        "+1 202 555 01",
        ("Hi", "Hey", "Hello"),
    ),
)

AGENT_NAMES = (
    ("Jonas", "Eriksen"), ("Margot", "Delacroix"), ("Sunniva", "Aas"), ("Kofi", "Asante"), ("Ruth", "Adler"),
    ("Tomasz", "Zając"), ("Parveen", "Gill"), ("Björn", "Hallgren"), ("Chiara", "Conti"), ("Dermot", "Keane"),
    ("Ayşe", "Demir"), ("Nils", "Overgaard"), ("Hana", "Suzuki"), ("Pedro", "Vilar"), ("Ewa", "Mazur"),
    ("Samira", "Haidari"), ("Grace", "Oduya"), ("Viktor", "Lund"), ("Ilse", "de Wit"), ("Marco", "Bellini"),
)  # fmt: skip

_MAILBOXES = ("mailbox.example", "postale.example", "fastpost.example", "inboxen.example", "riders.example")
_PLAIN_LETTERS = str.maketrans("øåłæđı", "oaladi")


def customer(rng: random.Random, number: int, workplace: str | None = None) -> Person:
    """The number-th customer; with a workplace, its address is the e-mail's."""
    place = rng.choice(PLACES)
    given, family = rng.choice(place.given), rng.choice(place.family)
    mailbox = workplace or rng.choice(_MAILBOXES)
    local = (
        f"{local_part(given)}.{local_part(family)}"
        if rng.random() < 0.7
        else f"{local_part(given)[0]}{local_part(family)}"
    )
    tail = str(number) if number > 150 or rng.random() < 0.3 else ""
    telephone = f"{place.dialling}{rng.randrange(1000):03d}" if rng.random() < 0.6 else None
    return Person(
        given, family, f"{local}{tail}@{mailbox}", telephone, rng.choice(place.cities), rng.choice(place.hello),
        rng.random() < 0.3,
    )  # fmt: skip


def local_part(name: str) -> str:
    """A name as it stands in an e-mail address."""
    letters = unicodedata.normalize("NFKD", name.lower().replace("ß", "ss").translate(_PLAIN_LETTERS))
    return "".join(letter for letter in letters if letter.isascii() and letter.isalnum())
