"""`python -m rhea`: train a run, or draw pictures from one. Exit codes: 0 done, 2 wrong usage, 3 refused with one sentence, 143 stopped."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType

import click

from demur.errors import DemurError
from demur.exclusions import ExclusionList
from demur.files import atomic_write
from demur.manifests import Catalogue
from demur.signing import SigningKey, VerifyKey
from rhea.config import TIERS, Settings
from rhea.folder import open_folder

REFUSED = 3
NO_LIST = "none"
STATE_FILE = "list-state.json"
OWN_KEY_FILE = "signing-key.pem"
OWN_KEY_NAME = "rhea"
OWN_VERIFIER_FILE = "signing-key.pub"


class ListSeenBefore(DemurError):
    """`--list none` says that no list was ever published, and the state file says otherwise."""


class ListKeyMissing(DemurError):
    """A list was named without the key that it must be signed by."""


@click.group(help=__doc__)
def main() -> None:
    signal.signal(signal.SIGTERM, _stop)


@main.command()
@click.option("--data", "folders", multiple=True, required=True, type=click.Path(path_type=Path), help="A catalogue; may be repeated.")
@click.option("--list", "list_from", required=True, help="Exclusion list: URL, directory, or `none` when no list was ever published.")
@click.option("--list-key", help="Key that the list must be signed by: its text, or a file that holds it.")
@click.option("--out", required=True, type=click.Path(path_type=Path, file_okay=False), help="Where to leave the run.")
@click.option("--tier", type=click.Choice(list(TIERS)), default="cpu", show_default=True, help="How large a model, and how long.")
@click.option("--minutes", type=click.FloatRange(min=0, min_open=True), help="Another budget: scales the tier's step counts.")
@click.option("--threads", type=click.IntRange(min=1), help="Another thread count than the tier's; weights depend on it.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True)
@click.option("--name", default="Run", show_default=True, help="The run's name, for people.")
@click.option("--token", envvar="DEMUR_TOKEN", help="API token for the list.")
@click.option("--state", type=click.Path(path_type=Path, dir_okay=False), help=f"The newest list seen. [{STATE_FILE} beside --out]")
@click.option("--signing-key", type=click.Path(path_type=Path, dir_okay=False), help="Signs the run record. [a new key, kept in --out]")
def train(
    folders: Sequence[Path],
    list_from: str,
    list_key: str | None,
    out: Path,
    tier: str,
    minutes: float | None,
    threads: int | None,
    seed: int,
    name: str,
    token: str | None,
    state: Path | None,
    signing_key: Path | None,
) -> None:
    """Train both nets on what the exclusion list keeps, and sign a record of it."""
    with _refusals():
        began = datetime.now(UTC)
        exclusions = _open_list(list_from, list_key, token, state or out.parent / STATE_FILE)
        catalogues = tuple(Catalogue.open(folder) for folder in folders)
        open_folder(out, exclusions)
        from rhea.train import Order, carry_out  # torch takes seconds to import, and a refusal need not wait for it

        order = Order(catalogues, exclusions, out, _settings(tier, minutes, threads), seed, name, _signing_key(signing_key, out), began)
        click.echo(carry_out(order))


@main.command()
@click.option("--run", "run_folder", required=True, type=click.Path(path_type=Path), help="The directory of a finished run.")
@click.option("--prompt", required=True, help="What to draw.")
@click.option("--out", required=True, type=click.Path(path_type=Path, file_okay=False), help="Where to leave the pictures.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True)
@click.option("--count", type=click.IntRange(1, 64), default=4, show_default=True, help="How many pictures.")
@click.option("--guidance", type=float, help="How hard to follow the prompt; 1 is as trained. [the run's own]")
def sample(run_folder: Path, prompt: str, out: Path, seed: int, count: int, guidance: float | None) -> None:
    """Draw pictures for a prompt, and one contact sheet of all."""
    with _refusals():
        from rhea.sample import draw_prompt  # torch takes seconds to import, and --help need not wait for it

        for path in draw_prompt(run_folder, prompt, out, seed=seed, count=count, guidance=guidance):
            click.echo(path)


def _open_list(list_from: str, key: str | None, token: str | None, state: Path) -> ExclusionList | None:
    """Pull and verify the list. Raises ListSeenBefore, ListKeyMissing, what ExclusionList.open raises, and BadKey."""
    if list_from == NO_LIST:
        if state.exists():
            raise ListSeenBefore(f"{state} remembers a published list, so --list {NO_LIST} would train on excluded photos; name the list.")
        return None
    if key is None:
        raise ListKeyMissing("Name the key that the list must be signed by (--list-key).")
    return ExclusionList.open(list_from, key=VerifyKey.load(key), token=token, state=state)


def _settings(tier: str, minutes: float | None, threads: int | None) -> Settings:
    settings = TIERS[tier].for_minutes(minutes) if minutes else TIERS[tier]
    return replace(settings, threads=threads) if threads else settings


def _signing_key(path: Path | None, out: Path) -> SigningKey:
    """The key given; else the run's own, made on first use and kept with it, its public half beside it."""
    if path is not None:
        return SigningKey.load(path)
    own = out / OWN_KEY_FILE
    if not own.exists():
        out.mkdir(parents=True, exist_ok=True)
        SigningKey.generate(OWN_KEY_NAME).save(own)
    key = SigningKey.load(own)
    atomic_write(out / OWN_VERIFIER_FILE, f"{key.verifier}\n".encode())
    return key


@contextmanager
def _refusals() -> Iterator[None]:
    """Anticipated failures become one sentence on stderr and exit code 3."""
    try:
        yield
    except (DemurError, OSError) as error:
        print(f"rhea: {error}", file=sys.stderr)
        raise SystemExit(REFUSED) from error


def _stop(number: int, frame: FrameType | None) -> None:
    """End like any program that SIGTERM ends, but through every `finally`. No run record is written on that way."""
    raise SystemExit(128 + number)
