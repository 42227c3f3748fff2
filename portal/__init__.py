"""The website: pages for members, an API for machines, and the operator's commands. Views parse, call one use case, and render."""

from pathlib import Path

from flask import Flask, Response
from sqlalchemy.exc import OperationalError

from config import Config
from logs import configure
from models import make_sessions, writing
from portal import (
    address,
    api,
    auth,
    cli,
    converters,
    database,
    errors,
    evidence,
    formats,
    limits,
    lists,
    log,
    lookup,
    opt_outs,
    pages,
    photos,
    progress,
    receipts,
    requests,
    runs,
    security,
    uploads,
    verify,
)
from portal.api import url_queries
from portal.assets import versioned
from portal.auth import member, provider
from portal.auth.back_channel import receive_back_channel_logout
from portal.even_answers import evenly
from portal.form_tokens import FormTokens
from portal.logs import PortalLogging, log_requests
from portal.sessions import SqlSessionInterface
from portal.site import EXTENSION, Site

ROOT = Path(__file__).parent.parent
SESSION_PATIENCE_S = 2  # for the database, to save a session


class Portal(PortalLogging, Flask):
    request_class = security.PortalRequest

    def get_send_file_max_age(self, filename: str | None) -> int | None:
        """Modules that import each other by plain name must never be of two versions: always asked for."""
        return 0 if filename and filename.startswith(("hash/", "verify/", "looked-up.js")) else super().get_send_file_max_age(filename)

    def handle_exception(self, error: Exception) -> Response:
        """What is met before or after the view, when the session is read or saved, is named like what is met in it."""
        if isinstance(error, OperationalError):
            return self.finalize_request(errors.unavailable(error), from_error_handler=True)
        return super().handle_exception(error)


def create_app(config: Config) -> Flask:
    """The portal for these settings. Connects to nothing: the database, the provider and the catalogues are met when first needed."""
    configure()
    app = Portal("portal", root_path=str(ROOT))
    app.config.update(
        MAX_FORM_PARTS=security.FORM_PARTS,
        SEND_FILE_MAX_AGE_DEFAULT=3600,
    )
    converters.init_app(app)
    app.extensions[EXTENSION] = held = Site.open(config)
    app.session_interface = SqlSessionInterface(
        held.reading, make_sessions(writing(held.engine, SESSION_PATIENCE_S)), held.idle, held.address
    )
    address.init_app(app, config, held.address)
    log_requests(app)
    security.init_app(app, config)
    uploads.init_app(app)
    database.init_app(app)
    member.init_app(app)
    provider.init_app(app, config)
    formats.init_app(app)
    errors.init_app(app)
    cli.init_app(app)
    csrf = FormTokens(app)
    csrf.exempt(api.blueprint)
    csrf.exempt(url_queries.blueprint)
    csrf.exempt(log.cosign)
    csrf.exempt(receive_back_channel_logout)
    csrf.exempt(verify.blueprint)  # changes nothing, so it needs no token, and who opens it no session
    for area in (pages, auth, photos, lookup, opt_outs, requests, runs, lists, log, receipts, evidence, verify, progress, api, url_queries):
        app.register_blueprint(area.blueprint)
    limits.init_app(app, config)
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    app.jinja_env.globals.update(site_config=config, asset=versioned(app), evenly=evenly)
    return app
