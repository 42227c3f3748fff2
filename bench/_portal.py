"""A member's browser at a real portal, in one process: what a page costs without a network in between."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import structlog
from flask import Flask, Response
from flask.testing import FlaskClient

from config import Config
from demur.manifests import Catalogue
from models import Manifest, ManifestState, make_engine, make_sessions, writing
from models.migrating import migrate
from portal import create_app
from portal.sessions import Entered, current_session, renew_session
from rights.accounts import sign_in
from rights.catalogues import Catalogues
from rights.indexing import index_catalogue

ISSUER = "https://id.example"


@contextmanager
def signed_in(catalogue: Path, owner: str) -> Iterator[FlaskClient]:
    """The browser of `owner`, at a portal with a fresh SQLite database whose one manifest is `catalogue`."""
    with TemporaryDirectory() as directory:
        config = Config(data_dir=Path(directory), database_url="", base_url="http://localhost")
        config.catalogues_dir.mkdir()
        (config.catalogues_dir / "catalogue").symlink_to(catalogue.resolve())
        migrate(config.database)
        account_id = _register(config, Catalogue.open(catalogue), owner)
        app = create_app(config)
        structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
        yield _browser(app, account_id, owner)


def _browser(app: Flask, account_id: int, owner: str) -> FlaskClient:
    """One that has just signed in."""
    browser = app.test_client()
    with app.test_request_context("/"):
        renew_session({}, Entered(account_id, ISSUER, owner))
        app.session_interface.save_session(app, current_session(), response := Response())
    name, _, value = response.headers["Set-Cookie"].partition(";")[0].partition("=")
    browser.set_cookie(name, value)
    return browser


def _register(config: Config, catalogue: Catalogue, owner: str) -> int:
    now = datetime.now(UTC)
    index_catalogue(Catalogues(config.catalogues_dir, config.similarity_dir), "catalogue")
    engine = make_engine(config.database)
    with make_sessions(writing(engine)).begin() as session:
        session.add(
            Manifest(
                name=catalogue.name,
                state=ManifestState.REGISTERED,
                catalogue="catalogue",
                digest=catalogue.digest,
                rows=catalogue.rows,
                started_at=now,
                registered_at=now,
                updated_at=now,
            )
        )
        account = sign_in(session, iss=ISSUER, sub=owner, owner=owner, display_name=owner, now=now)
        session.flush()
        account_id: int = account.id
    engine.dispose()
    return account_id
