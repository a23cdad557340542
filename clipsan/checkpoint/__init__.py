"""Any CLIP file, folder or hub repository -> Suspect, and back to a folder that drops in.

Default use:

    suspect = load("model.safetensors")
    with output_folder(Path("cleaned"), needed_bytes=...) as folder:
        write_folder(folder, suspect, suspect.model.state_dict(), {"method": "par"})

`inspect` says what a file is without building a model. Formats are the rows of `formats.TABLE`.
"""

from __future__ import annotations

from clipsan.checkpoint.build import with_candidate
from clipsan.checkpoint.folders import (
    Written,
    families_of,
    reload_and_compare,
    stored_as,
    write_folder,
)
from clipsan.checkpoint.inspect import Inspection, inspect
from clipsan.checkpoint.load import load
from clipsan.checkpoint.output import check_output, is_earlier_output, output_folder
from clipsan.checkpoint.suspect import Candidate, Family, Provenance, Suspect
from clipsan.checkpoint.write import as_in_file, write_weights

__all__ = [
    "Candidate",
    "Family",
    "Inspection",
    "Provenance",
    "Suspect",
    "Written",
    "as_in_file",
    "check_output",
    "families_of",
    "inspect",
    "is_earlier_output",
    "load",
    "output_folder",
    "reload_and_compare",
    "stored_as",
    "with_candidate",
    "write_folder",
    "write_weights",
]
