import json

import pytest

from rhea.config import TIERS, Settings


@pytest.mark.parametrize("tier", TIERS)
def test_settings_survive_a_file(tier: str) -> None:
    assert Settings.from_json(json.loads(json.dumps(TIERS[tier].to_json()))) == TIERS[tier]


def test_another_budget_scales_the_steps_and_nothing_else() -> None:
    tier = TIERS["cpu"]
    halved = tier.for_minutes(tier.minutes / 2)
    assert halved.denoiser.steps == round(tier.denoiser.steps / 2)
    assert halved.autoencoder.steps == round(tier.autoencoder.steps / 2)
    assert halved.denoiser.widths == tier.denoiser.widths
    assert halved.for_minutes(tier.minutes) == tier


def test_the_smallest_budget_still_trains_a_step() -> None:
    assert TIERS["tests"].for_minutes(1e-6).denoiser.steps == 1


def test_settings_of_another_version_are_refused() -> None:
    with pytest.raises(TypeError):
        Settings.from_json(TIERS["tests"].to_json() | {"unknown": 1})
