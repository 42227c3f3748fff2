"""Lantern's OpenID provider, for the demonstration and for tests: Authlib's own server side, in a process of its own.

Authorization code with PKCE (S256 required), RS256 ID tokens, discovery, UserInfo, RP-initiated and back-channel logout.
Instead of a password it shows a member picker, so it must never stand where strangers can reach it.
"""

from pathlib import Path

from flask import Flask

from config import Config
from demo.provider.pages import end_browser_session, register
from demo.provider.protocol import Provider
from demo.provider.store import Store


def create_provider(config: Config, directory: Path) -> Flask:
    """The provider for the portal that ``config`` describes; its key and its state are kept in ``directory``."""
    app = Flask(__name__)
    store = Store(directory)
    provider = Provider(config, store, lambda: end_browser_session(provider))
    register(app, provider)
    return app
