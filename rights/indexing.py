"""The one similarity index over all manifests: filled by imports, made anew from the catalogues, compacted."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session, sessionmaker

from demur.manifests import Catalogue
from demur.manifests.indexing import catalogue_rows
from demur.similarity.index import NotAnIndex, SegmentError, SimilarityIndex, SourceRows, TornIndex
from models import Manifest, ManifestState
from rights.catalogues import Catalogues

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class IndexState:
    """``missing`` are names of registered manifests that the index does not hold; ``left`` sources that belong to no manifest."""

    generation: int
    hashes: int
    bytes_on_disk: int
    segments: int
    missing: tuple[str, ...]
    left: tuple[str, ...]


def index_catalogue(catalogues: Catalogues, catalogue: str, progress: Progress | None = None) -> None:
    """Puts a catalogue's rows into the index, which is made if there is none. Raises IndexTooLarge, NoSpace, TornIndex, OSError."""
    rows = _rows(catalogues, catalogue)
    SimilarityIndex.create(catalogues.similarity_dir).add(rows.source, rows.batches, rows.rows, identity=rows.identity, progress=progress)


def forget_catalogue(catalogues: Catalogues, catalogue: str) -> None:
    """Takes a catalogue's rows out of the index, if it has them; one that cannot be read is made anew without them. Raises OSError."""
    with suppress(NotAnIndex, TornIndex):
        index = SimilarityIndex.open(catalogues.similarity_dir)
        if catalogue in index.sources:
            index.remove(catalogue)


def rebuild_index(sessions: sessionmaker[Session], catalogues: Catalogues, progress: Progress | None = None) -> SimilarityIndex:
    """Makes the index anew from the catalogues, in one step for its readers; works without one, or with a damaged one.

    Raises IndexTooLarge, NoSpace, NotACatalogue, OSError.
    """

    def wanted() -> Sequence[SourceRows]:
        # Also manifests that are being imported: one may be in the index already, and about to be registered.
        with sessions() as session:
            manifests = session.scalars(select(Manifest).order_by(Manifest.id)).all()
        return [_rows(catalogues, manifest.catalogue) for manifest in manifests if _is_there(catalogues, manifest)]

    return SimilarityIndex.build(catalogues.similarity_dir, wanted, progress)


def mend_index(sessions: sessionmaker[Session], catalogues: Catalogues) -> bool:
    """Rebuilds the index if it cannot be read or lacks a registered manifest, and says whether it did. Raises as ``rebuild_index``."""
    try:
        whole = not index_state(sessions, catalogues).missing
    except SegmentError:
        whole = False
    if not whole:
        rebuild_index(sessions, catalogues)
    return not whole


def compact_index(sessions: sessionmaker[Session], catalogues: Catalogues, progress: Progress | None = None) -> SimilarityIndex:
    """Drops what belongs to no manifest, such as what an import that was killed left, and merges all tables. Raises as ``index_state``."""
    for name in index_state(sessions, catalogues).left:
        forget_catalogue(catalogues, name)
    return SimilarityIndex.open(catalogues.similarity_dir).compact(progress)


def index_state(sessions: sessionmaker[Session], catalogues: Catalogues) -> IndexState:
    """What the index holds, against what it should hold. Raises NotAnIndex, TornIndex, OSError."""
    index = SimilarityIndex.open(catalogues.similarity_dir)  # before the manifests: one announced since is in neither
    with sessions() as session:
        manifests = session.scalars(select(Manifest)).all()
    known = {manifest.catalogue for manifest in manifests}
    registered = [manifest for manifest in manifests if manifest.state is ManifestState.REGISTERED]
    return IndexState(
        generation=index.generation,
        hashes=index.rows,
        bytes_on_disk=index.bytes_on_disk,
        segments=len(index.described.segments),
        missing=tuple(manifest.name for manifest in registered if manifest.catalogue not in index.sources),
        left=tuple(name for name in index.sources if name not in known),
    )


def _rows(catalogues: Catalogues, catalogue: str) -> SourceRows:
    return catalogue_rows(Catalogue.open(catalogues.directory / catalogue), catalogue)


def _is_there(catalogues: Catalogues, manifest: Manifest) -> bool:
    return manifest.state is ManifestState.REGISTERED or (catalogues.directory / manifest.catalogue / "catalogue.json").exists()
