"""What the adapters share: rows are judged by the columns that they have, and what cannot be compared is told as a warning."""

import warnings
from collections.abc import Callable, Iterable, Sequence

import numpy as np
import pyarrow as pa

from demur.exclusions import ExclusionList, Judgement, KeyKind
from demur.exclusions.keycolumns import NoKeyColumn
from demur.filtering.keys import key_columns, keyed_table
from demur.filtering.parquet import judged_none
from demur.filtering.pictures import judge_seen
from demur.filtering.report import FilterReport


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
    column: Callable[[str], pa.Array],
    pictures: Sequence[Sequence[bytes]] | None,
    exclusions: ExclusionList,
    report: FilterReport,
    where: str,
) -> Judgement:
    """Judges rows by those of their columns `names` that are key columns, and where `pictures` of each row are given by these as well.

    Other columns are not asked for. Raises NoKeyColumn when there is nothing to judge by; BadKeyColumn.
    """
    try:
        ours = key_columns(names, where)
    except NoKeyColumn:
        if pictures is None:
            raise
        return judge_seen(_nothing_written(len(pictures), exclusions), pictures, exclusions, report)
    written = exclusions.judge(keyed_table({name: column(theirs) for name, theirs in ours.items()}))
    return written if pictures is None else judge_seen(written, pictures, exclusions, report)


def applied_columns(names: Iterable[str], exclusions: ExclusionList, where: str) -> dict[str, str]:
    """Our name → theirs of the key columns among `names`. Tells the kinds of entries without a column. Raises NoKeyColumn."""
    columns = key_columns(names, where)
    tell(judged_none(columns, exclusions).not_applied, exclusions, where)
    return columns


def _nothing_written(rows: int, exclusions: ExclusionList) -> Judgement:
    return Judgement(np.full(rows, -1, dtype=np.int8), tuple(exclusions.head.counts))
