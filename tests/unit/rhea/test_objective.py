"""The flow against a velocity that is known: all latents are one point, so the exact velocity is (x - point) / t."""

import torch
from torch import Tensor

from rhea.objective import draw_latents, draw_times, flow_loss

POINT = torch.linspace(-1, 1, 16).view(1, 16, 1, 1).expand(3, 16, 2, 2)
STATES, MASK = torch.zeros(3, 4, 384), torch.ones(3, 4, dtype=torch.bool)


def towards_point(x: Tensor, t: Tensor, states: Tensor, mask: Tensor) -> Tensor:
    point = POINT[:1].expand(len(x), -1, -1, -1)
    return (x - point) / t.clamp_min(1e-3)[:, None, None, None]


def test_the_true_velocity_has_no_loss() -> None:
    noise = torch.randn(POINT.shape, generator=torch.Generator().manual_seed(0))
    loss = flow_loss(towards_point, POINT, STATES, MASK, torch.tensor([0.1, 0.5, 0.9]), noise)
    assert loss.shape == (3,)
    assert loss.max() < 1e-8


def test_walking_the_true_velocity_arrives_at_the_latent() -> None:
    noise = torch.randn(POINT.shape, generator=torch.Generator().manual_seed(1))
    seen: list[int] = []
    drawn = draw_latents(towards_point, noise, (STATES, MASK), (STATES, MASK), steps=8, guidance=3.0, progress=seen.append)
    torch.testing.assert_close(drawn, POINT, atol=1e-5, rtol=0)
    assert seen == list(range(1, 9))


def test_guidance_moves_away_from_the_empty_caption() -> None:
    """With a velocity that is the caption's mean state, guidance g walks g times as far as the caption alone."""

    def by_caption(x: Tensor, t: Tensor, states: Tensor, mask: Tensor) -> Tensor:
        return states.mean(dim=(1, 2))[:, None, None, None].expand_as(x)

    noise, caption = torch.zeros(3, 16, 2, 2), torch.ones_like(STATES)
    followed = draw_latents(by_caption, noise, (caption, MASK), (STATES, MASK), steps=4, guidance=1.0)
    pushed = draw_latents(by_caption, noise, (caption, MASK), (STATES, MASK), steps=4, guidance=2.5)
    torch.testing.assert_close(pushed, 2.5 * followed)
    torch.testing.assert_close(followed, -torch.ones_like(noise))


def test_times_lie_inside_the_flow_and_are_densest_in_the_middle() -> None:
    times = draw_times(4000, torch.Generator().manual_seed(0))
    assert times.min() > 0
    assert times.max() < 1
    assert ((times > 0.25) & (times < 0.75)).float().mean() > 0.65
