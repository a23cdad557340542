"""A tiny GPT-2 with random weights and a tokenizer of single bytes, as a folder of transformers."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

transformers = pytest.importorskip("transformers", reason="the transformers library is not installed")

END = "<|endoftext|>"


def write_language_model(folder: Path, card: str | None = "---\nlicense: apache-2.0\n---\n") -> Path:
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers

    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {letter: number for number, letter in enumerate([*letters, END])}
    tokenizer = Tokenizer(models.BPE(vocabulary, []))
    tokenizer.add_special_tokens([END])
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    torch.manual_seed(0)
    config = transformers.GPT2Config(
        vocab_size=len(vocabulary), n_positions=640, n_embd=16, n_layer=2, n_head=2,
        bos_token_id=vocabulary[END], eos_token_id=vocabulary[END],
    )  # fmt: skip
    model = transformers.GPT2LMHeadModel(config)
    with torch.no_grad():
        model.transformer.wte.weight.mul_(20)  # else every letter is about as likely
    model.save_pretrained(folder)
    tokenizer.save(str(folder / "tokenizer.json"))
    if card is not None:
        (folder / "README.md").write_text(card)
    return folder
