"""English nouns: whether they are counted, their plurals and their articles.

Names of concepts come from lists that anybody may write, so every rule has a last resort; a name with
brackets or a slash is said as it stands, and only once.
"""

from __future__ import annotations

import re

NUMBERS = ("no", "one", "two", "three", "four", "five", "six")

_MASS = frozenset(
    [
        "guacamole",
        "consomme",
        "broccoli",
        "cauliflower",
        "hay",
        "carbonara",
        "dough",
        "espresso",
        "eggnog",
        "corn",
        "rapeseed",
        "cabbage",
        "money",
        "rice",
        "bread",
        "water",
        "milk",
        "butter",
        "cheese",
        "sand",
        "snow",
        "grass",
        "chocolate",
        "syrup",
        "wine",
        "paper",
        "cream",
        "fungus",
        "chainmail",
        "furniture",
        "sushi",
        "toast",
        "coal",
        "luggage",
        "pasta",
        "spaghetti",
        "garlic",
        "spinach",
        "jewellery",
        "jewelry",
        "smoke",
        "fire",
        "sauerkraut",
        "tofu",
        "honey",
        "salt",
        "sugar",
        "flour",
        "soup",
        "spray",
    ]
)
_PAIRS = frozenset(
    [
        "binoculars",
        "clogs",
        "jeans",
        "tights",
        "pajamas",
        "pyjamas",
        "bars",
        "sunglasses",
        "glasses",
        "trunks",
        "shorts",
        "potatoes",
        "scissors",
        "trousers",
        "pants",
        "goggles",
        "headphones",
        "tweezers",
        "pliers",
        "stairs",
        "clothes",
        "grapes",
        "chopsticks",
        "leggings",
    ]
)
_SAME = frozenset(
    [
        "goldfish",
        "fish",
        "sheep",
        "deer",
        "salmon",
        "trout",
        "shrimp",
        "squid",
        "bison",
        "moose",
        "elk",
        "species",
        "series",
        "aircraft",
    ]
)
_SINGULAR_IN_S = frozenset(
    [
        "mantis",
        "triceratops",
        "malinois",
        "lens",
        "canvas",
        "atlas",
        "gas",
        "iris",
        "bias",
        "tennis",
        "chess",
        "christmas",
        "texas",
    ]
)
_IRREGULAR = {
    "man": "men",
    "woman": "women",
    "child": "children",
    "person": "people",
    "mouse": "mice",
    "goose": "geese",
    "tooth": "teeth",
    "foot": "feet",
    "ox": "oxen",
    "die": "dice",
    "knife": "knives",
    "wolf": "wolves",
    "leaf": "leaves",
    "loaf": "loaves",
    "shelf": "shelves",
    "half": "halves",
    "wife": "wives",
    "life": "lives",
    "calf": "calves",
    "scarf": "scarves",
    "thief": "thieves",
    "hoof": "hooves",
    "elf": "elves",
    "self": "selves",
    "potato": "potatoes",
    "tomato": "tomatoes",
    "hero": "heroes",
    "echo": "echoes",
    "torpedo": "torpedoes",
    "volcano": "volcanoes",
    "mosquito": "mosquitoes",
    "buffalo": "buffaloes",
    "mango": "mangoes",
    "cactus": "cacti",
    "quiz": "quizzes",
    "louse": "lice",
    "larva": "larvae",
    "mantis": "mantises",
}
_NO_MEN = ("human", "german", "caiman", "doberman", "talisman", "ottoman", "roman", "shaman")
_LETTERS_WITH_AN = frozenset("AEFHILMNORSX8")
_VOWEL_BUT_A = re.compile(r"(?i)(uni(?!n|m)|us[ae]|usu|eu|ewe|one\b|once\b|ukulele|utensil|utopia|urinal|u-)")
_CONSONANT_BUT_AN = re.compile(r"(?i)(hour|honest|honou?r|heir)")
_PREPOSITIONS = frozenset(("of", "in", "on", "with", "for", "and", "or", "at", "to"))


def number_of(name: str) -> str:
    """How a noun is counted: "one" (a cat, two cats), "many" (jeans), "mass" (hay), "fixed" (as it is)."""
    words = name.split()
    last = words[_head(words)].lower()
    if re.search(r"[()/,]", name):
        return "many" if last in _PAIRS else "fixed"
    if last in _MASS:
        return "mass"
    if last in _PAIRS:
        return "many"
    plural = last.endswith("s") and not last.endswith(("ss", "us", "is", "ops"))
    return "many" if plural and last not in _SINGULAR_IN_S else "one"


def plural(name: str) -> str:
    """More than one of a noun that `number_of` calls "one"."""
    words = name.split()
    head = _head(words)
    words[head] = _plural_word(words[head])
    return " ".join(words)


def article(phrase: str) -> str:
    """`a` or `an`, as the sound of the phrase's first word asks for."""
    first = re.split(r"[\s-]", phrase.lstrip("\"'"), maxsplit=1)[0]
    if re.fullmatch(r"[A-Z0-9]{1,4}", first):
        # letters and figures are read one by one: an ATM, a CD, an 8, an 18, a 14
        eleven = first in ("11", "18") or first[0] == "8"
        return "an" if eleven or (not first.isdigit() and first[0] in _LETTERS_WITH_AN) else "a"
    if _CONSONANT_BUT_AN.match(phrase):
        return "an"
    return "an" if phrase[:1].lower() in "aeiou" and not _VOWEL_BUT_A.match(phrase) else "a"


def listed(phrases: list[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    return phrases[0] if len(phrases) == 1 else f"{', '.join(phrases[:-1])} and {phrases[-1]}"


def _head(words: list[str]) -> int:
    """Which word takes the plural: the last one, or the one before a preposition (bunch of grapes)."""
    for at, word in enumerate(words[1:], start=1):
        if word.lower() in _PREPOSITIONS:
            return at - 1
    return len(words) - 1


def _plural_word(word: str) -> str:
    low = word.lower()
    if low in _SAME or low.endswith(("fish", "craft")):
        return word
    for single, many in _IRREGULAR.items():
        whole = len(single) > 3 or single == "man"  # teddy wolf, snowman; but "ox" is no part of "box"
        if (low == single or (whole and low.endswith(single))) and not low.endswith(_NO_MEN):
            return word[: len(word) - len(single)] + (
                many.capitalize() if word[0] == single[0].upper() else many
            )
    if low.endswith(("s", "x", "z", "ch", "sh")):
        return word + "es"
    if low.endswith("y") and low[-2:-1] not in ("a", "e", "i", "o", "u", ""):
        return word[:-1] + "ies"
    return word + "s"
