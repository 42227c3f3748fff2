"""Hugging Face `datasets` without their excluded rows, map-style and streaming."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TypeVar

import pyarrow as pa
from datasets import ClassLabel, Dataset, Image, IterableDataset

from demur import __version__
from demur.adapters.judging import judge_rows, tell
from demur.digests import canonical_json
from demur.exclusions import ExclusionList
from demur.exclusions.columns.reading import faults_of
from demur.filtering.pictures import PictureGone, picture_files
from demur.filtering.report import FilterReport

_ROWS, _PICTURES = 10_000, 64  # at once; pictures are held in memory
_Set = TypeVar("_Set", Dataset, IterableDataset)


def without_excluded(
    dataset: _Set, exclusions: ExclusionList, *, pictures: str | None = None, num_proc: int | None = None, allow_unreadable: int = 0
) -> _Set:
    """The data set without the rows that the list excludes; a streaming one is filtered as it is read.

    Args:
        pictures: a column of pictures (of the feature Image, their files' bytes, base64 text or paths; one a row, or a list of them): they
            are compared with the list by their digest, and by how they look in all eight orientations. A row is judged by all of its
            pictures. Costs a decode a picture.
        num_proc: processes, for a map-style data set.
        allow_unreadable: how many rows each process may leave out because they cannot be compared with the list.

    A map-style data set is cached under a digest of its own fingerprint and the list's root: the same list is not applied twice, and a
    list with other entries is applied anew.

    Raises NoKeyColumn, BadKeyColumn, UnreadableRows (a picture is gone); a streaming data set raises them when it is read.
    """
    judge = _Judge(exclusions, pictures, allow_unreadable, _labels(dataset))
    options = {"batched": True, "batch_size": _PICTURES if pictures else _ROWS}
    if isinstance(dataset, IterableDataset):
        formatting = dataset._formatting  # it has no public name
        return dataset.with_format("arrow").filter(judge, **options).with_format(formatting.format_type if formatting else None)
    judge(dataset.with_format("arrow")[:0])  # tells what cannot be applied, also where the rest comes out of the cache
    new_fingerprint = _fingerprint(dataset, exclusions, pictures)
    kept = dataset.with_format("arrow").filter(judge, **options, num_proc=num_proc, new_fingerprint=new_fingerprint, desc="Exclusion list")
    before = dataset.format
    return kept.with_format(before["type"], before["columns"], before["output_all_columns"], **before["format_kwargs"])


class _Judge:
    """The function given to `filter`; travels to other processes."""

    def __init__(self, exclusions: ExclusionList, pictures: str | None, allow_unreadable: int, labels: Mapping[str, Sequence[str]]) -> None:
        self._exclusions, self._pictures, self._told = exclusions, pictures, False
        self._labels = labels
        self._report = FilterReport(allow_unreadable=allow_unreadable)

    def __call__(self, batch: pa.Table) -> pa.BooleanArray:
        pictures, gone = (None, {}) if self._pictures is None else _files(batch[self._pictures])
        column = partial(_column, batch, self._labels)
        judgement = judge_rows(batch.column_names, len(batch), column, pictures, self._exclusions, "the data set")
        keep = self._report.add(replace(judgement, faults=(*judgement.faults, *faults_of(gone))))
        self._report.refuse_unreadable(more_to_come=True)
        if not self._told:
            tell(judgement.not_applied, self._exclusions, "the data set")
            self._told = True
        return keep


def _labels(dataset: Dataset | IterableDataset) -> dict[str, list[str]]:
    """The columns that hold numbers of names, and these names."""
    return {name: feature.names for name, feature in (dataset.features or {}).items() if isinstance(feature, ClassLabel)}


def _column(batch: pa.Table, labels: Mapping[str, Sequence[str]], name: str) -> pa.ChunkedArray | list[object]:
    """A column as it is, or the names that its numbers stand for; -1 stands for none."""
    if name not in labels:
        return batch.column(name)
    names = labels[name]
    return [names[number] if number is not None and 0 <= number < len(names) else None for number in batch.column(name).to_pylist()]


def _files(column: pa.ChunkedArray) -> tuple[list[list[bytes]], dict[int, tuple[str, str]]]:
    """The files of each row's pictures, and, by their positions, the rows one of whose pictures is gone: why, and which."""
    files: list[list[bytes]] = []
    gone: dict[int, tuple[str, str]] = {}
    for position, value in enumerate(column.to_pylist()):
        try:
            files.append(picture_files(value, _file_at))
        except PictureGone as error:
            gone[position] = "picture is gone", str(error)
            files.append([])
    return files, gone


def _file_at(path: str) -> bytes:
    """As `datasets` itself opens a path: also within an archive, or at an address."""
    embedded = Image().embed_storage(pa.array([{"bytes": None, "path": path}], Image().pa_type))
    return embedded.field("bytes")[0].as_py() or b""


def _fingerprint(dataset: Dataset, exclusions: ExclusionList, pictures: str | None) -> str:
    parts = ["demur", __version__, dataset._fingerprint, exclusions.head.list_id, exclusions.head.root, pictures]
    return hashlib.sha256(canonical_json(parts)).hexdigest()[:32]  # datasets makes a file name of it, and takes no long ones
