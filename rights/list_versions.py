"""The published versions of the exclusion list, as the database knows them."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from models import ExclusionListVersion


def newest_version(session: Session) -> ExclusionListVersion | None:
    """None before the first."""
    return session.scalar(select(ExclusionListVersion).order_by(ExclusionListVersion.version.desc()).limit(1))
