"""All hostile files."""

from __future__ import annotations

from hostile import (
    archive_files,
    bomb_files,
    config_files,
    folder_files,
    pickle_floods,
    program_archives,
    safetensors_files,
    shard_folders,
    tar_files,
    tensor_claims,
    tokenizer_folders,
)

CORPUS = (
    *bomb_files.ENTRIES,
    *pickle_floods.ENTRIES,
    *tensor_claims.ENTRIES,
    *archive_files.ENTRIES,
    *tar_files.ENTRIES,
    *program_archives.ENTRIES,
    *safetensors_files.ENTRIES,
    *folder_files.ENTRIES,
    *config_files.ENTRIES,
    *shard_folders.ENTRIES,
    *tokenizer_folders.ENTRIES,
)
