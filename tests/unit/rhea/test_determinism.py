import torch

from rhea.determinism import batch_of, generator


def test_numbers_belong_to_their_purpose() -> None:
    def drawn(seed: int, *names: str | int) -> list[float]:
        numbers: list[float] = torch.rand(3, generator=generator(seed, *names)).tolist()
        return numbers

    assert drawn(0, "denoiser", 1) == drawn(0, "denoiser", 1)
    others = [drawn(0, "denoiser", 2), drawn(0, "autoencoder", 1), drawn(1, "denoiser", 1)]
    assert drawn(0, "denoiser", 1) not in others


def test_each_epoch_takes_each_sample_once() -> None:
    drawn = torch.cat([batch_of(step, 4, 10, seed=0, stage="denoiser") for step in range(5)])
    first, second = drawn[:10].tolist(), drawn[10:].tolist()
    assert sorted(first) == sorted(second) == list(range(10))
    assert first != second


def test_a_batch_may_be_larger_than_the_pool() -> None:
    assert sorted(batch_of(0, 6, 3, seed=0, stage="denoiser").tolist()) == [0, 0, 1, 1, 2, 2]
