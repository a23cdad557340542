"""Libraries of the extra that are missing get a sentence that names the extra."""

from __future__ import annotations

import sys

import pytest

from clipsan.errors import UsageError
from clipsan.synthesis.diffusion import Options, open_maker


@pytest.mark.parametrize("library", ["diffusers", "transformers", "accelerate"])
def test_a_missing_library_is_named_with_its_extra(library, monkeypatch):
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(UsageError, match=rf"needs the {library} library.*pip install 'clipsan\[synth\]'"):
        open_maker(Options("nowhere"))
