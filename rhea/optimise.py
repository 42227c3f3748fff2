"""The loop that trains either net: AdamW, warm-up, cosine decay, clipped gradients, and a moving average of the weights."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from typing import Generic, TypeVar

import torch
from torch import Tensor, nn

WARMUP_STEPS = 50
GRADIENT_NORM = 1.0
FINAL_RATE = 0.02
"""Learning rate at the last step, as a share of the highest."""


Net = TypeVar("Net", bound=nn.Module)


class Average(Generic[Net]):
    """An exponential moving average of a net's weights, short at first so that the random start is soon forgotten."""

    def __init__(self, net: Net, decay: float) -> None:
        self.net = copy.deepcopy(net).requires_grad_(False).eval()
        self._averaged: list[Tensor] = list(self.net.parameters())
        self._trained: list[Tensor] = list(net.parameters())
        self._decay = decay

    @torch.no_grad()
    def update(self, step: int) -> None:
        decay = min(self._decay, (1 + step) / (10 + step))
        torch._foreach_lerp_(self._averaged, self._trained, 1 - decay)


def optimise(
    net: Net,
    loss_of: Callable[[int], Tensor],
    *,
    steps: int,
    learning_rate: float,
    report: Callable[[int, float], None],
    average: Average[Net] | None = None,
) -> None:
    """Train `net` for `steps` steps.

    Args:
        loss_of: the loss (a scalar) of a step, counted from 0.
        report: called after each step with the number of steps done and the loss.
    """
    optimiser = torch.optim.AdamW(net.parameters(), lr=learning_rate, betas=(0.9, 0.99), weight_decay=0.01, fused=True)
    for step in range(steps):
        for group in optimiser.param_groups:
            group["lr"] = learning_rate * rate(step, steps)
        loss = loss_of(step)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]  # torch does not annotate it
        nn.utils.clip_grad_norm_(net.parameters(), GRADIENT_NORM)
        optimiser.step()
        if average:
            average.update(step)
        report(step + 1, loss.item())


def rate(step: int, steps: int) -> float:
    """Learning rate at a step as a share of the highest: up in a straight line, then down along half a cosine."""
    warm = min(WARMUP_STEPS, max(1, steps // 10))
    if step < warm:
        return (step + 1) / warm
    done = (step - warm) / max(1, steps - warm)
    return FINAL_RATE + (1 - FINAL_RATE) * (1 + math.cos(math.pi * done)) / 2
