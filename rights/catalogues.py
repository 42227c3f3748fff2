"""The catalogues of registered manifests and the one index over them, opened once a process and kept open."""

from collections.abc import Collection, Sequence
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.orm import Session

from demur.errors import DemurError
from demur.manifests import Catalogue, NotACatalogue
from demur.similarity.index import SegmentError, SimilarityIndex
from demur.similarity.query import Query
from demur.similarity.search import Match, find_matches
from models import Manifest, ManifestState

Registered = Sequence[tuple[Manifest, Catalogue]]

MOST_COPIES = 10_000
"""Near duplicates of one picture that are told of, the closest: a picture with more of them is a pattern, which a person looks at."""


class IndexIncomplete(DemurError):
    """The similarity index is missing or damaged, or does not hold a registered manifest: it cannot say that there is no match."""


class NoSuchManifest(DemurError):
    """No manifest of this name is registered."""


def registered_manifests(session: Session, names: Collection[str] = ()) -> list[Manifest]:
    """The registered manifests, or those of these names, oldest first. Raises NoSuchManifest."""
    found = session.scalars(select(Manifest).where(Manifest.state == ManifestState.REGISTERED).order_by(Manifest.id)).all()
    if unknown := set(names) - {manifest.name for manifest in found}:
        raise NoSuchManifest(f"there is no registered manifest named {min(unknown)}")
    return [manifest for manifest in found if not names or manifest.name in names]


class Catalogues:
    """Opens catalogues by their directory's name inside ``directory``, by which ``similarity_dir``, the index, knows their rows, too.

    A rebuilt or replaced catalogue is opened anew, and so is a newer generation of the index.
    """

    def __init__(self, directory: Path, similarity_dir: Path) -> None:
        self.directory, self.similarity_dir = directory, similarity_dir
        self._open: dict[str, tuple[tuple[int, int], Catalogue]] = {}
        self._index: SimilarityIndex | None = None

    def opened(self, manifest: Manifest) -> Catalogue:
        """The catalogue of a registered manifest. Raises NotACatalogue."""
        path = self.directory / manifest.catalogue
        try:
            status = (path / "catalogue.json").stat()
        except OSError as error:
            raise NotACatalogue(f"The catalogue of {manifest.name} cannot be opened: {error.strerror}: {error.filename}.") from error
        identity = (status.st_ino, status.st_mtime_ns)
        known = self._open.get(manifest.catalogue)
        if known is None or known[0] != identity:
            known = self._open[manifest.catalogue] = (identity, Catalogue.open(path))
        return known[1]

    def registered(self, session: Session) -> list[tuple[Manifest, Catalogue]]:
        """Every registered manifest with its catalogue, oldest first: all of them, or none. Raises NotACatalogue."""
        return [(manifest, self.opened(manifest)) for manifest in registered_manifests(session)]

    def find_matches(
        self, where: Registered, queries: Sequence[Query], most_exact: int = MOST_COPIES
    ) -> list[list[tuple[Manifest, Catalogue, Match]]]:
        """For each query the rows of these manifests that match, closest first, with at most MOST_COPIES near duplicates, and of each
        manifest at most `most_exact` rows with the same bytes, which cost a read each.

        Raises IndexIncomplete, OSError.
        """
        if not where or not queries:
            return [[] for _ in queries]
        places = {manifest.catalogue: (manifest, catalogue) for manifest, catalogue in where}
        index = self.complete_index(where)
        catalogues = {name: catalogue for name, (_, catalogue) in places.items()}
        found = find_matches(index, catalogues, queries, most=MOST_COPIES, most_exact=most_exact)
        return [[(*places[match.source], match) for match in matches] for matches in found]

    def complete_index(self, where: Registered) -> SimilarityIndex:
        """The newest generation, which holds all these manifests: an import adds to the index before it registers.

        Raises IndexIncomplete.
        """
        try:
            index = self._index = self._index.refreshed() if self._index else SimilarityIndex.open(self.similarity_dir)
        except SegmentError as error:
            raise IndexIncomplete(f"the similarity index cannot be read; run flask index rebuild ({error})") from error
        for manifest, _ in where:
            if manifest.catalogue not in index.sources:
                raise IndexIncomplete(f"the similarity index does not hold manifest {manifest.name}; run flask index rebuild")
        return index
