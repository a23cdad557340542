"""Fixtures of the checkpoint tests."""

from __future__ import annotations

import pytest
import torch
from tiny_models import CONFIGS, Tiny, make_tiny


@pytest.fixture(scope="session", params=sorted(CONFIGS))
def tiny(request) -> Tiny:
    """Once with a ResNet, once with a ViT image tower."""
    return make_tiny(request.param)


@pytest.fixture(scope="session")
def tiny_vit() -> Tiny:
    return make_tiny("vit")


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
