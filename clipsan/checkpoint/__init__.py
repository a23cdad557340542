"""Any CLIP file, folder or hub repository -> Suspect, and back to an open_clip folder.

Default use:

    suspect = load("model.safetensors")
    with output_folder(Path("cleaned"), needed_bytes=...) as folder:
        write_open_clip_folder(folder, suspect, suspect.model.state_dict(), {"method": "par"})

`inspect` says what a file is without building a model. Formats are the rows of `formats.TABLE`.
"""

from __future__ import annotations

from clipsan.checkpoint.build import with_activation
from clipsan.checkpoint.inspect import Inspection, inspect
from clipsan.checkpoint.load import load
from clipsan.checkpoint.output import check_output, is_earlier_output, output_folder
from clipsan.checkpoint.suspect import Provenance, Suspect
from clipsan.checkpoint.write import as_in_file, reload_and_compare, write_open_clip_folder, write_weights

__all__ = [
    "Inspection",
    "Provenance",
    "Suspect",
    "as_in_file",
    "check_output",
    "inspect",
    "is_earlier_output",
    "load",
    "output_folder",
    "reload_and_compare",
    "with_activation",
    "write_open_clip_folder",
    "write_weights",
]
