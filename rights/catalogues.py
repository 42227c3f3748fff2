"""The catalogues of registered manifests, opened once a process and kept open."""

from pathlib import Path

from sqlalchemy import select
from sqlalchemy.orm import Session

from demur.manifests import Catalogue
from models import Manifest, ManifestState


class Catalogues:
    """Opens catalogues by their directory's name inside ``directory``. A rebuilt or replaced catalogue is opened anew."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._open: dict[str, tuple[tuple[int, int], Catalogue]] = {}

    def opened(self, manifest: Manifest) -> Catalogue:
        """The catalogue of a registered manifest."""
        path = self.directory / manifest.catalogue
        status = (path / "catalogue.json").stat()
        identity = (status.st_ino, status.st_mtime_ns)
        known = self._open.get(manifest.catalogue)
        if known is None or known[0] != identity:
            known = self._open[manifest.catalogue] = (identity, Catalogue.open(path))
        return known[1]

    def registered(self, session: Session) -> list[tuple[Manifest, Catalogue]]:
        """Every registered manifest with its catalogue, oldest first."""
        manifests = session.scalars(select(Manifest).where(Manifest.state == ManifestState.REGISTERED).order_by(Manifest.id))
        return [(manifest, self.opened(manifest)) for manifest in manifests]
