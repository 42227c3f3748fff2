"""Which addresses the exclusion list names: what is published, not what was filed since."""

from collections.abc import Iterable

from sqlalchemy import select
from sqlalchemy.orm import Session

from demur.exclusions import KeyKind
from models import ExclusionEntry
from rights.batches import batched


def listed_urls(session: Session, urls: Iterable[str]) -> set[str]:
    """Those of ``urls`` that are entries of the newest published version."""
    entry, found = ExclusionEntry, set[str]()
    # An entry that has begun and not ended is in the newest version: each publication says both, in the transaction that numbers it.
    in_the_list = select(entry.key).where(entry.kind == KeyKind.URL, entry.since_version.is_not(None), entry.until_version.is_(None))
    for some in batched(sorted({url for url in urls if url.isprintable()})):  # others are never listed (rights.propagation_plan)
        found.update(session.scalars(in_the_list.where(entry.key.in_(some))))
    return found
