"""A causal language model of transformers that nobody vouches for: text continued, one line at a time.

Safetensors only, no code of the model, no chat template (a program) and no settings of generation are used.
The choice of every word comes from a generator of that text's own, so it does not depend on the batch.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from clipsan import hub
from clipsan.errors import CheckpointError, UnsafeFileError
from clipsan.synthesis import inert
from clipsan.synthesis.extra import extra, quiet
from clipsan.synthesis.located import Located, locate
from clipsan.synthesis.precision import DTYPES, choose_precision
from clipsan.synthesis.staging import digest_of, staged

CONFIG, WEIGHTS, INDEX = "config.json", "model.safetensors", "model.safetensors.index.json"
TYPES = (
    "bloom", "gemma", "gemma2", "gemma3_text", "gpt2", "gpt_neox", "granite", "llama", "mistral", "olmo",
    "olmo2", "opt", "phi", "phi3", "qwen2", "qwen3", "smollm3", "stablelm",
)  # fmt: skip
"""transformers' types of models that are built from config.json and safetensors alone."""

WHAT = "writing captions by a language model"
TOP = 50  # the words that are drawn from


class LanguageModel:
    """A model that continues texts to the end of a line.

    Attributes:
        located: where it came from, and its licence.
    """

    def __init__(self, source: str | Path, device: torch.device) -> None:
        """Check and load a model.

        Args:
            source: a folder with config.json, safetensors and tokenizer.json, or a hub name of such.
            device: to compute on.

        Raises:
            CheckpointError: it cannot be found, understood or built.
            UnsafeFileError: it has pickles only, or code of its own.
            UsageError: transformers is not installed.
        """
        self.device = device
        self._content: dict[str, Path | bytes | dict[str, Any]] = {}
        self.located: Located = locate(source, CONFIG, self._choose)
        config = self._content[CONFIG]
        if not isinstance(config, dict):
            raise CheckpointError(f"{CONFIG} must be a JSON object.")
        self._model = _load(self._content, self.located, device)
        from tokenizers import Tokenizer

        content = self._content.pop(inert.TOKENIZER)
        self._tokenizer = Tokenizer.from_str(content.decode("utf-8") if isinstance(content, bytes) else "")
        self._tokenizer.no_padding()
        self._tokenizer.no_truncation()
        self._ends = self._ends_of_line(config)

    def settings(self) -> dict[str, object]:
        """What a resumed run must agree with."""
        digest = {} if self.located.revision else {"sha256": digest_of(self._content)}
        return {**self.located.record(), **digest}

    def continue_lines(
        self, prompts: Sequence[str], seeds: Sequence[int], most: int, temperature: float
    ) -> list[str]:
        """The rest of the last line of each prompt.

        Args:
            prompts: texts to continue.
            seeds: of each text's own choices.
            most: tokens at most.
            temperature: above 0; lower is more predictable.

        Returns:
            Text without the end of the line.
        """
        encoded = [self._tokenizer.encode(prompt).ids for prompt in prompts]
        longest = max(len(ids) for ids in encoded)
        tokens = torch.tensor([[self._ends[0]] * (longest - len(ids)) + ids for ids in encoded])
        mask = torch.tensor([[0] * (longest - len(ids)) + [1] * len(ids) for ids in encoded])
        draw = _Draw(seeds, temperature)
        transformers = extra("transformers", WHAT)
        with torch.no_grad(), quiet():
            found: Tensor = self._model.generate(
                tokens.to(self.device),
                attention_mask=mask.to(self.device),
                generation_config=transformers.GenerationConfig(
                    max_new_tokens=most, do_sample=False, eos_token_id=self._ends, pad_token_id=self._ends[0]
                ),
                logits_processor=transformers.LogitsProcessorList([draw]),
            )
        new = found[:, longest:].tolist()
        return [self._tokenizer.decode(ids, skip_special_tokens=True).split("\n")[0].strip() for ids in new]

    def _choose(self, take: hub.Take, names: frozenset[str]) -> None:
        for needed in (CONFIG, inert.TOKENIZER):
            if needed not in names:
                raise CheckpointError(f"There is no {needed}; a language model needs it here.")
        config = inert.read_config(take(CONFIG))
        if config.get("model_type") not in TYPES:
            raise CheckpointError(
                f"{CONFIG} is of the type {config.get('model_type')!r:.40}; captions can be written by"
                f" {', '.join(TYPES)}."
            )
        weights = {WEIGHTS: take(WEIGHTS)} if WEIGHTS in names else {}
        if not weights and INDEX in names:
            table = inert.read_shard_index(take(INDEX))
            absent = sorted(set(table.values()) - names)
            if absent:
                raise CheckpointError(f"{INDEX} names {absent[0]}, which is not there.")
            weights = {shard: take(shard) for shard in sorted(set(table.values()))}
            self._content[INDEX] = {"metadata": {}, "weight_map": table}
        if not weights:
            pickles = sorted(name for name in names if name.endswith(inert.PICKLES))
            if pickles:
                raise UnsafeFileError(
                    f"The language model has its weights only as a pickle ({pickles[0]:.80}), which could run"
                    " code, so they were not read; choose a model with safetensors."
                )
            raise CheckpointError(f"There is no {WEIGHTS}; get all files of the language model.")
        inert.check_layers(config, inert.tensor_count(weights.values()), CONFIG)
        content = inert.read_vocabulary(take(inert.TOKENIZER))
        inert.try_tokenizer(content, "The language model")
        self._content |= {CONFIG: config, inert.TOKENIZER: content, **weights}

    def _ends_of_line(self, config: dict[str, Any]) -> list[int]:
        """The tokens that end a line: the model's own end, and every token with a line break in it."""
        stated = config.get("eos_token_id")
        ends = [n for n in (stated if isinstance(stated, list) else [stated]) if type(n) is int]
        size = self._tokenizer.get_vocab_size()
        texts = self._tokenizer.decode_batch([[number] for number in range(size)], skip_special_tokens=False)
        ends += [number for number, text in enumerate(texts) if "\n" in text]
        if not ends or max(ends) >= int(self._model.get_input_embeddings().weight.shape[0]):
            raise CheckpointError("The language model has no token that ends a line within its vocabulary.")
        return ends


