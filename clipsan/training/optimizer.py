"""AdamW as PAR uses it: no weight decay on biases and norm layers, logit_scale not trained."""

from __future__ import annotations

import torch
from torch import nn

from clipsan.training.settings import TrainSettings


def make_optimizer(model: nn.Module, settings: TrainSettings) -> torch.optim.AdamW:
    """AdamW over all parameters of `model` that train; the caller sets the rate before each step."""
    decayed: list[nn.Parameter] = []
    plain: list[nn.Parameter] = []
    for name, parameter in model.named_parameters():
        if name in {"logit_scale", "logit_bias"}:
            parameter.requires_grad_(False)
        elif not parameter.requires_grad:
            continue
        elif parameter.ndim < 2:
            plain.append(parameter)
        else:
            decayed.append(parameter)
    groups = [
        {"params": decayed, "weight_decay": settings.weight_decay},
        {"params": plain, "weight_decay": 0.0},
    ]
    betas = (settings.beta1, settings.beta2)
    return torch.optim.AdamW(groups, lr=settings.lr_start, betas=betas, eps=settings.eps, fused=True)
