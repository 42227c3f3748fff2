"""A predicate for `.select(...)` of a `webdataset` pipeline."""

from collections.abc import Mapping
from typing import Any, TypeGuard

from demur.adapters.judging import tell
from demur.errors import DemurError
from demur.exclusions import ExclusionList, Judgement
from demur.filtering.keys import record_table
from demur.filtering.pictures import judge_seen
from demur.filtering.report import FilterReport, UnreadableManifest
from demur.filtering.webdataset import sample_fields
from demur.manifests.pictures import SNIFFED_BYTES, is_picture


class NotASample(DemurError, TypeError):
    """What came down the pipeline is no sample of a tar any more."""


class NotExcluded:
    """Says whether a sample may be used: by its key, by what its .json member says, by the digest of each
    of its pictures and by how they look.

    It stands right after the tars are read: `WebDataset(urls).select(NotExcluded(exclusions)).decode("pil").to_tuple(…)`. After
    `decode`, pictures are no bytes any more and cannot be compared with the list's digests and hashes; this is told once. Travels to the
    workers of a loader. `report` counts what this process has seen.

    Raises NotASample, UnreadableManifest (a .json member that is not JSON), BadKeyColumn.
    """

    def __init__(self, exclusions: ExclusionList) -> None:
        self.report = FilterReport()
        self._exclusions = exclusions

    def __call__(self, sample: Mapping[str, Any]) -> bool:
        if not isinstance(sample, Mapping) or "__key__" not in sample:
            raise NotASample("samples can be told apart by the exclusion list only before to_tuple, batched and the like")
        first = self.report.rows == 0
        keep = bool(self.report.add(self._judge(sample))[0].as_py())
        if first:
            tell(self.report.not_applied, self._exclusions, "the first sample of the pipeline")
        return keep

    def _judge(self, sample: Mapping[str, Any]) -> Judgement:
        written = self._exclusions.judge(record_table([_fields(sample)], "the sample"))
        pictures = [bytes(data) for name, data in sample.items() if _is_bytes(data) and is_picture(f".{name}", bytes(data[:SNIFFED_BYTES]))]
        return judge_seen(written, [pictures], self._exclusions, self.report) if pictures else written


def _is_bytes(data: object) -> TypeGuard[bytes | bytearray | memoryview]:
    return isinstance(data, bytes | bytearray | memoryview)


def _fields(sample: Mapping[str, Any]) -> Mapping[str, object]:
    key, described = sample["__key__"], sample.get("json")
    if isinstance(described, Mapping):  # decoded already
        return {"key": key, **described}
    try:
        return sample_fields(key, described)
    except (ValueError, RecursionError) as error:
        raise UnreadableManifest(f"the .json member of the sample {key} is not JSON") from error
