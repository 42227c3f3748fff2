"""The published versions of the exclusion list, as the database knows them."""

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from models import ExclusionListVersion


def newest_version(session: Session, at: datetime | None = None) -> ExclusionListVersion | None:
    """The newest version, now or as published by then."""
    versions = select(ExclusionListVersion) if at is None else select(ExclusionListVersion).where(ExclusionListVersion.published_at <= at)
    return session.scalar(versions.order_by(ExclusionListVersion.version.desc()).limit(1))
