import pytest
import torch
from torch import Tensor, nn

from rhea.config import DenoiserSettings
from rhea.denoiser import Denoiser, pooled, waves
from rhea.optimise import Average

SETTINGS = DenoiserSettings(
    widths=(16, 32, 32), blocks=1, heads=2, tokens=6, steps=1, batch=2, learning_rate=1e-3, ema_decay=0.9, caption_dropout=0.1
)


@pytest.fixture
def denoiser() -> Denoiser:
    """With random weights everywhere: as made, the last layer of each branch is zero and would hide what comes before."""
    torch.manual_seed(0)
    net = Denoiser(SETTINGS)
    for parameter in net.parameters():
        nn.init.normal_(parameter, std=0.2)
    return net


@pytest.fixture
def inputs() -> tuple[Tensor, Tensor, Tensor, Tensor]:
    numbers = torch.Generator().manual_seed(0)
    mask = torch.tensor([[True] * 6, [True, True, True, False, False, False]])
    return torch.randn(2, 16, 8, 8, generator=numbers), torch.tensor([0.2, 0.7]), torch.randn(2, 6, 384, generator=numbers), mask


def test_a_new_denoiser_says_nothing(inputs: tuple[Tensor, Tensor, Tensor, Tensor]) -> None:
    velocity = Denoiser(SETTINGS)(*inputs)
    assert velocity.shape == (2, 16, 8, 8)
    assert not velocity.any()


def test_padding_is_not_read(denoiser: Denoiser, inputs: tuple[Tensor, Tensor, Tensor, Tensor]) -> None:
    x, t, states, mask = inputs
    padded = states.masked_fill(~mask[:, :, None], 7.0)
    torch.testing.assert_close(denoiser(x, t, padded, mask), denoiser(x, t, states, mask))


@pytest.mark.parametrize("changed", ["caption", "which tokens count", "time"])
def test_it_reads_the_caption_and_the_time(denoiser: Denoiser, inputs: tuple[Tensor, Tensor, Tensor, Tensor], changed: str) -> None:
    x, t, states, mask = inputs
    before = denoiser(x, t, states, mask)
    match changed:
        case "caption":
            states = states + 1
        case "which tokens count":
            mask = mask.flip(1)
        case "time":
            t = t + 0.1
    assert (denoiser(x, t, states, mask) - before).abs().max() > 1e-3


def test_every_weight_is_learned(denoiser: Denoiser, inputs: tuple[Tensor, Tensor, Tensor, Tensor]) -> None:
    denoiser(*inputs).square().sum().backward()
    unused = [name for name, parameter in denoiser.named_parameters() if parameter.grad is None or not parameter.grad.any()]
    assert unused == []


def test_pooled_text_is_the_mean_over_tokens() -> None:
    states = torch.arange(12.0).view(1, 3, 4)
    torch.testing.assert_close(pooled(states, torch.tensor([[True, True, False]])), torch.tensor([[2.0, 3.0, 4.0, 5.0]]))


def test_waves_tell_near_times_apart() -> None:
    near = waves(torch.tensor([0.5, 0.501]))
    assert near.shape == (2, 128)
    assert (near[0] - near[1]).abs().max() > 0.5


def test_the_average_follows_the_weights() -> None:
    net = nn.Linear(2, 2)
    average = Average(net, decay=0.5)
    with torch.no_grad():
        net.weight.fill_(4.0)
    for step in range(60):
        average.update(step)
    torch.testing.assert_close(average.net.weight, net.weight)
    assert not average.net.weight.requires_grad
