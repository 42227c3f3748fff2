"""Equal samples, settings, seed, threads and code give equal weights, bit for bit."""

from __future__ import annotations

import hashlib
import os

import torch


def make_deterministic(threads: int) -> None:
    """Fix everything that a result could depend on by accident. The number of threads changes the order of sums, so it is recorded."""
    os.environ["CUBLAS_WORKSPACE_CONFIG"] = ":4096:8"  # or cuBLAS has no deterministic mode
    torch.use_deterministic_algorithms(True)
    torch.backends.cudnn.benchmark = False
    torch.set_num_threads(threads)


def generator(seed: int, *names: str | int) -> torch.Generator:
    """A stream of random numbers for one purpose: (seed, "denoiser", 17) is step 17 of the denoiser, whatever was drawn before."""
    text = "/".join(map(str, (seed, *names)))
    return torch.Generator().manual_seed(int.from_bytes(hashlib.sha256(text.encode()).digest()[:7], "big"))


def batch_of(step: int, size: int, samples: int, seed: int, stage: str) -> torch.Tensor:
    """(size,) positions of the samples of a step: a window on one endless sequence of shuffled epochs."""
    window = range(step * size, (step + 1) * size)
    epochs = {place // samples for place in window}
    orders = {epoch: torch.randperm(samples, generator=generator(seed, stage, "epoch", epoch)) for epoch in epochs}
    return torch.stack([orders[place // samples][place % samples] for place in window])
