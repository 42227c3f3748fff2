"""WebDataset tars: consecutive members with the same name up to the first dot make one sample.

So `IMG_2024.05.01.jpg` and `IMG_2024.05.02.jpg` are one sample with two pictures, to a training loader and to us: import gives a row for
each picture, and `demur filter` judges the sample by all of them.
"""

import gzip
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path, PurePosixPath

import pyarrow as pa

from demur.manifests.pictures import SNIFFED_BYTES, is_picture
from demur.manifests.rejections import Reason, Rejections
from demur.manifests.schema import ALIASES
from demur.manifests.sources.records import LONGEST_RECORD, RECORD_ROWS, BadRecord, Record, json_value, record_batch
from demur.manifests.sources.source import Source
from demur.manifests.sources.tar import LARGEST_MEMBER, TarMember, TarReader, opened_tar

MAX_TEXT = 1 << 20
"""Bytes read of a sample's caption."""
_TEXTS = frozenset({"txt", "caption"})
_JSON = re.compile(r"(?:.*\.)?(?P<kind>json|jsonl|ndjson)(?P<packed>\.gz)?", re.IGNORECASE)
_PATHS, _UIDS = ALIASES["path"], ALIASES["uid"]
_OF_ONE_PICTURE = frozenset({*_UIDS, "sha256", "phash", "pdq", "pdq_quality", "width", "height"})


@dataclass(frozen=True)
class SampleMember:
    """A file of a sample. `extension`: what follows the first dot of its name, as it is spelled; `content`: all of it, or its beginning."""

    header: TarMember
    extension: str
    content: bytes

    @property
    def is_picture(self) -> bool:
        return is_picture(self.header.name, self.content)

    @property
    def kind(self) -> str:
        """What follows the last dot, in lower case."""
        return self.extension.rpartition(".")[2].lower()

    @property
    def stem(self) -> str:
        """The name without what follows its last dot: what the files of one photo share."""
        name = self.header.name
        if is_json(self.extension) and name.lower().endswith(".gz"):
            name = name[: -len(".gz")]
        return str(PurePosixPath(name).with_suffix("")) if self.extension else name


@dataclass
class TarSample:
    """Consecutive members whose names agree up to the first dot."""

    key: str
    members: list[SampleMember] = field(default_factory=list)

    @property
    def pictures(self) -> list[SampleMember]:
        return [member for member in self.members if member.is_picture]

    @property
    def fault(self) -> str:
        """Why what it holds cannot be read, "" where it can."""
        for member in self.members:
            if member.header.fault:
                return member.header.fault
            if member.header.size > LARGEST_MEMBER:
                return f"has a member larger than {LARGEST_MEMBER >> 20} MiB"
        return ""

    def described(self) -> dict[str, list[Record]]:
        """What the .json and .txt members say, by their stem. Raises BadRecord."""
        records: dict[str, list[Record]] = {}
        for member in self.members:
            if is_json(member.extension):
                said = json_records(member.extension, member.content)
                records.setdefault(member.stem, []).insert(0, said[0] if len(said) == 1 else {})
            elif member.kind in _TEXTS:
                caption = member.content[:MAX_TEXT].decode(errors="replace").strip()
                records.setdefault(member.stem, []).append({"caption": caption})
        return records


def is_json(extension: str) -> bool:
    """Whether members of this extension are read as JSON: .json and .jsonl, packed or not."""
    return _JSON.fullmatch(extension) is not None


def json_records(extension: str, content: bytes) -> list[Record]:
    """The objects that such a member says: one, those of a list, or one a line. Raises BadRecord."""
    form = _JSON.fullmatch(extension)
    try:
        plain = _unpacked(content) if form and form["packed"] else content
        texts = plain.splitlines() if form and form["kind"].lower() != "json" else [plain]
        values = [json_value(text) for text in texts if text.strip() or len(texts) == 1]
    except BadRecord as error:
        raise BadRecord(f"has a .json member that {error}") from error
    return [record for value in values for record in objects_in(value)]


def objects_in(value: object) -> list[Record]:
    """A JSON value that is an object, or those in a list."""
    return [each for each in (value if isinstance(value, list) else [value]) if isinstance(each, dict)]


