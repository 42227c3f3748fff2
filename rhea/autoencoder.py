"""The autoencoder: 64 × 64 × 3 pixels ↔ 8 × 8 × 16 latents, a linear map found by PCA plus a learned residual.

The linear half is the best linear code of 8 × 8 pixel squares and is there from the first step; the residual nets learn what it
loses. 16 channels because 4 lose fine detail (Emu, arXiv 2309.15807, section 3.1).

Latents are scaled by one number, never whitened: PCA channels keep their variances, so that an error in the denoiser's loss weighs
what it weighs in pixels. Whitened, the faint channels cost as much as brightness and the denoiser draws blobs.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from rhea.config import LATENT_CHANNELS, LATENT_FACTOR, AutoencoderSettings
from rhea.layers import ResidualBlock, upsample, zeroed

PATCH_VALUES = 3 * LATENT_FACTOR**2
EDGE_WEIGHT = 0.5
"""Weight of differences between neighbouring pixels in the loss: edges are what the eye misses first."""


class Autoencoder(nn.Module):
    """Encoder and decoder. Pixels are in [-1, 1]; latents leave `encode` with a root mean square of about 1."""

    mean: Tensor
    basis: Tensor
    scale: Tensor

    def __init__(self, settings: AutoencoderSettings) -> None:
        super().__init__()
        fine, coarse = settings.widths
        self.register_buffer("mean", torch.zeros(PATCH_VALUES))
        self.register_buffer("basis", torch.zeros(LATENT_CHANNELS, PATCH_VALUES))
        self.register_buffer("scale", torch.ones(()))
        self.encoder = nn.Sequential(
            nn.PixelUnshuffle(4),
            nn.Conv2d(48, fine, 3, padding=1),
            *(ResidualBlock(fine, fine) for _ in range(settings.blocks)),
            nn.Conv2d(fine, coarse, 2, stride=2),
            *(ResidualBlock(coarse, coarse) for _ in range(settings.blocks)),
            zeroed(nn.Conv2d(coarse, LATENT_CHANNELS, 1)),
        )
        self.coarse_decoder = nn.Sequential(
            nn.Conv2d(LATENT_CHANNELS, coarse, 3, padding=1),
            *(ResidualBlock(coarse, coarse) for _ in range(settings.blocks)),
            nn.Conv2d(coarse, fine, 1),
        )
        self.fine_decoder = nn.Sequential(
            *(ResidualBlock(fine, fine) for _ in range(settings.blocks)),
            zeroed(nn.Conv2d(fine, 48, 3, padding=1)),
            nn.PixelShuffle(4),
        )

    @torch.no_grad()
    def fit_linear(self, pixels: Tensor) -> None:
        """Set the linear half to the principal components of all 8 × 8 squares in `pixels` (N, 3, H, W), N ≥ 1.

        Signs are fixed (each component's largest entry is positive) so that equal samples give equal bits.
        """
        patches = _patches(pixels).double()
        self.mean.copy_(patches.mean(0))
        centred = patches - self.mean.double()
        _, vectors = torch.linalg.eigh(centred.T @ centred)
        basis = vectors.flip(1)[:, :LATENT_CHANNELS].T
        largest = basis.gather(1, basis.abs().argmax(1, keepdim=True))
        self.basis.copy_(basis * largest.sign())
        self.scale.div_(self.encode(pixels).square().mean().sqrt().clamp_min(1e-6))

    def encode(self, pixels: Tensor) -> Tensor:
        """(B, 3, H, W) in [-1, 1] → (B, 16, H / 8, W / 8)."""
        squares = F.pixel_unshuffle(pixels, LATENT_FACTOR) - self.mean[:, None, None]
        linear = F.conv2d(squares, self.basis[:, :, None, None])
        residual: Tensor = self.encoder(pixels)
        return (linear + residual) * self.scale

    def decode(self, latents: Tensor) -> Tensor:
        """(B, 16, h, w) → (B, 3, 8 h, 8 w), about [-1, 1], not clamped."""
        unscaled = latents / self.scale
        squares = F.conv2d(unscaled, self.basis.T[:, :, None, None]) + self.mean[:, None, None]
        residual: Tensor = self.fine_decoder(upsample(self.coarse_decoder(latents)))
        return F.pixel_shuffle(squares, LATENT_FACTOR) + residual


def reconstruction_loss(decoded: Tensor, pixels: Tensor) -> Tensor:
    """Absolute and squared error of pixels, and absolute error of their differences to the right and below."""
    error = decoded - pixels
    edges = error.diff(dim=2).abs().mean() + error.diff(dim=3).abs().mean()
    return error.abs().mean() + error.square().mean() + EDGE_WEIGHT * edges


def _patches(pixels: Tensor) -> Tensor:
    """(N, 3, H, W) → (N · H/8 · W/8, 192), values ordered as `F.pixel_unshuffle` orders channels."""
    return F.pixel_unshuffle(pixels, LATENT_FACTOR).movedim(1, 3).reshape(-1, PATCH_VALUES)
