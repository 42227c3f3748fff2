"""A training run, from the exclusion list to the signed record.

Order on disk: weights, sample pictures, consumed samples, and last the run record. A directory with a run record is a finished run; one
without is the remains of a run that was stopped, and may be used again.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import torch
from torch import Tensor

from demur.exclusions import ExclusionList
from demur.files import atomic_write
from demur.manifests import Catalogue
from demur.runs import ConsumedTree
from demur.signing import SigningKey
from rhea.autoencoder import Autoencoder, reconstruction_loss
from rhea.config import Settings
from rhea.data import Samples, load_samples, to_unit
from rhea.denoiser import Denoiser
from rhea.determinism import batch_of, generator, make_deterministic
from rhea.folder import RECORD_FILE
from rhea.objective import draw_times, flow_loss
from rhea.optimise import Average, optimise
from rhea.progress import Reporter
from rhea.run_record import Training, code_digest, describe, device_name, lock_digest, weights_digest
from rhea.sample import Model, choose_prompts, save_samples
from rhea.text import CaptionTable, TextEncoder

CONSUMED_FILE = "consumed.bin"
ENCODE_BATCH = 64


@dataclass(frozen=True)
class Order:
    """What to train, and where to leave it.

    ``out``: a folder that `rhea.folder.open_folder` made. ``started_at``: before the list was read, so that every version it does not know
    came later.
    """

    catalogues: tuple[Catalogue, ...]
    exclusions: ExclusionList | None
    out: Path
    settings: Settings
    seed: int
    name: str
    key: SigningKey
    started_at: datetime


def carry_out(order: Order) -> Path:
    """Carry out a run and return the path of its record. Raises what rhea.data.load_samples and rhea.text.TextEncoder raise."""
    settings, code, lock = order.settings, code_digest(), lock_digest()
    make_deterministic(settings.threads)
    with Reporter(order.out) as reporter:
        samples = load_samples(order.catalogues, order.exclusions, settings, lambda done, of: reporter.step("pictures", done, of))
        model = Trainer(settings, order.seed, samples, reporter).train()
        model.save(order.out)
        prompts = choose_prompts(samples.captions, settings.sampling.prompts)
        save_samples(model, prompts, order.out / "samples", order.seed, lambda step, of: reporter.step("samples", step, of))
        training = Training(
            run_id=secrets.token_hex(16),
            name=order.name,
            started_at=order.started_at,
            finished_at=datetime.now(UTC),
            seed=order.seed,
            code_digest=code,
            lock_digest=lock,
            device=device_name(model.device),
            final_loss=reporter.last_loss,
            weights_digest=weights_digest(model.tensors()),
        )
        ConsumedTree.write(order.out / CONSUMED_FILE, samples.uids, training.run_id)
        tree = ConsumedTree.open(order.out / CONSUMED_FILE)
        record = describe(training, settings, order.catalogues, order.exclusions, samples, tree)
        atomic_write(order.out / RECORD_FILE, record.sign(order.key))
        reporter.step("record", 1, 1)
    return order.out / RECORD_FILE


class Trainer:
    """Trains both nets on the same samples. Random numbers are drawn on the CPU, so that they are the same on every device."""

    def __init__(self, settings: Settings, seed: int, samples: Samples, reporter: Reporter) -> None:
        self._settings, self._seed, self._samples, self._reporter = settings, seed, samples, reporter
        self._device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self._pixels = samples.pixels.to(self._device)

    def train(self) -> Model:
        text = TextEncoder(self._settings.denoiser.tokens)
        report = self._reporter.step
        captions = CaptionTable(self._samples.captions, text, self._device, lambda done, of: report("captions", done, of))
        autoencoder = self.train_autoencoder()
        denoiser = self.train_denoiser(autoencoder, captions)
        return Model(self._settings, autoencoder, denoiser, text)

    def train_autoencoder(self) -> Autoencoder:
        settings, stage = self._settings.autoencoder, "autoencoder"
        torch.manual_seed(generator(self._seed, stage, "start").initial_seed())
        net = Autoencoder(settings).to(self._device)
        net.fit_linear(to_unit(self._pixels))

        def loss_of(step: int) -> Tensor:
            chosen, numbers = self._batch(step, settings.batch, stage)
            pixels = to_unit(self._pixels[chosen])
            mirrored = (torch.rand(len(chosen), generator=numbers) < 0.5).to(self._device)
            pixels = torch.where(mirrored[:, None, None, None], pixels.flip(3), pixels)
            with self._autocast():
                latents = net.encode(pixels)
                noise = torch.randn(latents.shape, generator=numbers).to(self._device)
                decoded = net.decode(latents + settings.latent_noise * noise)
            return reconstruction_loss(decoded.float(), pixels)

        optimise(net, loss_of, steps=settings.steps, learning_rate=settings.learning_rate, report=self._report(stage, settings.steps))
        return net.eval().requires_grad_(False)

    def train_denoiser(self, autoencoder: Autoencoder, captions: CaptionTable) -> Denoiser:
        settings, stage = self._settings.denoiser, "denoiser"
        latents = self._encode(autoencoder)
        torch.manual_seed(generator(self._seed, stage, "start").initial_seed())
        net = Denoiser(settings).to(self._device)
        average = Average(net, settings.ema_decay)

        def loss_of(step: int) -> Tensor:
            chosen, numbers = self._batch(step, settings.batch, stage)
            clean = latents[chosen]
            t = draw_times(len(chosen), numbers).to(self._device)
            noise = torch.randn(clean.shape, generator=numbers).to(self._device)
            without_caption = torch.rand(len(chosen), generator=numbers) < settings.caption_dropout
            states, mask = captions.of(chosen, without_caption.to(self._device))
            with self._autocast():
                return flow_loss(net, clean, states, mask, t, noise).mean()

        optimise(
            net,
            loss_of,
            steps=settings.steps,
            learning_rate=settings.learning_rate,
            report=self._report(stage, settings.steps),
            average=average,
        )
        return average.net

    def _batch(self, step: int, size: int, stage: str) -> tuple[Tensor, torch.Generator]:
        """Positions (B,) of a step's samples, and the step's random numbers."""
        return batch_of(step, size, len(self._samples), self._seed, stage).to(self._device), generator(self._seed, stage, step)

    @torch.no_grad()
    def _encode(self, autoencoder: Autoencoder) -> Tensor:
        """Latents (N, 16, h, w) of all samples."""
        return torch.cat([autoencoder.encode(to_unit(part)) for part in torch.split(self._pixels, ENCODE_BATCH)])

    def _autocast(self) -> torch.autocast:
        return torch.autocast(self._device.type, torch.bfloat16, enabled=self._settings.bfloat16)

    def _report(self, stage: str, steps: int) -> Callable[[int, float], None]:
        return lambda step, loss: self._reporter.step(stage, step, steps, loss)
