"""What sample data is written with: names, sentences, architectures, all of them made up."""

from __future__ import annotations

from itertools import accumulate, product
from random import Random
from typing import TYPE_CHECKING, Any, Final

import orjson

from project_architect_db.models.complexity import complexity_score, framework_of
from project_architect_db.models.texts import count_words

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = ["architectures", "openings", "paragraphs", "people", "titles", "tongues"]

_CLIENTS: Final = """
Meridian Northwind Halden Brightwater Calloway Ostrava Lindqvist Redfern Kestrel Marlowe
Fairholm Thornbury Solano Vantage Juniper Corvid Ashgrove Bellweather Castell Dunmore
Eastlake Foxglove Granary Harrow Islington Jasper Kingsway Larkspur Midland Newbridge
Oakhurst Pendle Quayside Riverton Stonegate Tamarind Umber Verity Wexford Yarrow
""".split()
_SUBJECTS: Final = """
invoice order booking claim fleet parcel stock ticket payroll lease grant permit patient
menu energy tender loyalty donation audit ledger catalogue course exam survey roster
warehouse voucher contract refund delivery inspection sensor customs newsletter pension
recipe archive map weather cargo visitor parking incident asset budget forecast quality
""".split()
_KINDS: Final = """
portal tracker planner service dashboard gateway registry exchange assistant desk archive
monitor marketplace calendar console explorer
""".split()
_FIRST: Final = """
Maria Jonas Aiko Tomas Leila Peter Ingrid Samuel Chiara Omar Nadia Viktor Elena Hugo Priya
Daniel Sofia Mateo Hannah Lukas Amara Felix Rosa Andrei Clara Kofi Marta Emil Yasmin Oscar
Julia Ravi
""".split()
_LAST: Final = """
Lindqvist Okafor Tanaka Novak Rossi Haddad Keller Silva Brandt Moreau Petrov Jensen Castillo
Mbeki Larsen Fischer Dubois Kowalski Romano Sharma Eriksen Vargas Walker Bauer Ito Schmidt
Hansen Costa Weber Nowak Murphy Laurent
""".split()
_VERBS: Final = """
accept add allow approve archive assign balance batch build cache cancel change check clean
close collect compare confirm convert copy count create decide delay delete deliver deploy
describe detect display document drop encrypt export extract fetch filter fix group handle
import index join limit list load log mask match measure merge migrate monitor move notify
open parse plan poll print prove publish purge queue read record refresh reject release
remove rename render repair replace report request reserve reset resolve restore retry
review roll route sample save scale schedule search secure select send serve share sign
skip sort split start stop store stream submit suspend sync tag test throttle trace track
transfer translate trigger trust update upload validate verify watch wrap write
""".split()
_THINGS: Final = """
account address adapter alert amount answer attachment backlog backup bucket button calendar
cart certificate change channel client cluster code column comment component consumer
container cookie cost country currency customer day deadline decision device digest document
domain draft driver email employee endpoint environment error estimate event example export
failure feature field file form gateway graph group guest handler header history host hour
image interface item job key label latency layer library licence limit line link list load
location lock login machine manager message method migration minute model module month name
network note number object office operator option owner package page parser partner password
path pattern payment permission person phase plan platform policy pool port price printer
process product profile project property provider proxy queue quota rate reader receipt
record region release replica reply report request response result review role route row
rule sample scenario schedule schema scope screen secret section segment server session
setting shard signature site slot snapshot source stage statement status storage store
stream summary supplier table tag target task team template tenant test text theme thread
threshold token tool topic trace transaction unit update upload user value vendor version
view volume wallet warning window worker workflow zone
""".split()
_QUALITIES: Final = """
asynchronous atomic automatic available broken cheap clean clear common complete concurrent
consistent critical current daily direct distributed duplicate dynamic early empty encrypted
exact expected expensive external fast final first flat former fresh full global idempotent
important incomplete internal invalid large late legacy local long manual missing monthly
nested new obsolete offline old open optional partial persistent plain private public quick
random raw recent redundant regional reliable remote rough safe scheduled secure separate
shared short silent simple slow small stable stale static strict temporary tenant typed
unique unknown unused urgent valid vertical visible weekly wrong
""".split()
_PARTS: Final = "service worker api client gateway store cache queue job page model event".split()
_PLACES: Final = "in production,on staging,after the release,before lunch,by Friday,this week,for \
now,in the pilot,on both sides,at night,at peak times,for every tenant".split(",")
_OPENERS: Final = (
    "We should {verb} the {noun} {place}.",
    "Could somebody {verb} the {quality} {noun}?",
    "The {noun} has to be {quality} before we {verb} it.",
    "I would rather {verb} one {noun} than {verb2} every {noun2}.",
    "Who decides when to {verb} a {noun}?",
    "Last time we forgot to {verb} the {noun} {place}.",
    "A {quality} {noun} is what the customer asked for.",
    "Let us {verb} the {compound} {place}.",
)
_SENTENCES: Final = (
    *_OPENERS,
    "When the {noun} is {quality}, the {compound} will {verb} it {place}.",
    "The {compound} must {verb} each {noun} once, even if a {noun2} is {quality}.",
    "{Noun} and {noun2} belong together, so we {verb} both in one step.",
    "It is {quality}: nobody can {verb} a {noun} without the {noun2}.",
    "Each {noun} has a {quality} {noun2} that {field} refers to.",
    "We measured how long it takes to {verb} a {noun}, and it was {quality}.",
    "Without a {quality} {noun2} the {compound} cannot {verb} the {noun}.",
)
_STACKS: Final = (
    ("FastAPI", "Python", 24),
    ("React", "TypeScript", 19),
    ("Django", "Python", 15),
    ("Next.js", "TypeScript", 11),
    ("Spring Boot", "Java", 9),
    ("Express", "JavaScript", 7),
    ("Vue", "TypeScript", 5),
    ("Flask", "Python", 4),
    ("Ruby on Rails", "Ruby", 3),
    ("Laravel", "PHP", 2),
    ("Axum", "Rust", 1),
)
_DATABASES: Final = ("PostgreSQL", "Redis", "DuckDB", "MongoDB", "Elasticsearch")
_BESIDE: Final = ("Shell", "SQL", "HTML", "CSS", "Makefile", "Dockerfile")


