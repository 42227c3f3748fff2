"""Deletion vectors of the registered manifests, made after each publication and registration (docs/formats/deletion-vector.md).

They are derived: from the catalogues, the index over them, and the published list, and can be made anew from these at any time.
"""

import fcntl
import logging
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy.orm import Session, sessionmaker

from demur.exclusions.history import read_keys
from demur.exclusions.rotation import Keyring
from demur.exclusions.sources import DirectorySource, Missing
from demur.exclusions.trusted import ListRefused
from demur.manifests import ManifestError
from demur.runs import ManifestReference
from demur.signing import SigningKey, VerifyKey
from demur.vectors.finding import Rows
from demur.vectors.published import PublishedList
from demur.vectors.reader import manifest_directory
from demur.vectors.updating import Derivation
from demur.vectors.writer import copy_rotations, newest_head
from models import Manifest
from rights.catalogues import Catalogues, IndexIncomplete, registered_manifests

Progress = Callable[[int, int, str], None]

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class ManifestVectors:
    """A registered manifest and its vectors. `version` is the list's, 0 while there are none; `path` is below the vectors' base."""

    manifest: str
    path: str
    rows: int
    version: int
    deleted: int


@dataclass(frozen=True)
class VectorsOffice:
    """Where vectors are made from, and where they lie: ``directory`` holds one directory a manifest."""

    sessions: sessionmaker[Session]
    catalogues: Catalogues
    list_dir: Path
    directory: Path
    key: SigningKey

    def update_in_turn(self, progress: Progress) -> list[str]:
        """`update`, unless another process is at it: that one then goes on until nothing newer is wanted, and this one has nothing to do.

        So workers do not wait in a row behind the first vectors of a large manifest. Should the other one die, its own promise of this
        work is not kept yet, and it is begun again.
        """
        self.directory.mkdir(parents=True, exist_ok=True)
        wanted, changed = self.directory / "wanted", list[str]()
        wanted.touch()
        while wanted.exists():  # looked at last by whoever let the lock go: what was wanted meanwhile found it taken
            with _at_once(self.directory / "turn.lock") as mine:
                if not mine:
                    break
                while wanted.exists():
                    wanted.unlink()
                    changed += self.update(progress)
        return changed

    def update(self, progress: Progress, *, names: Collection[str] = (), afresh: bool = False) -> list[str]:
        """Brings the vectors of all registered manifests, or of these, to the newest published version, and names those that were not.

        ``afresh``: from nothing, also where they are of that version; so are damaged ones, which is logged. Readers see the old vectors
        or the new ones, whole. A manifest that cannot be read holds up no other one: its error is raised once those are done.
        Raises NoSuchManifest, IndexIncomplete, demur errors, OSError.
        """
        with self.sessions() as session:
            manifests = registered_manifests(session, names)
        try:
            published = PublishedList.open(self.list_dir, self.key.verifier)
        except Missing:  # there is no version yet
            return []
        copy_rotations(self.list_dir, self.directory)
        changed, failed = list[str](), list[Exception]()
        for manifest in manifests:
            try:
                changed += [manifest.name] * self._update(manifest, published, progress, afresh)
            except (ManifestError, IndexIncomplete, OSError) as error:
                logger.warning("the vectors of %s are not updated: %s", manifest.name, type(error).__name__)
                failed.append(error)
        if failed:
            raise failed[0]
        return changed

    def _update(self, manifest: Manifest, published: PublishedList, progress: Progress, afresh: bool) -> bool:
        catalogue = self.catalogues.opened(manifest)
        index = self.catalogues.complete_index([(manifest, catalogue)])
        derivation = Derivation(
            ManifestReference(manifest.name, catalogue.digest, catalogue.rows),
            Rows(catalogue, index, manifest.catalogue),
            published,
            self.key,
            lambda done, total, stage: progress(done, total, f"{manifest.name}, {stage}"),
        )
        place = self.directory / manifest_directory(manifest.name)
        try:
            return derivation.update(place, afresh=afresh)
        except ListRefused as error:
            if afresh:
                raise
            logger.warning("the vectors in %s are damaged (%s: %s), and are made anew", place.name, type(error).__name__, error)
            return derivation.update(place, afresh=True)


@contextmanager
def _at_once(path: Path) -> Iterator[bool]:
    """Whether the lock is ours; does not wait for it."""
    with path.open("ab") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True


def vectors_state(session: Session, directory: Path, key: VerifyKey) -> list[ManifestVectors]:
    """Every registered manifest's vectors, oldest manifest first. Raises ListRefused, OSError."""
    keys = read_keys(DirectorySource(directory), key)
    return [_state(manifest, directory, keys) for manifest in registered_manifests(session)]


def _state(manifest: Manifest, directory: Path, keys: Keyring) -> ManifestVectors:
    path = manifest_directory(manifest.name)
    head = newest_head(directory / path, keys)
    version, deleted = (head.list.version, head.deleted) if head else (0, 0)
    return ManifestVectors(manifest.name, path, manifest.rows, version, deleted)
