"""Who trains by the exclusion list: which version each of them obeys, and who has fallen behind.

A consumer is a token that may read the list. It says itself which version it applied, and what that dropped; nothing here proves it.
What a training consumed is proven by its run record.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from demur.errors import DemurError
from models import Acknowledgement, ApiToken, ExclusionListVersion
from rights.list_versions import newest_version
from rights.tokens import Scope


class NotPublished(DemurError):
    """No version of this number and root was published here: whoever obeys it obeys another list than ours."""


@dataclass(frozen=True)
class Application:
    """By version ``version``, with root ``root`` (hex), ``dropped`` of the ``rows`` rows of ``manifest`` went, as its consumer calls it."""

    version: int
    root: str
    manifest: str
    rows: int
    dropped: int


class Standing(StrEnum):
    """How a consumer keeps up with the list."""

    CURRENT = "current"
    BEHIND = "behind"  # a newer version is out, but not for long
    STALE = "stale"  # a newer version has been out for longer than consumers have to follow
    NEVER_ACKNOWLEDGED = "never_acknowledged"


@dataclass(frozen=True)
class Consumer:
    """A token that may read the list, and what it said last: None where it never said anything.

    ``versions_behind``: how many versions are newer. ``behind_since``: when the first of them was published.
    """

    name: str
    last: Acknowledgement | None
    versions_behind: int
    behind_since: datetime | None
    standing: Standing


def acknowledge(session: Session, token: ApiToken, application: Application, now: datetime) -> int:
    """Notes what a consumer applied, and returns the number of the newest version. Raises NotPublished."""
    newest = newest_version(session)
    published = select(ExclusionListVersion.root).where(ExclusionListVersion.version == application.version)
    if newest is None or application.version > newest.version or session.scalar(published) != application.root:
        raise NotPublished(f"no version {application.version} with this root was published here")
    noted = {"version": application.version, "manifest": application.manifest, "rows": application.rows, "dropped": application.dropped}
    session.add(Acknowledgement(token_id=token.id, at=now, **noted))
    session.flush()
    return newest.version


def consumers(session: Session, grace: timedelta, now: datetime) -> list[Consumer]:
    """Every consumer whose token is in use, by name. ``grace``: how long they have to follow a new version."""
    newest = newest_version(session)
    tokens = session.scalars(select(ApiToken).where(ApiToken.revoked_at.is_(None)).order_by(ApiToken.name))
    reading = [token for token in tokens if Scope.LIST_READ in token.scopes]
    last = _last(session, reading)
    following = _publications(session, [acknowledgement.version + 1 for acknowledgement in last.values()])
    return [_consumer(token, last.get(token.id), newest.version if newest else 0, following, grace, now) for token in reading]


def standing(acknowledged: bool, behind_since: datetime | None, grace: timedelta, now: datetime) -> Standing:
    """The rule. ``behind_since``: when the first version after the acknowledged one was published, if there is one."""
    if not acknowledged:
        return Standing.NEVER_ACKNOWLEDGED
    if behind_since is None:
        return Standing.CURRENT
    return Standing.STALE if now - behind_since > grace else Standing.BEHIND


def _consumer(
    token: ApiToken, last: Acknowledgement | None, newest: int, following: dict[int, datetime], grace: timedelta, now: datetime
) -> Consumer:
    version = last.version if last else 0
    behind_since = following.get(version + 1)
    return Consumer(token.name, last, newest - version, behind_since, standing(last is not None, behind_since, grace, now))


def _last(session: Session, tokens: Sequence[ApiToken]) -> dict[int, Acknowledgement]:
    """By token id."""
    ids = select(func.max(Acknowledgement.id)).where(Acknowledgement.token_id.in_([token.id for token in tokens]))
    rows = session.scalars(select(Acknowledgement).where(Acknowledgement.id.in_(ids.group_by(Acknowledgement.token_id))))
    return {row.token_id: row for row in rows}


def _publications(session: Session, versions: Sequence[int]) -> dict[int, datetime]:
    published = ExclusionListVersion
    rows = session.execute(select(published.version, published.published_at).where(published.version.in_(versions)))
    return dict(rows.all())