class _Draw:
    """Makes the largest score a sample: adds each text's own Gumbel noise to its best scores."""

    def __init__(self, seeds: Sequence[int], temperature: float) -> None:
        self._generators = [torch.Generator("cpu").manual_seed(seed) for seed in seeds]
        self._temperature = temperature

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        """Scores [b x vocabulary] in the order of a sample at the temperature."""
        best, places = scores.float().topk(min(TOP, scores.shape[-1]), dim=-1)
        uniform = torch.stack([torch.rand(best.shape[-1], generator=each) for each in self._generators])
        noise = -torch.log(-torch.log(uniform.clamp(1e-9, 1 - 1e-7)))
        drawn = torch.full_like(scores, -torch.inf, dtype=torch.float32)
        return drawn.scatter(-1, places, best / self._temperature + noise.to(best.device))


def _load(content: dict[str, Path | bytes | dict[str, Any]], located: Located, device: torch.device) -> Any:
    transformers = extra("transformers", WHAT)
    dtype = DTYPES[choose_precision("auto", device)]
    kept = {name: value for name, value in content.items() if name != inert.TOKENIZER}
    with staged(kept) as folder, quiet():
        try:
            model = transformers.AutoModelForCausalLM.from_pretrained(
                str(folder),
                torch_dtype=dtype,
                use_safetensors=True,
                local_files_only=True,
                trust_remote_code=False,
            )
        except torch.OutOfMemoryError:
            raise
        except (OSError, ValueError, TypeError, KeyError, RuntimeError, AttributeError, ImportError) as error:
            reason = str(error).replace(str(folder), located.name).split("\n")[0]
            raise CheckpointError(
                f"transformers {transformers.__version__} cannot build {located.name}"
                f" ({type(error).__name__}: {reason:.200})."
            ) from None
        return model.to(device).eval()