class _Chooser:
    """Chooses words as texts use them: few of them often, most of them seldom."""

    def __init__(self, chance: Random) -> None:
        self.chance = chance
        self._known: dict[tuple[str, ...], tuple[list[str], list[float]]] = {}

    def one(self, words: Sequence[str]) -> str:
        """Return a word; the n-th is chosen half as often as the one at half of n."""
        known = self._known.get(tuple(words[:2]))
        if known is None:
            mixed = sorted(words, key=lambda _word: self.chance.random())
            weights = list(accumulate(1 / (rank + 3) for rank in range(len(mixed))))
            known = self._known[tuple(words[:2])] = mixed, weights
        mixed, weights = known
        return self.chance.choices(mixed, cum_weights=weights)[0]

    def sentence(self, forms: Sequence[str]) -> str:
        """Return a sentence in one of some forms."""
        noun, subject = self.one(_THINGS), self.one(_SUBJECTS)
        return forms[int(self.chance.random() * len(forms))].format(
            verb=self.one(_VERBS),
            verb2=self.one(_VERBS),
            noun=noun,
            Noun=noun.capitalize(),
            noun2=self.one(_THINGS),
            quality=self.one(_QUALITIES),
            compound=f"{subject}-{self.one(_PARTS)}",
            field=f"{subject}_{self.one(_THINGS)}",
            place=self.one(_PLACES),
        )


def _texts(texts: Iterable[str]) -> list[tuple[str, int, int, int]]:
    """Return texts with their words, their size and about as many tokens as they have."""
    return [(text, words := count_words(text), len(text), words * 4 // 3) for text in texts]


def openings(seed: int, count: int = 1_024) -> list[tuple[str, int, int, int]]:
    """Return sentences that messages and documents begin with: text, words, size, tokens."""
    chooser = _Chooser(Random(seed))  # noqa: S311 - sample data
    return _texts(chooser.sentence(_OPENERS) for _ in range(count))


def paragraphs(seed: int, count: int = 4_096) -> list[tuple[str, int, int, int]]:
    """Return paragraphs of one to four sentences: text, words, size, tokens."""
    chance = Random(seed + 1)  # noqa: S311
    chooser = _Chooser(chance)
    return _texts(
        " ".join(chooser.sentence(_SENTENCES) for _ in range(1 + int(chance.random() ** 2 * 4)))
        for _ in range(count)
    )


def people() -> list[tuple[str, str]]:
    """Return names of people, with their addresses."""
    return [
        (f"{first} {last}", f"{first}.{last}@example.com".lower())
        for last, first in product(_LAST, _FIRST)
    ]


def titles() -> list[tuple[str, str, str]]:
    """Return names of projects with a short name of theirs, and with their client's."""
    return [
        (f"{client} {subject} {kind}", f"{subject}-{kind}", client.lower())
        for client, subject, kind in product(_CLIENTS, _SUBJECTS, _KINDS)
    ]


def architectures(seed: int, count: int = 1_024) -> list[tuple[str, str | None, int | None]]:
    """Return architectures as JSON, with their framework and score as the models have them."""
    chance = Random(seed + 2)  # noqa: S311
    chooser = _Chooser(chance)
    made = [_architecture(chance, chooser) for _ in range(count)]
    return [(_json(each), framework_of(each), complexity_score(each)) for each in made]


def _architecture(chance: Random, chooser: _Chooser) -> dict[str, Any]:
    framework, language, _ = chance.choices(_STACKS, weights=[each[2] for each in _STACKS])[0]
    size = chance.random() ** 2
    services = {f"{chooser.one(_SUBJECTS)}-{chooser.one(_PARTS)}" for _ in range(int(size * 9))}
    return {
        "framework": framework,
        "languages": [language, *_BESIDE[: int(chance.random() * 4)]],
        "services": sorted(services),
        "databases": list(_DATABASES[: 1 + int(chance.random() ** 2 * 4)]),
        "components": sorted({chooser.one(_THINGS) for _ in range(int(size * 12))}),
        "dependencies": int(6 + size * 60),
        "endpoints": int(3 + size * 80),
        "decisions": [chooser.sentence(_OPENERS) for _ in range(int(chance.random() * 3))],
    }


def tongues(seed: int, count: int = 256) -> list[tuple[str, str]]:
    """Return the main language of repositories, and all of theirs with their bytes as JSON."""
    chance = Random(seed + 3)  # noqa: S311
    found = []
    for _ in range(count):
        _, main, _ = chance.choices(_STACKS, weights=[each[2] for each in _STACKS])[0]
        size = 4_000 + int(chance.random() ** 3 * 2_000_000)
        beside = {name: size // (at + 7) for at, name in enumerate(_BESIDE[: int(size % 5)])}
        found.append((main, _json({main: size, **beside})))
    return found


def _json(value: object) -> str:
    return orjson.dumps(value).decode()
