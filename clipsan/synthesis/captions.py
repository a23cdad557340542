"""Sentences about concepts: a grammar of things, attributes, counts, relations, places, light and views.

`Said` is what one caption says; `sentence` words it in one of many forms. A maker that knows what its image
shows builds its own `Said`; `describe` invents one for makers that follow the words, such as diffusion.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from clipsan.synthesis.dice import Dice
from clipsan.synthesis.nouns import NUMBERS, article, listed, number_of, plural


@dataclass(frozen=True)
class Thing:
    """What a noun phrase says.

    Attributes:
        name: the concept, as its list has it.
        count: how many; 1 where the noun is not counted.
        adjectives: in the order they are said: size, age, colour, pattern.
        tail: words after the noun.
        group: what several of them together are called: "a bunch of bananas"; count is then 1.
    """

    name: str
    count: int = 1
    adjectives: tuple[str, ...] = ()
    tail: str = ""
    group: str = ""

    @property
    def many(self) -> bool:
        """Whether its verb is a plural."""
        return self.count > 1 or (number_of(self.name) == "many" and not self.group)

    def noun(self) -> str:
        """With adjectives and tail, without an article."""
        name = plural(self.name) if self.count > 1 or self.group else self.name
        said = " ".join([*self.adjectives, name, *([self.tail] if self.tail else [])])
        return f"{self.group} of {said}" if self.group else said

    def phrase(self) -> str:
        """`a small red car`, `two cars`, `some hay`."""
        noun = self.noun()
        if self.count > 1:
            return f"{NUMBERS[self.count]} {noun}"
        if number_of(self.name) in ("many", "mass") and not self.group:
            return f"some {noun}"
        return f"{article(noun)} {noun}"


@dataclass(frozen=True)
class Said:
    """What a caption says of an image; everything but the things may be empty.

    Attributes:
        things: one to three; the first is the main one.
        relation: of the first thing to the second: "next to", "above", …; else they are listed.
        place: where: "on a table".
        light: "at sunset".
        view: how it is seen: "a close-up of", put before everything.
    """

    things: tuple[Thing, ...]
    relation: str = ""
    place: str = ""
    light: str = ""
    view: str = ""


RELATIONS = (
    "next to",
    "beside",
    "to the left of",
    "to the right of",
    "in front of",
    "behind",
    "near",
    "together with",
)

_PLAIN = (
    "{all}",
    "{all}",
    "{there} {all}",
    "here {is} {all}",
    "a scene with {all}",
    "a view of {all}",
    "one can see {all}",
    "{all} in the picture",
    "the picture shows {all}",
    "{this} {all}",
    "look at {the}",
    "we see {all}",
    "an impression of {all}",
)
_FRONTED = (
    "{place}, {there} {core}",
    "{place} {is} {core}",
    "{place}, one can see {core}",
    "{place}: {core}",
)
_LIT = ("{light}, {there} {core}", "{light}: {core}", "{light}, {core} can be seen")
_ONE = (  # of a single thing; {rest} says where
    "the {bare} {rest} {is} {adjective}",
    "the {noun} {is} {rest}",
    "{phrase} {stands} {rest}",
    "{phrase}, seen {rest}",
    "{rest} {stands} {phrase}",
)


def sentence(said: Said, media: Sequence[str], dice: Dice) -> str:
    """One English sentence that says all of `said`, in one of many forms.

    Args:
        media: what kinds of image it may be called: "picture", "drawing", "photo".
    """
    forms = [*_PLAIN, *_media_forms(tuple(media))]
    first = said.things[0]
    single = len(said.things) == 1
    if said.place and not said.view:
        forms += [*_FRONTED, *_FRONTED]
    if said.light and not said.view:
        forms += _LIT
    if single and said.place and not said.view:
        forms += _ONE[1:] * 2
        if first.adjectives and not first.tail and not first.group:
            forms += [_ONE[0]] * 2
    form = f"{said.view} {{all}}" if said.view else dice.pick(forms)
    core = _core(said)
    rest = [part for part in (said.place, said.light) if part]
    if form.startswith("{place}"):
        rest.remove(said.place)
    if form.startswith("{light}"):
        rest.remove(said.light)
    tail = " ".join(rest)
    listing = not said.relation and not single
    many = first.many or (listing and "{is}" in form and not form.startswith("here"))
    where = f" {tail}" if tail else ""
    words = form.format(
        all=core + where,
        core=core + where,
        the=f"the {core.split(' ', 1)[1]}{where}" if single and first.count == 1 else core + where,
        phrase=first.phrase(),
        noun=first.noun(),
        bare=" ".join([*first.adjectives[:-1], Thing(first.name, first.count).noun()]),
        adjective=first.adjectives[-1] if first.adjectives else "",
        rest=tail,
        place=said.place,
        light=said.light,
        there="there are" if first.many else "there is",
        this="these are" if first.many or listing else "this is",
        stands=_verb(first, dice),
        **{"is": "are" if many else "is"},
    )
    words = words[0].upper() + words[1:] if dice.chance(0.6) else words
    return words + ("." if dice.chance(0.75) else "")


@lru_cache(maxsize=8)
def _media_forms(media: tuple[str, ...]) -> list[str]:
    called = [f"{article(medium)} {medium}" for medium in media]
    return [
        *(f"{name} of {{all}}" for name in called for _ in range(3)),
        *(f"{name} showing {{all}}" for name in called),
    ]


def _core(said: Said) -> str:
    phrases = [thing.phrase() for thing in said.things]
    if said.relation and len(phrases) > 1:
        return f"{phrases[0]} {said.relation} {listed(phrases[1:])}"
    return listed(phrases)


def _verb(thing: Thing, dice: Dice) -> str:
    return dice.pick(
        ("can be seen", "appear" if thing.many else "appears", "are shown" if thing.many else "is shown")
    )


_SIZES = ("small", "large", "tiny", "big", "huge")
_STATES = ("old", "new", "shiny", "dusty", "plain", "worn", "beautiful", "ordinary", "clean", "broken")
_COLOURS = ("red", "orange", "yellow", "green", "blue", "purple", "pink", "white", "black", "brown", "grey")
_PLACES = (
    "in a garden",
    "in front of a white wall",
    "outdoors",
    "indoors",
    "in a city",
    "in the countryside",
    "by the sea",
    "on the ground",
    "in a bright room",
    "in a dark room",
    "in front of trees",
    "in a museum",
    "against a plain background",
    "in a field",
    "at a market",
    "in a yard",
    "on a hill",
    "near a window",
    "in a workshop",
    "by a river",
    "in the distance",
)
_LIGHTS = (
    "at night",
    "at sunset",
    "at dawn",
    "on a sunny day",
    "on a cloudy day",
    "in the rain",
    "in the fog",
    "in the snow",
    "in soft light",
    "in harsh light",
    "under a lamp",
    "with long shadows",
)
_VIEWS = (
    "a close-up of",
    "a wide view of",
    "a view from above of",
    "a view from below of",
    "a side view of",
    "a blurry picture of",
    "a sharp picture of",
    "a cropped picture of",
    "a black and white picture of",
    "a detailed picture of",
)
_MEDIA = (
    "photo",
    "picture",
    "photograph",
    "image",
    "snapshot",
    "good photo",
    "bad photo",
    "painting",
    "drawing",
    "rendering",
)


def describe(concepts: Sequence[str], seed: int) -> str:
    """A sentence about an image that is yet to be made; it names every concept, and depends on nothing else.

    Attributes are such as anything may have, because a name does not say what suits it.
    """
    dice = Dice(seed)
    things = []
    for at, name in enumerate(concepts):
        counted = number_of(name) == "one" and dice.chance(0.2)
        adjectives = [
            dice.pick(words)
            for words, share in ((_SIZES, 0.22), (_STATES, 0.2), (_COLOURS, 0.2))
            if dice.chance(share)
        ]
        things.append(Thing(name, 2 + dice.below(3) if counted else 1, tuple(adjectives[: 2 - (at > 0)])))
    return sentence(
        Said(
            tuple(things),
            relation=dice.pick(RELATIONS) if len(things) > 1 and dice.chance(0.6) else "",
            place=dice.pick(_PLACES) if dice.chance(0.5) else "",
            light=dice.pick(_LIGHTS) if dice.chance(0.25) else "",
            view=dice.pick(_VIEWS) if dice.chance(0.2) else "",
        ),
        _MEDIA,
        dice,
    )
