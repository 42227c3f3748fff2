"""The keys that a command is given: each has a role, and is trusted for nothing else."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from demur.cli.output import FILE
from demur.files import FileTooLarge, read_file
from demur.signing import MOST_KEY_BYTES, BadKey, VerifyKey
from demur.tlog.checkpoint import WitnessKey
from demur.trust import Trust

LIST_KEY_HELP = "The list's public key: its text (name+hash+base64) or a file that holds it."
list_key_option = click.option(
    "--list-key", "--key", "key", required=True, type=VerifyKey.load, metavar="KEY", envvar="DEMUR_LIST_KEY", help=LIST_KEY_HELP
)
_OLD = "keys have roles: say --list-key, --log-key, --run-key or --witness-key, for what each may sign"


def _refuse(_context: click.Context, _option: click.Parameter, given: tuple[str, ...]) -> None:
    if given:
        raise click.UsageError(_OLD)


def _of_role(option: str, name: str, kind: type[VerifyKey], help_: str) -> Callable[..., Any]:
    return click.option(option, name, multiple=True, type=kind.load, metavar="KEY", help=help_)


_options: list[Callable[..., Any]] = [
    _of_role("--list-key", "lists", VerifyKey, f"{LIST_KEY_HELP} Signs the list's heads. Repeatable, like the next ones."),
    _of_role("--log-key", "logs", VerifyKey, "A log's public key: signs checkpoints and receipts."),
    _of_role("--run-key", "runs", VerifyKey, "The public key of one who signs run records."),
    _of_role("--witness-key", "witnesses", WitnessKey, "A witness's public key: each checkpoint must be cosigned by it."),
    click.option(
        "--keys",
        "key_files",
        multiple=True,
        type=FILE,
        envvar="DEMUR_VERIFY_KEYS",
        metavar="FILE",
        help="A file with a line for each key, ROLE KEY, as a bundle's keys.txt.",
    ),
    click.option("--key", "--witness", "without_role", multiple=True, hidden=True, expose_value=False, callback=_refuse),
]


def with_keys_by_role(command: Callable[..., None]) -> Callable[..., None]:
    for option in reversed(_options):
        command = option(command)
    return command


def trust_of(
    lists: tuple[VerifyKey, ...],
    logs: tuple[VerifyKey, ...],
    runs: tuple[VerifyKey, ...],
    witnesses: tuple[WitnessKey, ...],
    key_files: tuple[Path, ...],
) -> Trust:
    """All of the keys that were given. Raises BadKey, OSError, click.UsageError where there is none."""
    trust = Trust(lists, logs, runs, witnesses)
    for file in key_files:
        trust = trust.merged(_read(file))
    if not trust and key_files:
        raise click.UsageError(
            f"there is no key in {' or '.join(map(str, key_files))}: write one a line, ROLE KEY, as a bundle's keys.txt has them"
        )
    if not trust:
        raise click.UsageError("give at least one key: --list-key, --log-key, --run-key, or --keys FILE")
    return trust


def _read(file: Path) -> Trust:
    try:
        return Trust.parse(read_file(file, MOST_KEY_BYTES).decode())
    except UnicodeDecodeError as error:
        raise BadKey(f"{file} holds no keys: it is no text") from error
    except (BadKey, FileTooLarge) as error:
        raise BadKey(f"{file} cannot be used as a file of keys: {error}") from error
