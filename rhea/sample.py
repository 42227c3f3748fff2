"""Pictures from a trained run."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

import torch
from PIL import Image
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor

from demur.errors import DemurError
from demur.files import atomic_write
from rhea.autoencoder import Autoencoder
from rhea.config import LATENT_CHANNELS, Settings
from rhea.data import to_bytes
from rhea.denoiser import Denoiser
from rhea.determinism import generator, make_deterministic
from rhea.objective import draw_latents
from rhea.text import TextEncoder, normalised

Progress = Callable[[int, int], None]
"""Called with steps done and steps to do."""

CONFIG_FILE = "config.json"
SHEET_FILE = "sheet.png"
AUTOENCODER_FILE = "autoencoder.safetensors"
DENOISER_FILE = "denoiser.safetensors"
SHOWN_PX = 256
"""Pictures are saved at least this wide and high, so that pages and watermarks need not enlarge them."""
SHEET_GAP = 8


class NoModel(DemurError):
    """The directory holds no trained model, or a damaged one."""


@dataclass(frozen=True)
class Model:
    """Both nets and the text encoder, ready to draw."""

    settings: Settings
    autoencoder: Autoencoder
    denoiser: Denoiser
    text: TextEncoder

    @property
    def device(self) -> torch.device:
        return self.autoencoder.basis.device

    def tensors(self) -> dict[str, Tensor]:
        """All weights of both nets by name: what the weights digest covers."""
        nets = {"autoencoder": self.autoencoder, "denoiser": self.denoiser}
        return {f"{net}.{name}": tensor for net, module in nets.items() for name, tensor in module.state_dict().items()}

    def save(self, folder: Path) -> None:
        for file, net in ((AUTOENCODER_FILE, self.autoencoder), (DENOISER_FILE, self.denoiser)):
            atomic_write(folder / file, save({name: tensor.cpu().contiguous() for name, tensor in net.state_dict().items()}))
        atomic_write(folder / CONFIG_FILE, json.dumps(self.settings.to_json(), indent=2).encode())

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read a run directory.

        Raises:
            NoModel: files are missing or damaged.
            TextEncoderMissing
        """
        device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        try:
            settings = Settings.from_json(json.loads((folder / CONFIG_FILE).read_bytes()))
            autoencoder, denoiser = Autoencoder(settings.autoencoder), Denoiser(settings.denoiser)
            autoencoder.load_state_dict(load_file(folder / AUTOENCODER_FILE))
            denoiser.load_state_dict(load_file(folder / DENOISER_FILE))
        except (OSError, ValueError, KeyError, TypeError, RuntimeError, SafetensorError) as error:
            raise NoModel(f"{folder} holds no trained model that this version can read.") from error
        text = TextEncoder(settings.denoiser.tokens)
        return cls(settings, autoencoder.to(device).eval(), denoiser.to(device).eval(), text)

    @torch.no_grad()
    def draw(self, prompts: Sequence[str], seed: int, progress: Progress = lambda step, steps: None) -> Tensor:
        """One picture for each prompt: (B, 3, px, px) uint8. The noise of a picture depends on the seed and its place in `prompts`."""
        sampling, px = self.settings.sampling, self.settings.latent_px
        shape = (LATENT_CHANNELS, px, px)
        noise = torch.stack([torch.randn(shape, generator=generator(seed, "sample", place)) for place in range(len(prompts))])
        latents = draw_latents(
            self.denoiser,
            noise.to(self.device),
            self._encoded(prompts),
            self._encoded([""] * len(prompts)),
            steps=sampling.steps,
            guidance=sampling.guidance,
            progress=lambda step: progress(step, sampling.steps),
        )
        return to_bytes(self.autoencoder.decode(latents)).cpu()

    def _encoded(self, captions: Sequence[str]) -> tuple[Tensor, Tensor]:
        states, mask = self.text.encode(captions)
        return states.to(self.device), mask.to(self.device)


def choose_prompts(captions: Sequence[str], wishes: Sequence[str], count: int = 4) -> list[str]:
    """`count` prompts that the captions can teach: the wishes whose every word occurs in one caption, then the most frequent captions."""
    spelled = Counter(normalised(caption).lower() for caption in captions)
    spelled.pop("", None)
    words = [set(re.findall(r"\w+", caption)) for caption in spelled]
    taught = [wish for wish in wishes if any(set(re.findall(r"\w+", wish.lower())) <= known for known in words)]
    frequent = [caption for caption, _ in sorted(spelled.items(), key=lambda item: (-item[1], len(item[0]), item[0]))]
    chosen = list(dict.fromkeys([*taught, *frequent, *wishes]))
    return chosen[:count]


def draw_prompt(run: Path, prompt: str, folder: Path, *, seed: int, count: int, guidance: float | None) -> list[Path]:
    """Draw `count` pictures for one prompt with the model in `run`; returns their paths, the contact sheet's last.

    Raises:
        NoModel, TextEncoderMissing
    """
    model = Model.load(run)
    make_deterministic(model.settings.threads)
    if guidance is not None:
        model = replace(model, settings=replace(model.settings, sampling=replace(model.settings.sampling, guidance=guidance)))
    images = save_samples(model, [prompt] * count, folder, seed)
    contact_sheet(images).save(folder / SHEET_FILE)
    return [*(folder / f"{number}.png" for number in range(1, count + 1)), folder / SHEET_FILE]


def save_samples(
    model: Model, prompts: Sequence[str], folder: Path, seed: int, progress: Progress = lambda step, steps: None
) -> list[Image.Image]:
    """Draw a picture for each prompt into `folder`: 1.png, 2.png, … and samples.json, which says what each was drawn from."""
    folder.mkdir(parents=True, exist_ok=True)
    images = [enlarged(pixels) for pixels in model.draw(prompts, seed, progress)]
    entries = []
    for number, (image, prompt) in enumerate(zip(images, prompts, strict=True), start=1):
        image.save(folder / f"{number}.png")
        entries.append({"file": f"{number}.png", "prompt": prompt, "seed": seed, "guidance": model.settings.sampling.guidance})
    atomic_write(folder / "samples.json", json.dumps(entries, indent=2, ensure_ascii=False).encode())
    return images


def enlarged(pixels: Tensor) -> Image.Image:
    """(3, px, px) uint8 → a picture at least SHOWN_PX wide and high."""
    image = Image.fromarray(pixels.movedim(0, 2).contiguous().numpy())
    side = max(SHOWN_PX, image.width)
    return image.resize((side, side), Image.Resampling.BICUBIC)


def contact_sheet(images: Sequence[Image.Image], columns: int = 2) -> Image.Image:
    """All pictures on one, in rows of `columns`, on white."""
    side, rows = images[0].width + SHEET_GAP, -(-len(images) // columns)
    sheet = Image.new("RGB", (columns * side + SHEET_GAP, rows * side + SHEET_GAP), "white")
    for place, image in enumerate(images):
        sheet.paste(image, (SHEET_GAP + place % columns * side, SHEET_GAP + place // columns * side))
    return sheet
