"""Manifests: lists of photos that a model may be trained on, imported into catalogues."""

from demur.manifests.catalogue import Catalogue
from demur.manifests.errors import (
    DamagedTables,
    DoubledColumn,
    EmptySource,
    ManifestError,
    MissingColumn,
    NoSpace,
    NotACatalogue,
    PictureChanged,
    PictureFileTooLarge,
    PictureMissing,
    TruncatedSource,
    UnknownFormat,
    WorkersCannotStart,
)
from demur.manifests.importer import ImportReport, Progress, import_manifest
from demur.manifests.rebuilding import rebuild_tables

__all__ = [
    "Catalogue",
    "DamagedTables",
    "DoubledColumn",
    "EmptySource",
    "ImportReport",
    "ManifestError",
    "MissingColumn",
    "NoSpace",
    "NotACatalogue",
    "PictureChanged",
    "PictureFileTooLarge",
    "PictureMissing",
    "Progress",
    "TruncatedSource",
    "UnknownFormat",
    "WorkersCannotStart",
    "import_manifest",
    "rebuild_tables",
]
