"""Why a manifest could not be imported or read. Each message is one sentence for the person at the terminal."""

from demur.errors import DemurError


class ManifestError(DemurError):
    """Base of this room's errors."""


class UnknownFormat(ManifestError):
    """The source is none of the kinds of manifest that can be read."""


class EmptySource(ManifestError):
    """The source holds no row that could be imported."""


class MissingColumn(ManifestError):
    """A table has no column that could name its rows."""


class DoubledColumn(ManifestError):
    """A table has two columns of one name, and nobody can say which is meant."""


class WrongColumnType(ManifestError):
    """A table's column is of a type of which no value can be read."""


class TruncatedSource(ManifestError):
    """A source file is cut short or damaged, so that what follows the damage is unknown."""


class NoSpace(ManifestError):
    """The disk, quota or file-size limit was reached while the catalogue was written."""


class WorkersCannotStart(ManifestError):
    """The processes that compute fingerprints die before they are given a picture."""


class NotACatalogue(ManifestError):
    """The directory is no catalogue, or one of a format that this version does not read."""


class DamagedTables(ManifestError):
    """A derived table of a catalogue is not as it was written: what is found by it cannot be relied on."""


class PictureMissing(ManifestError):
    """The picture of this row is not where the manifest said."""


class PictureFileTooLarge(ManifestError):
    """The picture's file is larger than any that is read."""


class PictureChanged(ManifestError):
    """The picture's bytes are no longer those that were imported."""
