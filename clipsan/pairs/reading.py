"""How a source is to be read, where it does not say so itself; the same settings for every form."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from clipsan.errors import UsageError

SEPARATORS = {"comma": ",", "tab": "\t", "semicolon": ";", "pipe": "|"}


@dataclass(frozen=True)
class Reading:
    """Settings of `open_pairs`.

    Attributes:
        image_column: of a table, parquet file or Hub set: holds the image's path or bytes. None: by its name.
        caption_column: holds the caption. None: by its name.
        separator: of a table: a name of `SEPARATORS`, or one character. None: found in the header.
        max_pairs: this many pairs of each source are drawn at most, by `seed`. None: all.
        seed: of that draw.
        captionless: take images without captions too; their caption is "" until somebody proposes one.
    """

    image_column: str | None = None
    caption_column: str | None = None
    separator: str | None = None
    max_pairs: int | None = None
    seed: int = 0
    captionless: bool = False

    def __post_init__(self) -> None:
        if self.max_pairs is not None and self.max_pairs < 2:
            raise UsageError(f"--max-pairs is {self.max_pairs}, but at least 2 pairs are needed")
        if self.separator is not None and self.separator not in SEPARATORS:
            usable = len(self.separator) == 1 and self.separator.isprintable()
            if not usable or self.separator in "\"'\\" or self.separator.isalnum():
                raise UsageError(
                    f"--separator is {self.separator!r}, but must be one of {', '.join(SEPARATORS)}, or one "
                    "character that is no letter, digit or quote"
                )

    def to_dict(self) -> dict[str, Any]:
        """What a report keeps: all but the seed, which is the run's, and `captionless`."""
        return {key: value for key, value in asdict(self).items() if key not in ("seed", "captionless")}

    @classmethod
    def from_dict(cls, settings: Mapping[str, Any], seed: int) -> Reading:
        """As `to_dict` put it into a run's settings, among others."""
        return cls(
            settings.get("image_column"), settings.get("caption_column"), settings.get("separator"),
            settings.get("max_pairs"), seed,
        )  # fmt: skip

    @property
    def separators(self) -> tuple[str, ...]:
        """The characters to try, in order."""
        if self.separator is None:
            return ("\t", ",", ";", "|")
        return (SEPARATORS.get(self.separator, self.separator),)


DEFAULT_READING = Reading()
