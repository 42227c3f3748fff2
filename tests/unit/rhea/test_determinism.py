import torch

from rhea.determinism import batch_of, generator


def test_numbers_belong_to_their_purpose() -> None:
    def drawn(*names: str | int) -> list[float]:
        return torch.rand(3, generator=generator(*names)).tolist()  # type: ignore[arg-type]

    assert drawn(0, "denoiser", 1) == drawn(0, "denoiser", 1)
    assert len({tuple(drawn(*names)) for names in [(0, "denoiser", 1), (0, "denoiser", 2), (0, "autoencoder", 1), (1, "denoiser", 1)]}) == 4


def test_each_epoch_takes_each_sample_once() -> None:
    drawn = torch.cat([batch_of(step, 4, 10, seed=0, stage="denoiser") for step in range(5)])
    first, second = drawn[:10].tolist(), drawn[10:].tolist()
    assert sorted(first) == sorted(second) == list(range(10))
    assert first != second


def test_a_batch_may_be_larger_than_the_pool() -> None:
    assert sorted(batch_of(0, 6, 3, seed=0, stage="denoiser").tolist()) == [0, 0, 1, 1, 2, 2]
