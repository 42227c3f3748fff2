"""The subset file of DataComp's `resharder.py`: the uids to keep, as 128-bit numbers."""

import shutil
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from demur.adapters.judging import tell
from demur.errors import DemurError
from demur.exclusions import ExclusionList
from demur.exclusions.columns import KEY_COLUMNS, folded
from demur.files import atomic_file
from demur.filtering.parquet import compared_columns, judged, judged_none, opened
from demur.filtering.report import FilterReport, Progress
from demur.manifests.errors import EmptySource

UID = np.dtype("u8,u8")
"""The two halves of a uid, the higher first, as the resharder reads them."""
_READ_ROWS = 1 << 16
_DIGITS, _BYTES = 32, 16
_PARTS = 256  # uids are digests, so their first byte cuts them into parts of about equal size

_Uids = NDArray[np.bytes_]  # (n,) of 16 bytes: they sort as the numbers do


class BadUid(DemurError, ValueError):
    """A uid is not DataComp's: up to 32 hex digits."""


def write_subset(
    metadata: Path, target: Path, exclusions: ExclusionList, progress: Progress = lambda done, total: None, *, allow_unreadable: int = 0
) -> FilterReport:
    """Writes the uids of a Parquet file, or of all Parquet files in a directory, that the list keeps: sorted, each once.

    The resharder copies a sample as often as its uid stands in the file, and knows samples by nothing but their uid. So a uid is left out
    when any row that has it is excluded, or is one of up to `allow_unreadable` that cannot be compared with the list.

    Memory: 48 bytes for each row in a 256th of them, and a batch; disk: 32 bytes a row.

    Raises EmptySource, UnreadableRows, UnreadableManifest, NoKeyColumn, BadKeyColumn, BadUid, OSError.
    """
    files, report = _files(metadata), FilterReport(allow_unreadable=allow_unreadable)
    with tempfile.TemporaryDirectory(prefix=".uids.", dir=target.parent) as scratch:
        kept, dropped = _Parts(Path(scratch) / "kept"), _Parts(Path(scratch) / "dropped")
        for done, file in enumerate(files, start=1):
            report.begin(file.name)
            for uids, mask in _judged(file, exclusions, report):
                kept.add(uids[mask])
                dropped.add(uids[~mask])
            progress(done, len(files))
        report.refuse_unreadable()
        with atomic_file(target) as whole:
            _write(Path(scratch) / "sorted", (np.setdiff1d(kept.read(part), dropped.read(part)) for part in range(_PARTS)), whole)
    tell(report.not_applied, exclusions, str(metadata))
    return report


def _files(metadata: Path) -> Sequence[Path]:
    files = sorted(metadata.glob("*.parquet")) if metadata.is_dir() else [metadata]
    if not files:
        raise EmptySource(f"{metadata} holds no Parquet file")
    return files


def _judged(file: Path, exclusions: ExclusionList, report: FilterReport) -> Iterator[tuple[_Uids, NDArray[np.bool_]]]:
    """Uids, and whether their rows are kept."""
    with opened(file) as parquet:
        columns = compared_columns(parquet.schema_arrow, file, exclusions, {"uid": "uid"})
        report.add(judged_none(columns, exclusions, parquet.schema_arrow))
        for batch in parquet.iter_batches(_READ_ROWS, columns=sorted({"uid", *columns.names})):
            yield _uids(batch.column("uid"), file), report.add(judged(batch, columns, exclusions)).to_numpy(zero_copy_only=False)


def _uids(column: pa.Array, file: Path) -> _Uids:
    """Shorter ones lack leading zeros, which the resharder adds, too."""
    spelled = KEY_COLUMNS["uid"].read(column).values
    digits = pc.ascii_lpad(folded(spelled.cast(pa.large_string()), hyphens=False), _DIGITS, "0")
    try:
        octets = bytes.fromhex("".join(digits.to_pylist()))
    except (ValueError, TypeError) as error:
        raise BadUid(f"{file} has a uid that is missing, or not of hex digits") from error
    if len(octets) != _BYTES * len(column) or pc.max(pc.binary_length(digits)).as_py() not in (_DIGITS, None):
        raise BadUid(f"{file} has a uid of more than {_DIGITS} hex digits")
    return np.frombuffer(octets, dtype=f"S{_BYTES}")


class _Parts:
    """Uids on disk, cut into parts by their first byte; every uid of a part is below those of the next."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir()
        self._directory = directory

    def add(self, uids: _Uids) -> None:
        firsts = uids.view(np.uint8)[::_BYTES]
        order = np.argsort(firsts, kind="stable")
        bounds = np.searchsorted(firsts[order], np.arange(_PARTS + 1))
        for part in np.flatnonzero(np.diff(bounds)):
            with open(self._directory / str(part), "ab") as file:
                file.write(uids[order[bounds[part] : bounds[part + 1]]].tobytes())

    def read(self, part: int) -> _Uids:
        path = self._directory / str(part)
        return np.fromfile(path, dtype=f"S{_BYTES}") if path.exists() else np.empty(0, dtype=f"S{_BYTES}")


def _write(scratch: Path, parts: Iterator[_Uids], target: Path) -> None:
    """The numbers first, since the header of a .npy file says how many there are."""
    with open(scratch, "w+b") as numbers, open(target, "wb") as file:
        for part in parts:
            numbers.write(part.view(">u8").astype("<u8").tobytes())
        header = {"descr": np.lib.format.dtype_to_descr(UID), "fortran_order": False, "shape": (numbers.tell() // _BYTES,)}
        np.lib.format.write_array_header_1_0(file, header)
        numbers.seek(0)
        shutil.copyfileobj(numbers, file)
