"""What the adapters share: rows are judged by the columns that they have, rows that cannot be compared stop them, and kinds of entries that
nothing can be compared with are told as a warning."""

import warnings
from collections.abc import Callable, Iterable, Sequence

import numpy as np

from demur.exclusions import ExclusionList, Judgement, KeyKind
from demur.exclusions.columns import NoKeyColumn
from demur.exclusions.columns.rows import Cells
from demur.filtering.keys import ComparedColumns, key_columns
from demur.filtering.parquet import judged_none
from demur.filtering.pictures import PICTURES, judge_seen


class KindsNotApplied(UserWarning):
    """The list has entries of a kind that the data cannot be compared with: what only they exclude is still in the data.

    `warnings.simplefilter("error", KindsNotApplied)` refuses such data.
    """


def tell(not_applied: Iterable[KeyKind], exclusions: ExclusionList, where: str) -> None:
    """Warns of each kind."""
    for kind in not_applied:
        number = exclusions.head.counts[kind]
        warnings.warn(
            f"the list has {number:,} {kind.value} entries, but {where} has nothing to apply them by", KindsNotApplied, stacklevel=3
        )


def judge_rows(
    names: Iterable[str],
    rows: int,
    column: Callable[[str], Cells],
    pictures: Sequence[Sequence[bytes]] | None,
    exclusions: ExclusionList,
    where: str,
) -> Judgement:
    """Judges rows by those of their columns `names` that are key columns, and where `pictures` of each row are given by these as well.

    Other columns are not asked for. Raises NoKeyColumn when there is nothing to judge by; BadKeyColumn.
    """
    try:
        found = key_columns(names, where)
    except NoKeyColumn:
        if pictures is None:
            raise
        return judge_seen(_nothing_written(len(pictures), exclusions), pictures, exclusions)
    besides = () if pictures is None else PICTURES
    written = exclusions.judge(ComparedColumns.of(found, exclusions.head.counts, where, besides).rows(rows, column))
    return written if pictures is None else judge_seen(written, pictures, exclusions)


def applied_columns(names: Iterable[str], exclusions: ExclusionList, where: str) -> ComparedColumns:
    """The columns among `names` that entries are compared with. Tells the kinds of entries without a column.

    Raises NoKeyColumn, BadKeyColumn.
    """
    columns = ComparedColumns.of(key_columns(names, where), exclusions.head.counts, where)
    tell(judged_none(columns, exclusions).not_applied, exclusions, where)
    return columns


def _nothing_written(rows: int, exclusions: ExclusionList) -> Judgement:
    return Judgement(np.full(rows, -1, dtype=np.int8), tuple(exclusions.head.counts))
