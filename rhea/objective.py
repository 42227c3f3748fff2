"""Rectified flow (arXiv 2209.03003): straight lines from a latent to noise, and the velocity along them.

    x_t = (1 - t) x + t noise,   velocity = noise - x

Training regresses the velocity at times drawn logit-normally (arXiv 2403.03206, section 3.1). Sampling walks from noise at t = 1 to
t = 0. Classifier-free guidance (arXiv 2207.12598) moves each velocity away from the one for the empty caption.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

Velocity = Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]
"""The denoiser: (x, t, states, mask) → velocity. Shapes as in rhea.denoiser.Denoiser.forward."""


def draw_times(count: int, generator: torch.Generator) -> Tensor:
    """(count,) times in (0, 1), densest in the middle, where the velocity is hardest to tell."""
    return torch.randn(count, generator=generator).sigmoid()


def flow_loss(velocity: Velocity, latents: Tensor, states: Tensor, mask: Tensor, t: Tensor, noise: Tensor) -> Tensor:
    """Mean squared error of the velocity for each sample: (B,). `latents` and `noise` are (B, 16, h, w), `t` is (B,)."""
    along = t[:, None, None, None]
    predicted = velocity((1 - along) * latents + along * noise, t, states, mask)
    return (predicted.float() - (noise - latents)).square().mean(dim=(1, 2, 3))


@torch.no_grad()
def draw_latents(
    velocity: Velocity,
    noise: Tensor,
    captions: tuple[Tensor, Tensor],
    empty: tuple[Tensor, Tensor],
    *,
    steps: int,
    guidance: float,
    progress: Callable[[int], None] = lambda step: None,
) -> Tensor:
    """Walk from `noise` (B, 16, h, w) to latents by Heun's method.

    Args:
        captions, empty: token states (B, T, 384) and mask (B, T), of what to draw and of the empty caption.
        guidance: 1 follows the caption as trained; more follows it harder.
    """
    states, mask = torch.cat([captions[0], empty[0]]), torch.cat([captions[1], empty[1]])

    def guided(x: Tensor, t: Tensor) -> Tensor:
        with_caption, without = velocity(torch.cat([x, x]), t.expand(2 * len(x)), states, mask).float().chunk(2)
        return without + guidance * (with_caption - without)

    x, times = noise, torch.linspace(1, 0, steps + 1, device=noise.device)
    for step in range(steps):
        now, then = times[step], times[step + 1]
        slope = guided(x, now)
        if step < steps - 1:
            slope = (slope + guided(x + (then - now) * slope, then)) / 2
        x = x + (then - now) * slope
        progress(step + 1)
    return x
