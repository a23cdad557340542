"""All kinds of object that can be drawn. One function and one row in its subject's table each."""

from __future__ import annotations

from clipsan.synthesis.drawing.kind import Kind
from clipsan.synthesis.drawing.kinds.animals import ANIMALS
from clipsan.synthesis.drawing.kinds.buildings import BUILDINGS
from clipsan.synthesis.drawing.kinds.clothes import CLOTHES
from clipsan.synthesis.drawing.kinds.devices import DEVICES
from clipsan.synthesis.drawing.kinds.fruit import FRUIT
from clipsan.synthesis.drawing.kinds.household import HOUSEHOLD
from clipsan.synthesis.drawing.kinds.outlined import OUTLINED
from clipsan.synthesis.drawing.kinds.tools import TOOLS
from clipsan.synthesis.drawing.kinds.toys import TOYS
from clipsan.synthesis.drawing.kinds.vehicles import VEHICLES
from clipsan.synthesis.drawing.kinds.vessels import VESSELS
from clipsan.synthesis.drawing.kinds.wildlife import WILDLIFE
from clipsan.synthesis.drawing.kinds.writing import WRITING

KINDS: dict[str, Kind] = {
    **FRUIT,
    **ANIMALS,
    **WILDLIFE,
    **VEHICLES,
    **BUILDINGS,
    **DEVICES,
    **CLOTHES,
    **TOYS,
    **TOOLS,
    **HOUSEHOLD,
    **VESSELS,
    **WRITING,
    **OUTLINED,
}


def _plain(name: str) -> str:
    return " ".join(name.replace("_", " ").replace("-", " ").lower().split())


_BY_NAME = {_plain(known): name for name, kind in KINDS.items() for known in (name, *kind.aliases)}


def find_kind(name: str) -> str | None:
    """The kind that goes by this name, an alias included; case, hyphens and underscores do not matter."""
    return _BY_NAME.get(_plain(name))
