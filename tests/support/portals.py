"""A whole portal for one test: its web part, the demonstration's OpenID provider over real HTTP, and the jobs carried out on demand."""

import csv
import re
import shutil
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from html import unescape
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import requests
from flask import Flask
from flask.testing import FlaskClient
from requests.adapters import HTTPAdapter
from werkzeug.serving import WSGIRequestHandler, make_server
from werkzeug.test import Cookie, TestResponse

from config import Config
from demo.provider import create_provider
from demur.manifests import Catalogue, import_manifest
from demur.runs import ConsumedReference, ConsumedTree, ListReference, ManifestReference
from demur.signing import SigningKey
from jobs.workplace import Workplace, now
from models import Manifest, ManifestState, TrainingRun
from portal import create_app
from rights.indexing import index_catalogue
from rights.list_versions import newest_version
from rights.public_keys import PublicKeys
from rights.runs import record_run
from rights.signing_keys import make_keys
from tests.support.settling import settle
from tests.support.training_runs import record

ADA, BEN, CLEO = "amara.okafor", "ben.lindqvist", "chiara.rossi"  # who the generated photos belong to here
MANIFEST = "generated"
_OWNERS = {"ada": ADA, "ben": BEN, "cleo": CLEO}
_TOKEN = re.compile(r'name="csrf_token" value="([^"]+)"')
_FIELD = re.compile(r'<input type="hidden" name="([^"]+)" value="([^"]*)">')


