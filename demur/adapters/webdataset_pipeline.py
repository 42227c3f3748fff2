"""A stage for `.compose(...)`, and a predicate for `.select(...)`, of a `webdataset` pipeline."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import compress, islice
from typing import Any, Self

from demur.adapters.judging import tell
from demur.errors import DemurError
from demur.exclusions import ExclusionList, Judgement
from demur.filtering.pictures import Held, judge_held
from demur.filtering.report import FilterReport, UnreadableManifest
from demur.filtering.webdataset import judge_told, said_records, sample_names
from demur.manifests.pictures import is_picture
from demur.manifests.sources.records import BadRecord, Record, refuse_deep
from demur.manifests.sources.webdataset import is_json, json_records, objects_in

_TEXTS = (str, int, float, Mapping, list, type(None))
"""What text and .json members are decoded to; anything else may have been a picture."""
_TOGETHER = 64  # samples, pictures and all


class NotASample(DemurError, TypeError):
    """What came down the pipeline is no sample of a tar any more."""


class NotExcluded:
    """Says whether a sample may be used: by its key, by what its .json member says, by the digest of each
    of its pictures and by how they look.

    It stands right after the tars are read: `WebDataset(urls).compose(NotExcluded(exclusions).kept).decode("pil").to_tuple(…)`, or, one by
    one and more slowly, `.select(NotExcluded(exclusions))`. After `decode`, pictures are no bytes any more and cannot be compared with the
    list's digests and hashes; this is told once. Travels to the workers of a loader. `report` counts what this process has seen.

    `allow_unreadable`: how many samples each process may leave out because they cannot be compared with the list.

    Raises NotASample, UnreadableRows, UnreadableManifest (a .json member that is not JSON), BadKeyColumn.
    """

    def __init__(self, exclusions: ExclusionList, *, allow_unreadable: int = 0) -> None:
        self.report = FilterReport(allow_unreadable=allow_unreadable)
        self._exclusions = exclusions

    def __call__(self, sample: Mapping[str, Any]) -> bool:
        return self._kept([sample])[0]

    def kept(self, samples: Iterable[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
        """The samples that may be used, in their order; judged by the batch, which costs a small part of one by one. Raises as above."""
        coming = iter(samples)
        while batch := list(islice(coming, _TOGETHER)):
            yield from compress(batch, self._kept(batch))

    def _kept(self, samples: Sequence[Mapping[str, Any]]) -> list[bool]:
        if any(not isinstance(sample, Mapping) or "__key__" not in sample for sample in samples):
            raise NotASample("samples can be told apart by the exclusion list only before to_tuple, batched and the like")
        first = self.report.rows == 0
        keep: list[bool] = self.report.add(self._judge([_Told.of(sample) for sample in samples])).to_pylist()
        self.report.refuse_unreadable(more_to_come=True)
        if first:
            tell(self.report.not_applied, self._exclusions, "the first samples of the pipeline")
        return keep

    def _judge(self, samples: "Sequence[_Told]") -> Judgement:
        written = judge_told([each.names for each in samples], [each.said for each in samples], self._exclusions, "the samples")
        return judge_held(written, [each.held for each in samples], self._exclusions)


@dataclass(frozen=True)
class _Told:
    """What a sample is judged by."""

    names: list[Record]
    said: list[Record]
    held: Held

    @classmethod
    def of(cls, sample: Mapping[str, Any]) -> Self:
        key = _key(sample["__key__"])
        files = {name: bytes(data) for name, data in sample.items() if isinstance(data, bytes | bytearray | memoryview)}
        pictures = {name: data for name, data in files.items() if is_picture(f".{name}", data)}
        held = Held(
            list(pictures.values()),
            [data for name, data in files.items() if name not in pictures],
            any(name not in files and not name.startswith("__") and not isinstance(value, _TEXTS) for name, value in sample.items()),
        )
        return cls(sample_names(key, [f"{key}.{name}" for name in pictures]), _said(key, sample, files), held)


def _said(key: str, sample: Mapping[str, Any], held: Mapping[str, bytes]) -> list[Record]:
    """What the .json members of a sample say, decoded already or not."""
    said: list[Record] = []
    for name, value in sample.items():
        if is_json(name):
            try:
                said += _records(name, held.get(name, value))
            except BadRecord as error:
                raise UnreadableManifest(f"the sample {key} {error}") from error
    return [record for each in said for record in said_records(each)]


def _records(name: str, value: object) -> list[Record]:
    if isinstance(value, bytes):
        return json_records(name, value)
    if isinstance(value, str):
        return json_records("json", value.encode())
    refuse_deep(value)
    return objects_in(value)


def _key(key: object) -> str:
    """Raises NotASample."""
    try:
        return key.decode() if isinstance(key, bytes) else str(key)
    except UnicodeDecodeError as error:
        raise NotASample("a sample has a key of bytes that are not UTF-8 text") from error
