"""Files of `torch.save` and `torch.jit.save` as data: nothing that a pickle names is imported or called.

`machine` and `opcodes` turn a pickle into plain data, `known` says which calls stand for which data and
which globals are harmless, `archive` and `legacy` find the pickles and the raw numbers in the two layouts of
torch.save, `storages` maps the numbers into memory, `training` finds the state dict in a training file, and
`torchscript` the weights in a program archive.
"""

from clipsan.checkpoint.torch_files.legacy import is_tar
from clipsan.checkpoint.torch_files.reading import (
    Look,
    Scan,
    TorchFile,
    is_torchscript,
    load_torch,
    look_at,
    scan,
)
from clipsan.checkpoint.torch_files.state_dict import from_state_dict
from clipsan.checkpoint.torch_files.torchscript import Scripted, read_scripted
from clipsan.checkpoint.torch_files.training import is_training, training_state

__all__ = [
    "Look",
    "Scan",
    "Scripted",
    "TorchFile",
    "from_state_dict",
    "is_tar",
    "is_torchscript",
    "is_training",
    "load_torch",
    "look_at",
    "read_scripted",
    "scan",
    "training_state",
]
