"""Settings, read once from the environment and passed on. Nothing else reads os.environ."""

import re
from dataclasses import dataclass, field
from email.headerregistry import HeaderRegistry
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import parse_qs, unquote, urlsplit

from limits import parse_many
from pydantic import AliasChoices, Field, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

MEGABYTE = 1_000_000
# Dot-atoms of RFC 5321 in plain ASCII: nothing that a header or an SMTP command could be broken by. Not `=?`: what looks like an encoded
# word (RFC 2047) is decoded on its way, and then it is another address.
MAIL_ADDRESS = re.compile(
    r"(?!.*=\?)(?=.{1,64}@.{1,253}\Z)[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*"
    r"@[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?)*"
)


class Tls(StrEnum):
    """When the connection to a mail server is encrypted."""

    FROM_THE_START = "from_the_start"  # smtps://
    OFFERED = "offered"  # by STARTTLS where the server offers it
    ALWAYS = "always"  # by STARTTLS, or no mail is handed over
    NEVER = "never"


@dataclass(frozen=True)
class MailServer:
    """Who takes mail from us. ``user`` is empty where nobody needs to log in."""

    host: str
    port: int
    tls: Tls
    user: str = ""
    password: str = field(default="", repr=False)

    @classmethod
    def parse(cls, url: str) -> Self:
        """From ``smtp[s]://[user:password@]host[:port][?starttls=offered|always|never]``, percent-encoded. Raises ValueError."""
        parts, asked = urlsplit(url), parse_qs(urlsplit(url).query, keep_blank_values=True, strict_parsing=bool(urlsplit(url).query))
        wrapped = parts.scheme == "smtps"
        if not parts.hostname or parts.scheme not in ("smtp", "smtps") or parts.path not in ("", "/") or parts.fragment:
            raise ValueError("it is smtp://host or smtps://host, with a port, a user and a password where needed")
        if asked.keys() - {"starttls"} or (wrapped and asked):
            raise ValueError("starttls is all that can be said after the question mark, and of smtp:// only")
        tls = Tls.FROM_THE_START if wrapped else Tls(asked.get("starttls", [Tls.OFFERED])[0])
        if not wrapped and tls is Tls.FROM_THE_START:
            raise ValueError("starttls is offered, always or never")
        return cls(
            parts.hostname, parts.port or (465 if wrapped else 25), tls, unquote(parts.username or ""), unquote(parts.password or "")
        )


