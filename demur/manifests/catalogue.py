"""A catalogue: one registered manifest as an immutable directory of memory-mapped tables (docs/formats/catalogue.md)."""

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from demur.digests import sha256_file
from demur.manifests.digest_table import DigestTable, sha256_digests, text_digests
from demur.manifests.errors import NotACatalogue, PictureChanged
from demur.manifests.importer import CATALOGUE_FORMAT, ImportReport
from demur.manifests.pictures import read_picture
from demur.manifests.schema import SCHEMA
from demur.manifests.table_digests import OWNER_TABLES, UNUSUAL_ROWS, check_tables
from demur.mapped import map_array
from demur.similarity.tables.paging import ask_if_cold, mapped

PDQ_WORDS = 4  # of 64 bits

Positions = Sequence[int] | npt.NDArray[np.integer]


@dataclass(frozen=True)
class Catalogue:
    """An open catalogue. Rows are numbered from 0 by (owner, uid); a *position* is such a number. Safe to share between threads."""

    path: Path
    name: str
    created_at: datetime
    fingerprint_version: str
    source_kind: str
    source_root: Path
    report: ImportReport

    @classmethod
    def open(cls, path: Path | str, *, source_root: Path | None = None) -> "Catalogue":
        """Reads the description only; tables are mapped when first needed.

        Args:
            source_root: where the pictures are now, if the manifest was moved since its import.

        Raises NotACatalogue.
        """
        path = Path(path)
        try:
            described = json.loads((path / "catalogue.json").read_bytes())
            if described["format"] != CATALOGUE_FORMAT:
                raise NotACatalogue(f"{path} is a catalogue of format {described['format']}; this version reads format {CATALOGUE_FORMAT}.")
            return cls(
                path,
                described["name"],
                datetime.fromisoformat(described["created_at"]),
                described["fingerprint_version"],
                described["source"]["kind"],
                source_root or Path(described["source"]["root"]),
                ImportReport(**described["report"]),
            )
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise NotACatalogue(f"{path} is not a catalogue: it has no readable catalogue.json.") from error

    @property
    def rows(self) -> int:
        return self.report.rows

    @property
    def digest(self) -> str:
        """SHA-256 of rows.parquet, hex."""
        return self.report.digest

    def __len__(self) -> int:
        return self.rows

    def owner_rows(self, owner: str) -> range:
        """The positions of all rows of an owner; empty when there are none.

        The tables that find them are derived and can be damaged. Where their digests are known, that is an error; and in any case what they
        say is cut to the rows that are really the owner's. Raises DamagedTables.
        """
        table, starts = self._owners
        _, firsts = table.candidates(text_digests(pa.array([owner], pa.string())))
        for first in firsts.tolist():
            following = int(np.searchsorted(starts, first)) + 1
            stop = min(int(starts[following]), self.rows) if following < len(starts) else self.rows
            if first < stop and self._owners_at([first])[0] == owner:
                return range(first, self._end_of_owner(owner, first, stop))
        return range(0)

    def _owners_at(self, positions: Positions) -> list[str]:
        owners: list[str] = self.take(positions, ["owner"])["owner"].to_pylist()
        return owners

    def _end_of_owner(self, owner: str, first: int, stop: int) -> int:
        """Rows are in the order of owners: where the last one before `stop` is another's, the end lies between."""
        last = stop - 1
        if self._owners_at([last])[0] == owner:
            return stop
        while last - first > 1:
            within = (first + last) // 2
            first, last = (within, last) if self._owners_at([within])[0] == owner else (first, within)
        return last

    def take(self, positions: Positions, columns: Sequence[str] | None = None) -> pa.Table:
        """The rows at `positions`, in that order; only their row groups are read. Raises IndexError outside 0 … rows - 1."""
        wanted = np.asarray(positions, dtype=np.int64)
        if len(wanted) and not 0 <= wanted.min() <= wanted.max() < self.rows:
            raise IndexError(f"catalogue {self.name} has rows 0 to {self.rows - 1}")
        unique, inverse = np.unique(wanted, return_inverse=True)
        groups = np.searchsorted(self._group_starts, unique, side="right") - 1
        parquet = self._parquet()
        schema = _schema_of(columns)
        parts = [schema.empty_table()]
        for group in np.unique(groups).tolist():
            within = unique[groups == group] - self._group_starts[group]
            table = parquet.read_row_group(group, schema.names, use_threads=False)
            parts.append(table.select(schema.names).take(within).cast(schema))
        return pa.concat_tables(parts).combine_chunks().take(inverse)

    def read(self, start: int, stop: int, columns: Sequence[str] | None = None) -> pa.Table:
        """The rows at positions `start` … `stop` - 1 (bounds beyond the catalogue are cut to it)."""
        return self.take(range(max(start, 0), min(stop, self.rows)), columns)

    def batches(self, columns: Sequence[str] | None = None, batch_size: int = 65_536) -> Iterator[pa.RecordBatch]:
        """All rows in order."""
        schema = _schema_of(columns)
        for batch in self._parquet().iter_batches(batch_size, columns=schema.names):
            yield batch.select(schema.names).cast(schema)

    def find_uids(self, uids: Sequence[str], within: Sequence[range] | None = None) -> npt.NDArray[np.int64]:
        """The position of each uid, -1 where it is not in the catalogue; or not ``within`` these rows, of which alone any is then read."""
        numbers, places = self._uids.candidates(text_digests(pa.array(uids, pa.string())))
        if within is not None:
            inside = np.zeros(len(places), dtype=np.bool_)
            for rows in within:
                inside |= (places >= rows.start) & (places < rows.stop)
            numbers, places = numbers[inside], places[inside]
        asked, positions = self._found("uid", uids, (numbers, places))
        found = np.full(len(uids), -1, dtype=np.int64)
        found[asked] = positions
        return found

    @cached_property
    def unusual(self) -> npt.NDArray[np.uint32] | None:
        """The positions of rows whose uid or owner `demur.exclusions.columns.all_spellings` does not give, ascending; None: not known.

        Of an older import, `flask manifest rebuild` finds them. Raises DamagedTables.
        """
        return map_array(self.path / UNUSUAL_ROWS, np.uint32) if check_tables(self.path, (UNUSUAL_ROWS,)) else None

    def find_sha256(self, hexes: Sequence[str], most: int | None = None) -> list[npt.NDArray[np.int64]]:
        """For each SHA-256 (64 hex digits), the positions of all rows whose picture has it, or of the first `most`, ascending."""
        spelled = [one.lower() for one in hexes]
        if any(len(one) != 64 for one in spelled):
            raise ValueError("a SHA-256 is 64 hex digits")
        digests = sha256_digests(pa.array(spelled, pa.string()))
        candidates = self._sha256.candidates(digests, most)
        asked, positions = self._found("sha256", spelled, candidates)
        if most is not None and len(asked) < len(candidates[0]):  # a picture whose digest begins alike may have hidden one
            asked, positions = self._found("sha256", spelled, self._sha256.candidates(digests))
        return [found[:most] for found in np.split(positions, np.searchsorted(asked, np.arange(1, len(hexes))))] if hexes else []

    def _found(
        self, column: str, values: Sequence[str], candidates: tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]
    ) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Those candidates (number in `values`, position) whose row really has the value."""
        asked, positions = candidates
        wanted = pa.array(values, pa.string()).take(pa.array(asked))
        really = pc.equal(self.take(positions, [column])[column], pa.chunked_array([wanted])).to_numpy()
        return asked[really], positions[really]

    def pdq(self, positions: Positions) -> npt.NDArray[np.uint8]:
        """The PDQ hashes at `positions`, (n, 32); zeros where a row has none."""
        rows = np.asarray(positions, dtype=np.int64)
        first = PDQ_WORDS * rows
        ask_if_cold(self._pdq, np.stack([first, first + PDQ_WORDS], axis=1))
        return self._pdq.reshape(-1, PDQ_WORDS)[rows].view(np.uint8)

    def picture(self, position: int) -> bytes:
        """The encoded picture of a row, as it was imported. Raises PictureMissing, PictureFileTooLarge, PictureChanged."""
        row = self.take([position], ["shard", "row", "sha256"]).to_pylist()[0]
        data = read_picture(self.source_root, row["shard"], row["row"])
        if row["sha256"] is not None and hashlib.sha256(data).hexdigest() != row["sha256"]:
            raise PictureChanged(f"The picture {row['shard']} in {self.source_root} has changed since it was imported.")
        return data

    def verify(self) -> bool:
        """Reads all of it. True where it is as it was imported; False where the digests of its tables are not known, as of an older import.

        Raises NotACatalogue: other rows; DamagedTables.
        """
        self.check_rows()
        return check_tables(self.path)

    def check_rows(self) -> None:
        """Reads all of the rows. Raises NotACatalogue: they are others than were imported."""
        if sha256_file(self.path / "rows.parquet") != self.digest:
            raise NotACatalogue(f"The rows of {self.path} are not those that were imported: rows.parquet has another digest.")

    def _parquet(self) -> pq.ParquetFile:
        return pq.ParquetFile(self.path / "rows.parquet", metadata=self._metadata, memory_map=True)

    @cached_property
    def _metadata(self) -> pq.FileMetaData:
        return pq.read_metadata(self.path / "rows.parquet")

    @cached_property
    def _group_starts(self) -> npt.NDArray[np.int64]:
        sizes = [self._metadata.row_group(group).num_rows for group in range(self._metadata.num_row_groups)]
        return np.cumsum([0, *sizes[:-1]], dtype=np.int64)

    @cached_property
    def _uids(self) -> DigestTable:
        return DigestTable.open(self.path / "uid")

    @cached_property
    def _sha256(self) -> DigestTable:
        return DigestTable.open(self.path / "sha256")

    @cached_property
    def _owners(self) -> tuple[DigestTable, npt.NDArray[np.uint32]]:
        check_tables(self.path, OWNER_TABLES)
        return DigestTable.open(self.path / "owner"), map_array(self.path / "owner.starts", np.uint32)

    @cached_property
    def _pdq(self) -> npt.NDArray[np.uint64]:
        return mapped(self.path / "pdq.bin", np.uint64)


def _schema_of(columns: Sequence[str] | None) -> pa.Schema:
    """Some columns of SCHEMA, in the order asked. Parquet has no seconds and gives milliseconds back, hence the casts to this."""
    return SCHEMA if columns is None else pa.schema([SCHEMA.field(name) for name in columns])
