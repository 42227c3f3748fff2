"""What the provider must remember across restarts: its signing key, codes not yet redeemed, tokens, and who is signed in."""

import hashlib
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any

from authlib.oauth2.rfc6749 import TokenMixin
from authlib.oidc.core import AuthorizationCodeMixin
from joserfc.jwk import RSAKey

from demo.members import BY_SUB, Member
from demo.provider.client import Client
from demur.files import atomic_write

CODE_LIFETIME_S = 300
ALGORITHM = "RS256"
KEY_ID = "lantern-1"

_TABLES = """
CREATE TABLE IF NOT EXISTS code (
    digest TEXT PRIMARY KEY, client_id TEXT, sub TEXT, redirect_uri TEXT, scope TEXT, nonce TEXT, code_challenge TEXT,
    code_challenge_method TEXT, sid TEXT, auth_time INTEGER, expires_at INTEGER
);
CREATE TABLE IF NOT EXISTS token (digest TEXT PRIMARY KEY, sub TEXT, scope TEXT, expires_at INTEGER);
CREATE TABLE IF NOT EXISTS session (digest TEXT PRIMARY KEY, sub TEXT, auth_time INTEGER);
"""


@dataclass(frozen=True)
class Code(AuthorizationCodeMixin):
    """An authorization code. Times are Unix seconds."""

    digest: str
    client_id: str
    sub: str
    redirect_uri: str
    scope: str
    nonce: str
    code_challenge: str
    code_challenge_method: str
    sid: str
    auth_time: int
    expires_at: int

    def get_redirect_uri(self) -> str:
        return self.redirect_uri

    def get_scope(self) -> str:
        return self.scope

    def get_nonce(self) -> str:
        return self.nonce

    def get_auth_time(self) -> int:
        return self.auth_time

    def get_acr(self) -> None:
        return None

    def get_amr(self) -> None:
        return None


@dataclass(frozen=True)
class BrowserSession:
    """Who is signed in in a browser, and since when in Unix seconds. ``sid`` names the session in tokens, and is no secret."""

    sid: str
    member: Member
    auth_time: int


@dataclass(frozen=True)
class Token(TokenMixin):
    """An access token for UserInfo."""

    sub: str
    scope: str
    expires_at: int
    client: Client

    def check_client(self, client: Client) -> bool:
        return client == self.client

    def get_scope(self) -> str:
        return self.scope

    def get_expires_in(self) -> int:
        return max(self.expires_at - int(time.time()), 0)

    def is_expired(self) -> bool:
        return self.expires_at <= time.time()

    def is_revoked(self) -> bool:
        return False

    def get_user(self) -> Member:
        return BY_SUB[self.sub]

    def get_client(self) -> Client:
        return self.client


class Store:
    """One SQLite file and one key file. Codes, tokens and sessions are kept as digests."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._file = directory / "sign-ins.sqlite3"
        with self._transaction() as database:
            database.executescript(_TABLES)
        self.key = _kept_key(directory / "signing-key.pem")

    def save_code(self, code: str, values: dict[str, Any]) -> None:
        kept = Code(digest=_digest(code), expires_at=int(time.time()) + CODE_LIFETIME_S, **values)
        with self._transaction() as database:
            database.execute("INSERT INTO code VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", astuple(kept))

    def find_code(self, code: str, client_id: str) -> Code | None:
        query = "SELECT * FROM code WHERE digest = ? AND client_id = ? AND expires_at >= ?"
        with self._transaction() as database:
            row = database.execute(query, (_digest(code), client_id, int(time.time()))).fetchone()
        return Code(*row) if row else None

    def delete_code(self, code: Code) -> None:
        with self._transaction() as database:
            database.execute("DELETE FROM code WHERE digest = ?", (code.digest,))

    def has_nonce(self, nonce: str) -> bool:
        with self._transaction() as database:
            return database.execute("SELECT 1 FROM code WHERE nonce = ?", (nonce,)).fetchone() is not None

    def save_token(self, token: str, sub: str, scope: str, expires_at: int) -> None:
        with self._transaction() as database:
            database.execute("INSERT INTO token VALUES (?, ?, ?, ?)", (_digest(token), sub, scope, expires_at))

    def find_token(self, token: str, client: Client) -> Token | None:
        with self._transaction() as database:
            row = database.execute("SELECT sub, scope, expires_at FROM token WHERE digest = ?", (_digest(token),)).fetchone()
        return Token(*row, client) if row else None

    def begin_session(self, session: str, member: Member) -> BrowserSession:
        begun = BrowserSession(_digest(session)[:32], member, int(time.time()))
        with self._transaction() as database:
            database.execute("INSERT INTO session VALUES (?, ?, ?)", (_digest(session), member.sub, begun.auth_time))
        return begun

    def find_session(self, session: str) -> BrowserSession | None:
        digest = _digest(session)
        with self._transaction() as database:
            row = database.execute("SELECT sub, auth_time FROM session WHERE digest = ?", (digest,)).fetchone()
        return BrowserSession(digest[:32], BY_SUB[row[0]], row[1]) if row and row[0] in BY_SUB else None

    def end_session(self, session: str) -> None:
        with self._transaction() as database:
            database.execute("DELETE FROM session WHERE digest = ?", (_digest(session),))

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        database = sqlite3.connect(self._file, timeout=10)
        try:
            with database:
                yield database
        finally:
            database.close()


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def _kept_key(path: Path) -> RSAKey:
    if not path.exists():
        atomic_write(path, RSAKey.generate_key(2048, private=True).as_pem(private=True), mode=0o600)
    return RSAKey.import_key(path.read_bytes(), {"use": "sig", "alg": ALGORITHM, "kid": KEY_ID})