def import_for_members(photos_dir: Path, directory: Path) -> Path:
    """``photos_dir`` imported under the demonstration's members; returns the directory of catalogues."""
    source = directory / "photos"
    shutil.copytree(photos_dir, source)
    with (source / "photos.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    with (source / "photos.csv").open("w", newline="") as file:
        table = csv.DictWriter(file, rows[0].keys())
        table.writeheader()
        table.writerows(row | {"owner": _OWNERS[row["owner"]]} for row in rows)
    import_manifest(source, directory / "catalogues" / MANIFEST, name=MANIFEST, workers=1)
    return directory / "catalogues"


class Visitor:
    """A browser without JavaScript: follows links and sends forms with the hidden fields of the page it saw last."""

    def __init__(self, app: Flask) -> None:
        self.client: FlaskClient = app.test_client()
        self.page = ""

    def get(self, path: str, **options: Any) -> TestResponse:
        return self._seen(self.client.get(path, **options))

    def post(self, path: str, fields: dict[str, Any] | None = None, **options: Any) -> TestResponse:
        """Sends a form with the CSRF token of the last page."""
        token = _TOKEN.search(self.page)
        hidden = {"csrf_token": token[1]} if token else {}
        options.setdefault("data", hidden | (fields or {}))
        return self._seen(self.client.post(path, **options))

    def hidden_fields(self) -> dict[str, list[str]]:
        """The hidden fields of the last page's forms, together."""
        fields: dict[str, list[str]] = {}
        for name, value in _FIELD.findall(self.page):
            fields.setdefault(unescape(name), []).append(unescape(value))
        return fields

    def sign_in(self, member: str, start: str = "/auth/sign-in") -> TestResponse:
        """The whole way over the provider's member picker; returns the portal's answer to the callback."""
        return self.get(self.picked(member, start))

    def link(self, me: str, member: str) -> TestResponse:
        """Shows once more that it is ``me``, and signs in as another member to be linked; returns the portal's answer to that callback."""
        self.get("/account/link")
        self.sign_in(me, "/account/confirm")
        self.get("/account/link")
        return self.sign_in(member, "/account/link")

    def picked(self, member: str, start: str = "/auth/sign-in") -> str:
        """The address of the callback, with the provider's answer for this member."""
        sent = self.get(start) if start.startswith("/auth") else self.post(start)
        assert sent.status_code == 302, sent.text
        back = requests.post(sent.location, data={"member": member}, allow_redirects=False, timeout=10)
        return "/" + back.headers["Location"].split("/", 3)[3]

    def _seen(self, response: TestResponse) -> TestResponse:
        if response.mimetype == "text/html" and not 300 <= response.status_code < 400:
            self.page = response.text
        return response


@dataclass
class TestedPortal:
    """``settle`` does what the workers would."""

    __test__ = False
    config: Config
    app: Flask
    workplace: Workplace

    def visitor(self) -> Visitor:
        return Visitor(self.app)

    def member(self, sub: str) -> Visitor:
        visitor = self.visitor()
        visitor.sign_in(sub)
        return visitor

    def settle(self) -> None:
        settle(self.workplace)

    def run(self, *arguments: str) -> Any:
        """One of the operator's commands."""
        return self.app.test_cli_runner().invoke(args=list(arguments))

    def add_manifest(self, catalogue: Path) -> None:
        """Registers one more imported manifest."""
        directory = self.config.catalogues_dir
        if directory.is_symlink():  # to catalogues that all tests share
            shared = directory.resolve()
            directory.unlink()
            directory.mkdir()
            (directory / MANIFEST).symlink_to(shared / MANIFEST)
        (directory / catalogue.name).symlink_to(catalogue)
        register(self.workplace, catalogue.name)

    def record_run(self, name: str, uids: list[str]) -> TrainingRun:
        """Records a run that used exactly these photos, under the newest list, as a trainer elsewhere would."""
        return record_trained_run(self.workplace, name, uids)


def record_trained_run(workplace: Workplace, name: str, uids: list[str]) -> TrainingRun:
    config = workplace.config
    run_id = f"{name}-id"
    consumed = config.data_dir / f"{run_id}.bin"
    root = ConsumedTree.write(consumed, uids, run_id)
    with workplace.reading() as session:
        newest = newest_version(session)
    used = ListReference(config.list_name, newest.version, newest.root, newest.published_at) if newest else None
    started = now() if newest else now() - timedelta(days=30)
    digest = Catalogue.open(config.catalogues_dir / MANIFEST).digest
    envelope = replace(
        record(),
        run_id=run_id,
        name=name,
        started_at=started.replace(microsecond=0),
        finished_at=started.replace(microsecond=0) + timedelta(minutes=1),
        exclusion_list=used,
        manifests=(ManifestReference(MANIFEST, digest, 23),),
        consumed=ConsumedReference(root, len(set(uids))),
        dropped={},
    ).sign(SigningKey.load(config.keys_dir / "run-signer.pem"))
    with workplace.writing.begin() as session:
        return record_run(
            session, workplace.runs, envelope, consumed, keys=PublicKeys(config.keys_dir, config.list_dir).run_signers(), now=now()
        )


def browser_at(base_url: str) -> type[FlaskClient]:
    """A client of Flask that asks for the portal at its own address, as browsers do."""

    class Browser(FlaskClient):
        def open(self, *arguments: Any, **options: Any) -> TestResponse:
            options.setdefault("base_url", urlsplit(base_url)._replace(path="").geturl())
            return super().open(*arguments, **options)

        def get_cookie(self, key: str, domain: str = urlsplit(base_url).hostname or "", path: str = "/") -> Cookie | None:
            return super().get_cookie(key, domain, path)

        def set_cookie(self, key: str, value: str = "", *, domain: str = urlsplit(base_url).hostname or "", **options: Any) -> None:
            super().set_cookie(key, value, domain=domain, **options)

    return Browser


@contextmanager
def portal_for_tests(
    data_dir: Path, database_url: str, catalogues: Path | None, *, provider: bool = True, **settings: Any
) -> Iterator[TestedPortal]:
    """A portal with one registered manifest (without ``catalogues``: none) and, unless told otherwise, a running provider.

    ``database_url`` names a migrated database.
    """
    issuer = free_port()
    settings = {
        "base_url": f"http://127.0.0.1:{free_port()}",
        "oidc_issuer": f"http://127.0.0.1:{issuer}",
        "oidc_client_secret": "a secret of the tests",
        **settings,
    }
    settings.setdefault("lookups_of_strangers", "10000 per minute")  # all that these tests ask comes from one address
    config = Config(
        data_dir=data_dir,
        database_url=database_url,
        webhook_secret="another secret",
        **settings,
    )
    make_keys(config.keys_dir, config.list_name)
    if catalogues is not None:
        config.catalogues_dir.symlink_to(catalogues)
    workplace = Workplace.open(config)
    if catalogues is not None:
        register(workplace, MANIFEST)
    app = create_app(config)
    app.test_client_class = browser_at(config.base_url)
    with serving(create_provider(config, data_dir / "provider"), issuer) if provider else nullcontext():
        yield TestedPortal(config, app, workplace)
    app.extensions["demur"].sandbox.close()
    for engine in (app.extensions["demur"].engine, workplace.reading.kw["bind"]):
        engine.dispose()


def register(workplace: Workplace, name: str) -> None:
    """Registers a catalogue that lies in the directory of catalogues, as the commands would."""
    catalogue = Catalogue.open(workplace.config.catalogues_dir / name)
    at = datetime(2026, 6, 2, tzinfo=UTC)
    index_catalogue(workplace.catalogues, name)
    with workplace.writing.begin() as session:
        session.add(
            Manifest(
                name=name,
                state=ManifestState.REGISTERED,
                catalogue=name,
                digest=catalogue.digest,
                rows=catalogue.rows,
                started_at=at,
                registered_at=at,
                updated_at=at,
            )
        )


class _Quiet(WSGIRequestHandler):
    def log(self, type: str, message: str, *arguments: Any) -> None:
        return


@contextmanager
def serving(app: Flask, port: int) -> Iterator[None]:
    """``app`` over real HTTP at 127.0.0.1, in threads."""
    server = make_server("127.0.0.1", port, app, threaded=True, request_handler=_Quiet)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _From(HTTPAdapter):
    def __init__(self, address: str) -> None:
        self._address = address
        super().__init__()

    def init_poolmanager(self, *arguments: Any, **options: Any) -> None:
        super().init_poolmanager(*arguments, **options, source_address=(self._address, 0))


def at(address: str) -> requests.Session:
    """A client of its own: its requests come from another address of this machine (127.0.0.2 and so on)."""
    session = requests.Session()
    session.mount("http://", _From(address))
    return session


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port
