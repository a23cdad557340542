"""The errors a user can cause. Each message is one sentence: what is wrong, where, what to do.

The command line prints the sentence and exits with code 2; a library caller catches `ClipsanError`.
"""

from __future__ import annotations


class ClipsanError(Exception):
    """Base of every error that clipsan raises on purpose."""


class UsageError(ClipsanError):
    """A setting is out of range, unknown, or does not fit another one."""


class CheckpointError(ClipsanError):
    """A checkpoint cannot be found, read, understood or trusted to be what it says."""


class UnsafeFileError(CheckpointError):
    """Reading the file the usual way could run code, so it was not read."""


class DataError(ClipsanError):
    """Image-caption pairs or an evaluation set cannot be read."""


class TriggerError(ClipsanError):
    """A trigger is unknown, its settings are out of range, or its file is broken."""


class TrainingError(ClipsanError):
    """Training cannot go on (a loss that is not finite, memory used up)."""


class LostProcessError(TrainingError):
    """Another of the processes that work together has stopped, so this one cannot go on."""


class OutputError(ClipsanError):
    """The output folder cannot be written, or what was written does not read back."""


class ResumeError(ClipsanError):
    """What an earlier run left to go on from does not belong to this run, or cannot be read."""


class StoppedError(KeyboardInterrupt):
    """A run was asked to stop and what it did is kept; the message says where, and how to go on."""
