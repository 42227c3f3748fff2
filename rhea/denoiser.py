"""The denoiser: a U-Net over latents that reads the caption's token states by cross-attention."""

from __future__ import annotations

import math
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from rhea.config import LATENT_CHANNELS, TEXT_WIDTH, DenoiserSettings
from rhea.layers import PixelNorm, ResidualBlock, upsample, zeroed

TIME_WAVES = 64


class Denoiser(nn.Module):
    """Predicts the velocity of the rectified flow: (latents at time t, t, caption) → noise - latents."""

    def __init__(self, settings: DenoiserSettings) -> None:
        super().__init__()
        widths, blocks = settings.widths, settings.blocks
        condition = 2 * widths[0]
        self.time = nn.Sequential(nn.Linear(2 * TIME_WAVES, condition), nn.SiLU(), nn.Linear(condition, condition))
        self.pooled_text = nn.Linear(TEXT_WIDTH, condition)
        self.enter = nn.Conv2d(LATENT_CHANNELS, widths[0], 3, padding=1)
        self.down = nn.ModuleList()
        self.up = nn.ModuleList()
        for level, width in enumerate(widths):
            finer, last = widths[max(level - 1, 0)], level == len(widths) - 1
            self.down.append(Level(finer, width, condition, settings.heads, blocks))
            self.up.insert(0, Level((1 if last else 2) * width, width, condition, settings.heads, blocks))
        self.widen = nn.ModuleList(nn.Conv2d(coarser, finer, 1) for finer, coarser in pairwise(widths))
        self.leave_norm = PixelNorm()
        self.leave = zeroed(nn.Conv2d(widths[0], LATENT_CHANNELS, 3, padding=1))

    def forward(self, x: Tensor, t: Tensor, states: Tensor, mask: Tensor) -> Tensor:
        """
        Args:
            x: (B, 16, h, w) latents with noise.
            t: (B,) in [0, 1]; 0 is the latent, 1 is noise.
            states: (B, T, 384) token states of the captions.
            mask: (B, T) True where there is a token.

        Returns: (B, 16, h, w) velocity.
        """
        condition = F.silu(self.time(waves(t)) + self.pooled_text(pooled(states, mask)))
        h = self.enter(x)
        skips: list[Tensor] = []
        for level in self.down:
            h = level(F.avg_pool2d(h, 2) if skips else h, condition, states, mask)
            skips.append(h)
        h = self.up[0](skips.pop(), condition, states, mask)
        for level, widen in zip(list(self.up)[1:], reversed(self.widen), strict=True):
            h = level(torch.cat([upsample(widen(h)), skips.pop()], dim=1), condition, states, mask)
        velocity: Tensor = self.leave(F.silu(self.leave_norm(h)))
        return velocity


class Level(nn.Module):
    """What happens at one resolution: residual blocks, each followed by attention to the picture itself and to the caption."""

    def __init__(self, inputs: int, width: int, condition: int, heads: int, blocks: int) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(ResidualBlock(inputs if block == 0 else width, width, condition) for block in range(blocks))
        self.attentions = nn.ModuleList(Attention(width, heads) for _ in range(blocks))

    def forward(self, h: Tensor, condition: Tensor, states: Tensor, mask: Tensor) -> Tensor:
        for block, attention in zip(self.blocks, self.attentions, strict=True):
            h = attention(block(h, condition), states, mask)
        return h


class Attention(nn.Module):
    """Each position of the picture attends to all positions and to all tokens of the caption in one softmax."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm = PixelNorm()
        self.query_key_value = nn.Linear(width, 3 * width, bias=False)
        self.text_key_value = nn.Linear(TEXT_WIDTH, 2 * width, bias=False)
        self.leave = zeroed(nn.Linear(width, width))

    def forward(self, h: Tensor, states: Tensor, mask: Tensor) -> Tensor:
        """(B, C, h, w), (B, T, 384), (B, T) → (B, C, h, w)."""
        batch, width, height, breadth = h.shape
        squares = self.norm(h).flatten(2).transpose(1, 2)
        query, key, value = self.query_key_value(squares).chunk(3, dim=2)
        text_key, text_value = self.text_key_value(states).chunk(2, dim=2)
        query, key, value = (self._split(part) for part in (query, torch.cat([key, text_key], 1), torch.cat([value, text_value], 1)))
        seen = F.pad(mask, (height * breadth, 0), value=True)[:, None, None, :]
        weights = (query @ key.transpose(2, 3) / math.sqrt(width // self.heads)).masked_fill(~seen, -torch.inf).softmax(dim=3)
        mixed = (weights @ value).transpose(1, 2).reshape(batch, height * breadth, width)
        return h + self.leave(mixed).transpose(1, 2).reshape(h.shape)

    def _split(self, x: Tensor) -> Tensor:
        """(B, N, C) → (B, heads, N, C / heads)."""
        return x.view(*x.shape[:2], self.heads, -1).transpose(1, 2)


def waves(t: Tensor) -> Tensor:
    """(B,) times in [0, 1] → (B, 128) sines and cosines at frequencies from 1 to 1,000 radians."""
    angles = t[:, None] * torch.logspace(0, 3, TIME_WAVES, device=t.device)
    return torch.cat([angles.sin(), angles.cos()], dim=1)


def pooled(states: Tensor, mask: Tensor) -> Tensor:
    """(B, T, 384), (B, T) → (B, 384), the mean over tokens, which is how MiniLM itself makes a sentence's vector."""
    weights = mask[:, :, None].to(states.dtype)
    return (states * weights).sum(1) / weights.sum(1)
