"""A portal and the demo provider, each on a port of its own, over real HTTP."""

import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from flask import Flask
from werkzeug.serving import BaseWSGIServer, make_server

from config import Config
from demo.provider import create_provider
from demo.provider.__main__ import QuietHandler
from demo.visitor import Visitor
from portal import create_app
from portal.site import EXTENSION


@dataclass(frozen=True)
class Web:
    """``provider_server`` can be shut down, as a provider that fails."""

    config: Config
    portal: Flask
    provider_server: BaseWSGIServer

    def visitor(self) -> Visitor:
        return Visitor(self.config.base_url)


@contextmanager
def web(data_dir: Path, database_url: str) -> Iterator[Web]:
    """Both servers run, each with threads, until the block ends."""
    with ExitStack() as undo:
        portal_server, provider_server = undo.enter_context(_server()), undo.enter_context(_server())
        config = Config(
            data_dir=data_dir,
            database_url=database_url,
            base_url=_url(portal_server),
            oidc_issuer=_url(provider_server),
            oidc_client_secret="a secret of two",
        )
        provider_server.app = create_provider(config, data_dir / "provider")
        portal_server.app = portal = create_app(config)
        undo.callback(portal.extensions[EXTENSION].engine.dispose)
        yield Web(config, portal, provider_server)


@contextmanager
def _server() -> Iterator[BaseWSGIServer]:
    """A server on a free port; its app is set once the port is known."""
    server = make_server("127.0.0.1", 0, Flask("nothing yet"), threaded=True, request_handler=QuietHandler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def _url(server: BaseWSGIServer) -> str:
    return f"http://127.0.0.1:{server.server_port}"
