"""``flask oidc``: the sign-in at the platform's OpenID provider."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass

import click
from flask.cli import with_appcontext

from config import Config
from portal.auth.metadata import TENANT, Metadata, fetch_metadata
from portal.auth.refusals import ProviderUnreachable
from portal.auth.tokens import KeyRing, usable_keys
from portal.cli.output import json_option, plainly, show_rows
from portal.site import site

SECRET = "DEMUR_OIDC_CLIENT_SECRET"  # noqa: S105  # the setting's name
PASSED, WARNED, FAILED = "good", "look at", "broken"


@dataclass(frozen=True)
class Line:
    """One thing that was looked at. ``look_at`` is the setting to change, where something is wrong."""

    what: str
    result: str
    detail: str
    look_at: str = ""


@click.group("oidc")
def oidc() -> None:
    """Signing in at the platform's OpenID provider."""


@oidc.command()
@json_option
@with_appcontext
@plainly
def check(as_json: bool) -> None:
    """Try discovery, keys and algorithms, and say which claims are used for what. Signs nobody in."""
    lines = list(examine(site().config))
    show_rows([asdict(line) for line in lines], as_json)
    if any(line.result == FAILED for line in lines):
        raise SystemExit(1)


def examine(config: Config) -> Iterator[Line]:
    """What a sign-in would meet, up to where a person is needed."""
    try:
        metadata = fetch_metadata(config.oidc_issuer)
    except ProviderUnreachable as error:
        yield Line("discovery", FAILED, str(error), error.look_at)
        return
    yield from _discovery(config, metadata)
    yield from _keys(metadata)
    yield from _endpoints(config, metadata)
    yield from _claims(config, metadata)


def _discovery(config: Config, metadata: Metadata) -> Iterator[Line]:
    yield Line("discovery", PASSED, f"issuer {metadata.issuer}")
    if TENANT in metadata.issuer:
        detail = "every tenant may sign in, and each writes its own claims: name one tenant, or an owner claim that no tenant chooses"
        yield Line("issuer", WARNED, detail, "DEMUR_OIDC_ISSUER")
    insecure = [url for url in (metadata.issuer, metadata.token_endpoint, metadata.jwks_uri) if not url.startswith("https://")]
    if insecure:
        yield Line("encryption", WARNED, f"not https: {', '.join(insecure)}", "DEMUR_OIDC_ISSUER")


def _keys(metadata: Metadata) -> Iterator[Line]:
    try:
        found = KeyRing().fetch(metadata)
    except ProviderUnreachable as error:
        yield Line("keys", FAILED, str(error), error.look_at)
        return
    for algorithm in metadata.algorithms:
        usable = usable_keys(found, algorithm)
        yield Line(f"algorithm {algorithm}", PASSED if usable else WARNED, f"{usable} of {len(found)} keys can verify it")


def _endpoints(config: Config, metadata: Metadata) -> Iterator[Line]:
    methods = ", ".join(metadata.token_auth)
    if not config.oidc_client_secret:
        yield Line("client", WARNED, f"no client secret is set; the provider takes {methods}", SECRET)
    else:
        known = {"client_secret_basic", "client_secret_post"} & set(metadata.token_auth)
        yield Line("client", PASSED if known else FAILED, f"a client secret is set; the provider takes {methods}", "" if known else SECRET)
    ends = metadata.end_session_endpoint
    yield Line("signing out there", PASSED if ends else WARNED, ends or "no end_session_endpoint: people are signed out here alone")
    told = (
        "the provider tells us of ended sessions; register <base>/auth/back-channel-logout"
        if metadata.back_channel_logout
        else "not offered"
    )
    yield Line("back-channel logout", PASSED if metadata.back_channel_logout else WARNED, told)


def _claims(config: Config, metadata: Metadata) -> Iterator[Line]:
    """The claims that we read. A provider need not list what it sends, so one that is not listed is looked at, not broken."""
    uses = {
        "sub": "who it is",
        config.oidc_owner_claim: "whose photos: equals the manifests' owner column",
        "name": "what pages call the person",
        "auth_time": "that a sign-in was fresh, before linking another",
        "sid": "which sessions end by back-channel logout",
    }
    if config.mail_server:
        uses |= {"email": "where receipts are mailed to", "email_verified": "that the address is theirs"}
    for claim, use in uses.items():
        listed = claim.split(".")[0] in metadata.claims or claim in metadata.claims
        setting = "DEMUR_OIDC_OWNER_CLAIM" if claim == config.oidc_owner_claim and not listed else ""
        where = "the provider lists it" if listed else "the provider does not list it; it may send it all the same"
        yield Line(f"claim {claim}", PASSED if listed else WARNED, f"{use}; {where}", setting)
