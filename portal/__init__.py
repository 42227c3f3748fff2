"""The website: pages for members, an API for machines, and the operator's commands. Views parse, call one use case, and render."""

from pathlib import Path

from flask import Flask
from flask_wtf.csrf import CSRFProtect
from werkzeug.middleware.proxy_fix import ProxyFix

from config import Config
from portal import (
    api,
    auth,
    cli,
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
from portal.even_answers import evenly
from portal.logs import PortalLogging, configure, log_requests
from portal.secret import secret_key
from portal.sessions import SqlSessionInterface
from portal.site import EXTENSION, Site
from portal.uids import UidConverter

ROOT = Path(__file__).parent.parent


class Portal(PortalLogging, Flask):
    request_class = security.PortalRequest

    def get_send_file_max_age(self, filename: str | None) -> int | None:
        """Modules that import each other by plain name must never be of two versions: always asked for."""
        return 0 if filename and filename.startswith(("hash/", "verify/")) else super().get_send_file_max_age(filename)


def create_app(config: Config) -> Flask:
    """The portal for these settings. Connects to nothing: the database, the provider and the catalogues are met when first needed."""
    configure()
    app = Portal("portal", root_path=str(ROOT))
    app.config.update(
        SECRET_KEY=secret_key(config),
        MAX_CONTENT_LENGTH=config.max_upload_bytes + security.FORM_BYTES,
        MAX_FORM_MEMORY_SIZE=security.FORM_BYTES,
        WTF_CSRF_TIME_LIMIT=None,  # a token lives as long as its session
        SEND_FILE_MAX_AGE_DEFAULT=3600,
    )
    app.url_map.converters["uid"] = UidConverter
    app.extensions[EXTENSION] = held = Site.open(config)
    app.session_interface = SqlSessionInterface(held.reading, held.writing, secure=config.base_url.startswith("https://"))
    if config.trusted_proxies:
        hops = config.trusted_proxies
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=hops, x_proto=hops, x_host=hops)  # type: ignore[method-assign]  # Flask's own way
    log_requests(app)
    security.init_app(app, config)
    uploads.init_app(app)
    database.init_app(app)
    member.init_app(app)
    provider.init_app(app, config)
    formats.init_app(app)
    errors.init_app(app)
    cli.init_app(app)
    csrf = CSRFProtect(app)
    csrf.exempt(api.blueprint)
    csrf.exempt(url_queries.blueprint)
    csrf.exempt(log.cosign)
    csrf.exempt(verify.blueprint)  # changes nothing, so it needs no token, and who opens it no session
    for area in (pages, auth, photos, lookup, opt_outs, requests, runs, lists, log, receipts, evidence, verify, progress, api, url_queries):
        app.register_blueprint(area.blueprint)
    limits.init_app(app, config)
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    app.jinja_env.globals.update(site_config=config, asset=versioned(app), evenly=evenly)
    return app
