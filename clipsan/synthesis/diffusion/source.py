"""A text-to-image model from what the user typed: located, checked, and its licence read. Nothing is loaded.

Default use:

    source = open_source("hf-hub:org/name@main")
    source.licence, source.revision, source.warnings
    with staged(source.content) as folder:
        ...  # what diffusers loads
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clipsan import hub
from clipsan.synthesis import inert
from clipsan.synthesis.diffusion.classes import CONFIG_OF, STEM_OF, TOKENIZER_JSON, TOKENIZER_SETTINGS
from clipsan.synthesis.diffusion.gather import INDEX_NAME, Gathered, PipelineIndex, gather
from clipsan.synthesis.located import Located, locate
from clipsan.synthesis.staging import Content, digest_of

LARGEST_NUMBER = 100_000
"""In the settings of a scheduler or an image processor: time steps, pixels."""


@dataclass(frozen=True)
class Source:
    """A checked model.

    Attributes:
        located: where it came from, its commit and its licence.
        index: its parts.
        configs: part -> its checked configuration.
        content: of the folder that diffusers loads.
        variants: part -> variant of its weights, where it has one.
    """

    located: Located
    index: PipelineIndex
    configs: Mapping[str, dict[str, Any]]
    content: Content
    variants: Mapping[str, str]

    def digest(self) -> str:
        """SHA-256 of all that diffusers loads: of what `sha256sum` would print for it, sorted by name."""
        return digest_of(self.content)


def open_source(model: str | Path, variant: str | None = None) -> Source:
    """Bring a model here and check every file that will be used.

    Args:
        model: a folder, `hf-hub:org/name` or `org/name`, either with `@revision`.
        variant: of the weights ("fp16"); None: the plain ones, or the only ones there are.

    Raises:
        CheckpointError: it cannot be found, is damaged, or is built of classes that clipsan does not load.
        UnsafeFileError: it has pickles only, or code of its own.
    """
    found: list[Gathered] = []

    def choose(take: hub.Take, names: frozenset[str]) -> None:
        found.append(gather(take, names, variant))

    located = locate(model, INDEX_NAME, choose)
    gathered = found[0]
    configs = {
        part.name: _config(part.name, CONFIG_OF[part.kind], gathered) for part in gathered.index.components
    }
    for part in gathered.index.components:
        if part.kind in ("scheduler", "processor"):
            inert.check_numbers(configs[part.name], LARGEST_NUMBER, f"{part.name}/{CONFIG_OF[part.kind]}")
        if part.kind in STEM_OF:
            weights = [
                path
                for name, path in gathered.files.items()
                if name.startswith(f"{part.name}/") and name.endswith(".safetensors")
            ]
            inert.check_layers(configs[part.name], inert.tensor_count(weights), f"{part.name}/config.json")
    return Source(located, gathered.index, configs, _content(gathered, configs), gathered.variants)


def _config(part: str, name: str, gathered: Gathered) -> dict[str, Any]:
    read = inert.read_tokenizer_config if name == inert.SETTINGS else inert.read_config
    return read(gathered.files[f"{part}/{name}"])


def _content(
    gathered: Gathered, configs: Mapping[str, dict[str, Any]]
) -> dict[str, Path | bytes | dict[str, Any]]:
    """What diffusers will see: configurations as they were checked, weights as links."""
    index = gathered.index
    content: dict[str, Path | bytes | dict[str, Any]] = {
        INDEX_NAME: {
            "_class_name": index.pipeline,
            **{part.name: [part.library, part.class_name] for part in index.components},
            **{name: [None, None] for name in index.missing},
            **index.flags,
        }
    }
    content |= gathered.shards
    for name, path in gathered.files.items():
        part, _, file = name.partition("/")
        if file in CONFIG_OF.values():
            content[name] = configs[part]
        elif file in TOKENIZER_SETTINGS:
            content[name] = inert.read_config(path)
        elif file.endswith(".safetensors"):
            content[name] = path
        else:
            content[name] = inert.read_vocabulary(path)
            if file == TOKENIZER_JSON:
                inert.try_tokenizer(inert.read_vocabulary(path), f"The part {part}")
    return content
