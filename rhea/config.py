"""The settings of a training run. A tier is one complete recipe; its step counts, not the clock, decide how long it trains."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any

LATENT_CHANNELS = 16
LATENT_FACTOR = 8
"""One latent position stands for an 8 × 8 square of pixels."""
TEXT_WIDTH = 384
"""Width of one token state of MiniLM."""


@dataclass(frozen=True)
class AutoencoderSettings:
    """Widths in channels, at a quarter and at an eighth of the picture's size."""

    widths: tuple[int, int]
    blocks: int
    steps: int
    batch: int
    learning_rate: float
    latent_noise: float
    """Standard deviation of the noise that the decoder learns to bear, in units of the scaled latent."""


@dataclass(frozen=True)
class DenoiserSettings:
    """A U-Net over latents. One width for each resolution, finest first."""

    widths: tuple[int, ...]
    blocks: int
    heads: int
    tokens: int
    """Longest caption, in word pieces, the two marks at its ends included."""
    steps: int
    batch: int
    learning_rate: float
    ema_decay: float
    caption_dropout: float
    """Share of samples trained on the empty caption, which guidance subtracts."""


@dataclass(frozen=True)
class SamplingSettings:
    """How pictures are drawn from a trained run."""

    steps: int
    guidance: float
    prompts: tuple[str, ...]
    """Wishes for the four pictures drawn at the end of a run."""


@dataclass(frozen=True)
class Settings:
    """One tier: everything that the weights depend on, beside the samples, the seed, the thread count and the code."""

    tier: str
    minutes: float
    """What the step counts were calibrated to, on two cores (`cpu`, `tests`) or one H100 (`gpu`)."""
    picture_px: int
    threads: int
    bfloat16: bool
    autoencoder: AutoencoderSettings
    denoiser: DenoiserSettings
    sampling: SamplingSettings

    @property
    def latent_px(self) -> int:
        return self.picture_px // LATENT_FACTOR

    def for_minutes(self, minutes: float) -> Settings:
        """The same recipe with its step counts scaled to another budget. The clock is not read: equal budgets give equal weights."""
        share = minutes / self.minutes
        return replace(
            self,
            minutes=minutes,
            autoencoder=replace(self.autoencoder, steps=max(1, round(self.autoencoder.steps * share))),
            denoiser=replace(self.denoiser, steps=max(1, round(self.denoiser.steps * share))),
        )

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Settings:
        """The inverse of `to_json`, also after a trip through a file (lists for tuples).

        Raises:
            KeyError, TypeError: the data is not that of a Settings of this version.
        """
        nested: dict[str, Any] = {
            "autoencoder": AutoencoderSettings(**_tuples(data["autoencoder"])),
            "denoiser": DenoiserSettings(**_tuples(data["denoiser"])),
            "sampling": SamplingSettings(**_tuples(data["sampling"])),
        }
        return cls(**{**data, **nested})


def _tuples(data: dict[str, Any]) -> dict[str, Any]:
    return {name: tuple(value) if isinstance(value, list) else value for name, value in data.items()}


PROMPTS = ("a red apple", "a guitar", "a horse", "a pumpkin", "an orange", "a butterfly", "a penguin", "a flower")
"""Wishes, most wanted first: a run draws the first four that its captions can have taught it."""

TIERS = {
    settings.tier: settings
    for settings in (
        Settings(
            tier="tests",
            minutes=0.5,
            picture_px=64,
            threads=1,
            bfloat16=False,
            autoencoder=AutoencoderSettings(widths=(32, 48), blocks=1, steps=100, batch=16, learning_rate=2e-3, latent_noise=0.05),
            denoiser=DenoiserSettings(
                widths=(48, 96), blocks=1, heads=4, tokens=16, steps=200, batch=32, learning_rate=2e-3, ema_decay=0.98, caption_dropout=0.1
            ),
            sampling=SamplingSettings(steps=16, guidance=3.0, prompts=PROMPTS),
        ),
        Settings(
            tier="cpu",
            minutes=10.0,
            picture_px=64,
            threads=2,
            bfloat16=False,
            autoencoder=AutoencoderSettings(widths=(64, 128), blocks=2, steps=1500, batch=16, learning_rate=1e-3, latent_noise=0.1),
            denoiser=DenoiserSettings(
                widths=(128, 256),
                blocks=1,
                heads=4,
                tokens=24,
                steps=3800,
                batch=32,
                learning_rate=1e-3,
                ema_decay=0.998,
                caption_dropout=0.1,
            ),
            sampling=SamplingSettings(steps=40, guidance=3.0, prompts=PROMPTS),
        ),
        Settings(
            tier="gpu",
            minutes=30.0,
            picture_px=128,
            threads=8,
            bfloat16=True,
            autoencoder=AutoencoderSettings(widths=(192, 384), blocks=4, steps=12_000, batch=64, learning_rate=5e-4, latent_noise=0.05),
            denoiser=DenoiserSettings(
                widths=(320, 640, 960),
                blocks=2,
                heads=8,
                tokens=32,
                steps=40_000,
                batch=256,
                learning_rate=3e-4,
                ema_decay=0.9995,
                caption_dropout=0.1,
            ),
            sampling=SamplingSettings(steps=50, guidance=3.0, prompts=PROMPTS),
        ),
    )
}
