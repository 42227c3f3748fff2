"""What happens at the demonstration's platform reaches the portal by its signed webhook."""

from datetime import UTC, datetime

import pytest
import requests
from sqlalchemy import select

from demo.platform import PlatformEvent, tell
from models import OptOut, OptOutOrigin
from supervisor.checks import address_of
from tests.support.portals import TestedPortal, serving

EVENT = PlatformEvent("lantern-1", "photo_deleted", "ben.lindqvist", "ben-1", datetime(2026, 11, 21, tzinfo=UTC).isoformat())


def test_a_deleted_photo_is_opted_out_once_however_often_the_platform_tells(portal: TestedPortal) -> None:
    with serving(portal.app, address_of(portal.config.base_url)[1]):
        for _ in range(2):
            tell(portal.config.base_url, portal.config.webhook_secret, EVENT)
        with pytest.raises(requests.HTTPError, match="403"):
            tell(portal.config.base_url, "guessed", EVENT)
    with portal.workplace.reading() as session:
        opt_out = session.scalars(select(OptOut)).one()
    assert (opt_out.origin, opt_out.owner, opt_out.subject) == (OptOutOrigin.PLATFORM, "ben.lindqvist", "ben-1")