def _unpacked(content: bytes) -> bytes:
    """All that is packed, of every gzip member that follows another: readers read them all. Raises BadRecord."""
    try:
        plain = b"" if len(content) > LONGEST_RECORD else gzip.GzipFile(fileobj=BytesIO(content)).read(LONGEST_RECORD + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise BadRecord("cannot be unpacked") from error
    if max(len(content), len(plain)) > LONGEST_RECORD:
        raise BadRecord(f"is longer than {LONGEST_RECORD >> 20} MiB")
    return plain


def read_samples(tar: TarReader, *, whole: bool) -> Iterator[TarSample]:
    """The samples of a tar, in order; links, folders, devices and hidden files belong to none. Raises TruncatedSource.

    `whole`: with all that each member holds, instead of what says what it is.
    """
    sample: TarSample | None = None
    for member in tar:
        folder, _, base = member.name.rpartition("/")
        stem, _, extension = base.partition(".")
        if not member.is_file or not stem:
            continue
        key = str(PurePosixPath(folder) / stem)
        if sample is None or sample.key != key:
            if sample is not None:
                yield sample
            sample = TarSample(key)
        sample.members.append(SampleMember(member, extension, _content(tar, member, extension, whole)))
    if sample is not None:
        yield sample


def _content(tar: TarReader, member: TarMember, extension: str, whole: bool) -> bytes:
    if member.size > LARGEST_MEMBER:
        return b""
    texts = is_json(extension) or extension.rpartition(".")[2].lower() in _TEXTS
    return tar.read() if whole or texts else tar.head(SNIFFED_BYTES)


def webdataset_source(root: Path, files: list[Path]) -> Source:
    """Reads nothing yet."""

    def batches(rejected: Rejections) -> Iterator[pa.RecordBatch]:
        for file in files:
            yield from _file_batches(file, file.relative_to(root).as_posix(), rejected)

    return Source("webdataset", root, None, batches)


def _file_batches(file: Path, shard: str, rejected: Rejections) -> Iterator[pa.RecordBatch]:
    records: list[Record] = []
    places: list[int] = []
    with opened_tar(file) as tar:
        for sample in read_samples(tar, whole=False):
            for record, place in _rows(sample, shard, rejected):
                records.append(record)
                places.append(place)
            if len(records) >= RECORD_ROWS:
                yield record_batch(records, places, shard, rejected)
                records, places = [], []
    if records:
        yield record_batch(records, places, shard, rejected)


def _rows(sample: TarSample, shard: str, rejected: Rejections) -> Iterator[tuple[Record, int]]:
    """One row a picture, each with its offset. The first is named by the sample's key, the others by their own names."""
    try:
        if sample.fault:
            raise BadRecord(sample.fault)
        described = sample.described()
    except BadRecord as error:
        rejected.add(Reason.MALFORMED_ROW, [f"{shard}, sample {sample.key}: it {error}"])
        return
    pictures = sample.pictures
    if not pictures:
        rejected.add(Reason.MISSING_PICTURE, [f"{shard}, sample {sample.key}: it has no picture"])
    if len(pictures) > 1:
        rejected.note("samples with several pictures")
    for picture in pictures:
        name = sample.key if picture is pictures[0] else picture.header.name
        own = described.get(picture.stem, []) if picture.stem != sample.key else []
        yield (
            _record(name, described.get(sample.key, []), own, alone=len(pictures) == 1, first=picture is pictures[0]),
            picture.header.offset,
        )


def _record(name: str, shared: list[Record], own: list[Record], *, alone: bool, first: bool) -> Record:
    """Without the sample's own `path`: the picture is in the tar, wherever it once was. What is of one picture is not said of another."""
    fields = {name: value for record in shared for name, value in record.items()}
    if not alone:
        kept = _UIDS if first else ()
        fields = {theirs: value for theirs, value in fields.items() if theirs.lower() not in _OF_ONE_PICTURE or theirs.lower() in kept}
    fields |= {theirs: value for record in own for theirs, value in record.items()}
    given = _uid(fields)
    return {"uid": name if given is None else given} | {
        theirs: value for theirs, value in fields.items() if theirs.lower() not in (*_PATHS, *_UIDS)
    }


def _uid(fields: Record) -> object:
    """The best of the names that a .json member gives its sample; None where it gives none."""
    by_lower = {theirs.lower(): value for theirs, value in fields.items()}
    return next((by_lower[alias] for alias in _UIDS if by_lower.get(alias) not in (None, "")), None)