class Config(BaseSettings):
    """Every setting of the portal and its jobs: the variable is the field's name in capitals after ``DEMUR_``."""

    # A setting may be a secret: what is wrong with it is told without it.
    model_config = SettingsConfigDict(env_prefix="DEMUR_", frozen=True, hide_input_in_errors=True)

    data_dir: Path = Field(Path("data"), description="Catalogues, exclusion lists, runs, keys and, by default, the database.")
    database_url: str = Field("", description="SQLAlchemy URL. Empty: SQLite in the data directory.")
    redis_url: str = Field(
        "",
        validation_alias=AliasChoices("DEMUR_REDIS_URL", "REDIS_URL"),
        description="Valkey or Redis. Empty: the socket of the broker that `python app.py` starts.",
    )
    secret_key: str = Field(
        "", description="Form tokens and other marks are made with keys derived from it. Empty: a random one, kept in the data directory."
    )
    base_url: str = Field("http://127.0.0.1:8000", description="Where members reach the portal.")
    operator_name: str = Field("the photo platform", description="Who answers for the training, as the pages name them.")
    trusted_proxies: int = Field(0, description="How many proxies in front set X-Forwarded-For, -Host and -Prefix.")
    session_idle_hours: int = Field(
        12, ge=1, description="A member who does not come back for so many hours is signed out; after seven days in any case."
    )

    oidc_issuer: str = Field("", description="Issuer of the platform's OpenID provider.")
    oidc_client_id: str = Field("demur", description="Client id at that provider.")
    oidc_client_secret: str = Field("", description="Client secret at that provider.")
    oidc_owner_claim: str = Field(
        "sub", description="Claim that holds the owner column's value of a member's photos; `user.id` finds `id` in `user`."
    )

    smtp_url: str = Field("", description="Mail server that receipts are handed to, as smtp:// or smtps://. Empty: no mail is sent.")
    mail_from: str = Field("", description="Sender of mail, as `Name <address>` or an address alone.")

    photo_origins: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description="Origins, separated by spaces, that pictures may be shown from when a manifest names only URLs."
    )
    webhook_secret: str = Field("", description="Shared secret of the platform's event webhook. Empty: the webhook answers 404.")
    max_upload_bytes: int = Field(25 * MEGABYTE, description="Largest picture that lookup accepts.")
    thumbnail_bytes: int = Field(20_000 * MEGABYTE, description="Most bytes of thumbnails that are kept; the longest unused go first.")

    lookups_of_strangers: str = Field("40 per minute; 600 per hour", description="Lookups a network address may make without signing in.")
    lookups_of_members: str = Field("300 per minute; 3000 per hour", description="Lookups a member may make.")
    lookups_of_tokens: str = Field("1200 per minute", description="Lookups that each token with the scope lookup:read may make.")

    changes_of_members: str = Field(
        "30 per minute; 300 per hour", description="Requests by which a member may file, withdraw or decide about opt-outs."
    )

    list_name: str = Field("demur-demo", description="Name of the exclusion list, and of its signing key.")
    list_lifetime_days: int = Field(30, description="A published head expires after this many days; readers then stop.")
    fan_out_limit: int = Field(200, description="Photos of others that one of a member's own photos, or all in a day, take out unasked.")
    reach_of_fingerprint: int = Field(5, description="The same of a looked-up picture of which only the fingerprint was sent.")
    reach_of_picture: int = Field(20, description="The same of a looked-up picture that was sent itself.")
    owners_of_picture: int = Field(10, description="Owners of these photos, of one picture.")
    reach_of_request: int = Field(40, description="Photos of others that all looked-up pictures of one request take out unasked.")
    owners_of_request: int = Field(20, description="Owners of these photos, of one request.")
    reach_of_day: int = Field(60, description="Photos of others that all pictures that a member looked up take out in a day unasked.")
    owners_of_day: int = Field(30, description="Owners of these photos, in a day.")
    source_url: str = Field("", description="Where this program is published, as pip takes it: https://… or git+https://….")
    consumer_grace_hours: int = Field(24, description="A consumer that has not followed a new list version for so many hours is stale.")
    train_tier: Literal["tests", "cpu", "gpu"] = Field("cpu", description="Tier of runs that the model worker starts: tests, cpu or gpu.")
    demo: bool = Field(False, description="Show the demonstration's banner.")

    @field_validator("photo_origins", mode="before")
    @classmethod
    def _split(cls, value: str | tuple[str, ...]) -> tuple[str, ...]:
        return tuple(value.split()) if isinstance(value, str) else value

    @field_validator("lookups_of_strangers", "lookups_of_members", "lookups_of_tokens", "changes_of_members")
    @classmethod
    def _rate(cls, value: str) -> str:
        parse_many(value)
        return value

    @model_validator(mode="after")
    def _mail(self) -> Self:
        if bool(self.smtp_url) != bool(self.mail_from):
            raise ValueError("DEMUR_SMTP_URL and DEMUR_MAIL_FROM are set together")
        if self.smtp_url:
            MailServer.parse(self.smtp_url)
            header: Any = HeaderRegistry()("from", self.mail_from)
            senders = [sender.addr_spec for sender in header.addresses]
            if len(senders) != 1 or not MAIL_ADDRESS.fullmatch(senders[0]) or not self.mail_from.isprintable():
                raise ValueError("DEMUR_MAIL_FROM is not an e-mail address; a name with a comma stands in quotes")
        return self

    @classmethod
    def from_env(cls) -> "Config":
        return cls()

    @property
    def mail_server(self) -> MailServer | None:
        """None where no mail is sent."""
        return MailServer.parse(self.smtp_url) if self.smtp_url else None

    @property
    def database(self) -> str:
        return self.database_url or f"sqlite:///{self.data_dir.resolve() / 'demur.sqlite3'}"

    @property
    def broker(self) -> str:
        return self.redis_url or f"unix://{self.data_dir.resolve() / 'broker' / 'valkey.sock'}"

    @property
    def catalogues_dir(self) -> Path:
        return self.data_dir / "catalogues"

    @property
    def similarity_dir(self) -> Path:
        return self.data_dir / "similarity"

    @property
    def thumbnails_dir(self) -> Path:
        return self.data_dir / "thumbnails"

    @property
    def list_dir(self) -> Path:
        return self.data_dir / "exclusion-list"

    @property
    def vectors_dir(self) -> Path:
        return self.data_dir / "deletion-vectors"

    @property
    def log_dir(self) -> Path:
        return self.data_dir / "log"

    @property
    def runs_dir(self) -> Path:
        return self.data_dir / "runs"

    @property
    def keys_dir(self) -> Path:
        return self.data_dir / "keys"
