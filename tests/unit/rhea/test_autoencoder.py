import pytest
import torch
from torch import Tensor

from rhea.autoencoder import Autoencoder, reconstruction_loss
from rhea.config import AutoencoderSettings
from rhea.optimise import optimise

SETTINGS = AutoencoderSettings(widths=(16, 16), blocks=1, steps=30, batch=8, learning_rate=2e-3, latent_noise=0.0)


@pytest.fixture
def pixels() -> Tensor:
    """(12, 3, 32, 32) in [-1, 1]: smooth gradients with some noise."""
    numbers = torch.Generator().manual_seed(0)
    coarse = torch.rand(12, 3, 4, 4, generator=numbers) * 2 - 1
    smooth = torch.nn.functional.interpolate(coarse, size=(32, 32), mode="bilinear")
    return (smooth + 0.05 * torch.randn(smooth.shape, generator=numbers)).clamp(-1, 1)


def test_shapes_and_scale(pixels: Tensor) -> None:
    net = Autoencoder(SETTINGS)
    net.fit_linear(pixels)
    latents = net.encode(pixels)
    assert latents.shape == (12, 16, 4, 4)
    assert net.decode(latents).shape == pixels.shape
    assert latents.square().mean().sqrt().item() == pytest.approx(1, abs=1e-3)


def test_untrained_it_is_the_best_linear_code_of_the_squares(pixels: Tensor) -> None:
    net = Autoencoder(SETTINGS)
    net.fit_linear(pixels)
    squares = torch.nn.functional.pixel_unshuffle(pixels, 8).movedim(1, 3).reshape(-1, 192).double()
    spectrum = torch.linalg.svdvals(squares - squares.mean(0)).square()
    best = spectrum[16:].sum() / squares.numel()
    error = (net.decode(net.encode(pixels)) - pixels).square().mean()
    assert error.item() == pytest.approx(best.item(), rel=1e-3)


def test_channels_keep_their_variances(pixels: Tensor) -> None:
    net = Autoencoder(SETTINGS)
    net.fit_linear(pixels)
    deviations = net.encode(pixels).std(dim=(0, 2, 3))
    assert (deviations.diff() <= 1e-4).all()
    assert deviations[0] > 4 * deviations[-1]


def test_the_linear_half_does_not_depend_on_signs_of_the_solver(pixels: Tensor) -> None:
    net = Autoencoder(SETTINGS)
    net.fit_linear(pixels)
    largest = net.basis.gather(1, net.basis.abs().argmax(1, keepdim=True))
    assert (largest > 0).all()


def test_training_lowers_the_loss(pixels: Tensor) -> None:
    torch.manual_seed(0)
    net = Autoencoder(SETTINGS)
    net.fit_linear(pixels)
    losses: list[float] = []
    optimise(
        net,
        lambda step: reconstruction_loss(net.decode(net.encode(pixels)), pixels),
        steps=SETTINGS.steps,
        learning_rate=SETTINGS.learning_rate,
        report=lambda step, loss: losses.append(loss),
    )
    assert losses[-1] < 0.97 * losses[0]
