"""A small set of photos as training teams have it, and a list that excludes one photo of it by each kind of key."""

import hashlib
import importlib.util
import io
import json
import sys
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from types import ModuleType

import pyarrow as pa
from PIL import ImageOps

from demur.exclusions import Entry, ExclusionList, KeyKind
from demur.signing import SigningKey
from demur.similarity.fingerprint import fingerprint
from tests.support.exclusion_lists import build_version_for_today, publish_version
from tests.support.pictures import jpeg, textured_picture

KEY = SigningKey.generate("op.example")
BY = {
    "photo-1": KeyKind.UID,
    "photo-2": KeyKind.URL,
    "photo-3": KeyKind.OWNER,
    "photo-4": KeyKind.SHA256,
    "photo-5": KeyKind.PHASH,
}
"""What is excluded, and by which kind of key."""
KEPT = ["photo-0", "photo-6", "photo-7"]


@dataclass(frozen=True)
class Photo:
    uid: str
    url: str
    owner: str
    picture: bytes

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.picture).hexdigest()


@cache
def photos() -> tuple[Photo, ...]:
    return tuple(photo(number) for number in range(len(BY) + len(KEPT)))


def photo(number: int) -> Photo:
    uid, owner = f"photo-{number}", "bob" if number == 3 else "ada"
    return Photo(uid, f"https://photos.example/{number}.jpg", owner, jpeg(textured_picture(number, 160, 120)))


@cache
def entries() -> dict[KeyKind, Entry]:
    """One of each kind. The near duplicate's is of the picture before it was compressed."""
    original = fingerprint(jpeg(textured_picture(5, 320, 240)))
    assert original.pdq_quality >= 50
    return {
        KeyKind.UID: Entry(KeyKind.UID, "photo-1"),
        KeyKind.URL: Entry(KeyKind.URL, photos()[2].url),
        KeyKind.OWNER: Entry(KeyKind.OWNER, "bob"),
        KeyKind.SHA256: Entry(KeyKind.SHA256, photos()[4].sha256),
        KeyKind.PHASH: Entry(KeyKind.PHASH, f"{original.phash:016x}", original.pdq.hex()),
    }


def exclusion_list(directory: Path, kinds: Sequence[KeyKind] = tuple(KeyKind)) -> ExclusionList:
    """Published in `directory` and opened as an engineer opens it."""
    directory.mkdir(parents=True, exist_ok=True)
    publish_version(directory, KEY, build_version_for_today(entries()[kind] for kind in kinds))
    return ExclusionList.open(directory, key=KEY.verifier)


def table() -> pa.Table:
    """Every key column, under the names that manifests have for them."""
    hashes = [fingerprint(each.picture) for each in photos()]
    return pa.table(
        {
            "id": [each.uid for each in photos()],
            "image_url": [each.url for each in photos()],
            "owner": [each.owner for each in photos()],
            "sha256": [each.sha256 for each in photos()],
            "phash": pa.array([each.phash for each in hashes], pa.uint64()),
            "pdq": pa.array([each.pdq for each in hashes], pa.binary(32)),
            "pdq_quality": pa.array([each.pdq_quality for each in hashes], pa.uint8()),
            "caption": [f"patches number {number}" for number in range(len(photos()))],
        }
    )


def mirrored(each: Photo) -> Photo:
    """The near duplicate as someone else posted it: nothing but how it looks gives it away."""
    if BY.get(each.uid) is not KeyKind.PHASH:
        return each
    return replace(each, picture=jpeg(ImageOps.mirror(textured_picture(5, 160, 120))))


def write_tar(path: Path, samples: Mapping[str, Mapping[str, bytes]]) -> Path:
    """key → extension → content."""
    with tarfile.open(path, "w") as tar:
        for key, members in samples.items():
            for extension, content in members.items():
                member = tarfile.TarInfo(f"{key}.{extension}")
                member.size = len(content)
                tar.addfile(member, io.BytesIO(content))
    return path


def tar_samples() -> dict[str, dict[str, bytes]]:
    """The photos as a WebDataset; keys are the uids, the .json member says the rest, and one copy is mirrored."""
    return {
        each.uid: {"jpg": each.picture, "json": json.dumps({"url": each.url, "owner": each.owner}).encode(), "txt": b"patches"}
        for each in map(mirrored, photos())
    }


def without_its_init(package: str) -> ModuleType:
    """Imports a real package whose own `__init__` imports what the part in use does not need, and what is too large to install for tests.

    NeMo Curator's asks for Ray, that of MosaicML's streaming for torchvision. Their other modules are then imported as they are.
    """
    if package not in sys.modules:
        spec = importlib.util.find_spec(package)
        assert spec is not None, f"{package} is not installed: make setup-dev"
        assert spec.submodule_search_locations is not None
        module = ModuleType(package)
        module.__path__, module.__spec__ = list(spec.submodule_search_locations), spec
        sys.modules[package] = module
    return sys.modules[package]
