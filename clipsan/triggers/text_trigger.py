"""What a text trigger is: a change of a caption or a query, fixed by its settings and the text itself.

Image triggers (`trigger.py`) alter pixels, these alter words; what holds for both is `AnyTrigger`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

from clipsan.errors import TriggerError
from clipsan.triggers.trigger import Trigger


class TextTrigger(ABC):
    """A trigger in the text.

    Attributes:
        name: As shown in reports.
        target: The class whose images it was planted to find, where a trigger file says so.
    """

    def __init__(self, name: str, target: str | None) -> None:
        self.name = name
        self.target = target

    @abstractmethod
    def insert(self, text: str) -> str:
        """The text with the trigger in it: the same for equal texts, whatever stands before or after them."""

    @abstractmethod
    def settings(self) -> dict[str, Any]:
        """What fixes this trigger, as JSON values, for the report."""


AnyTrigger = Trigger | TextTrigger


def parted(triggers: Sequence[AnyTrigger]) -> tuple[list[Trigger], list[TextTrigger]]:
    """Those that go on images, and those that go into texts, each in their order."""
    images = [trigger for trigger in triggers if isinstance(trigger, Trigger)]
    return images, [trigger for trigger in triggers if isinstance(trigger, TextTrigger)]


def images_only(triggers: Sequence[AnyTrigger]) -> list[Trigger]:
    """The triggers, all of which go on images; a TriggerError names the first that does not."""
    images, texts = parted(triggers)
    if texts:
        raise TriggerError(
            f"Trigger {texts[0].name} changes words and no pixel, and only triggers on images can be used "
            "here; leave it out."
        )
    return images
