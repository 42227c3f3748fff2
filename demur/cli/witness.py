"""`demur witness`: cosign a log's newest tree, if it extends the one seen before."""

from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urljoin

import click
import requests

from demur.cli.output import FILE, json_option, note, print_json
from demur.errors import DemurError
from demur.files import atomic_write
from demur.signing import SigningKey, VerifyKey
from demur.tlog.checkpoint import LogCheckpoint, WitnessKey

_TIMEOUT_S = 30


class CosignatureRefused(DemurError):
    """The log did not take the cosignature."""


@click.command("witness")
@click.argument("log", metavar="URL_OR_DIR")
@click.option(
    "--log-key", "--key", "key", required=True, type=VerifyKey.load, metavar="KEY", help="The log's public key: its text or a file of it."
)
@click.option("--signing-key", required=True, type=FILE, help="The witness's private key, made by `demur keys new`.")
@click.option("--state", required=True, type=FILE, help="File that remembers the tree seen last: shows a fork.")
@click.option("--out", type=FILE, help="Where the cosigned checkpoint goes; else it is printed.")
@click.option("--submit", is_flag=True, help="Send the cosignature to the log, which then serves it with its checkpoint.")
@json_option
def witness_command(log: str, key: VerifyKey, signing_key: Path, state: Path, out: Path | None, submit: bool, as_json: bool) -> None:
    """Read the log's checkpoint, check that its tree extends the one seen last, remember it, and cosign it.

    Run it every few minutes, on a machine that the log's operator does not control. It exits with 3, and says why, when the log was forked
    or rolled back.
    """
    from demur.exclusions.sources import open_source
    from demur.tlog.reader import LogReader
    from demur.tlog.witness import witness

    signer = SigningKey.load(signing_key)
    cosigned = witness(LogReader(open_source(log, None).read, key), state, signer, datetime.now(UTC))
    if out is not None:
        atomic_write(out, str(cosigned).encode())
    if submit:
        _submit(log, cosigned)
    witness_key = WitnessKey(signer.name, signer.verifier.public)
    if as_json:
        told = {"log": cosigned.origin, "size": cosigned.size, "root": cosigned.root.hex(), "witness": str(witness_key)}
        print_json(told | {"checkpoint": str(cosigned)})
        return
    if out is None:
        click.echo(str(cosigned), nl=False)
    note(f"Cosigned {cosigned.size:,} leaves of {cosigned.origin}. Verify with --witness-key {witness_key}")


def _submit(log: str, cosigned: LogCheckpoint) -> None:
    """Raises CosignatureRefused."""
    url = urljoin(log if log.endswith("/") else log + "/", "cosignatures")
    try:
        answer = requests.post(url, data=str(cosigned).encode(), headers={"Content-Type": "text/plain; charset=utf-8"}, timeout=_TIMEOUT_S)
    except requests.RequestException as error:
        raise CosignatureRefused(f"{url} did not answer: {type(error).__name__}") from error
    if not answer.ok:
        raise CosignatureRefused(f"{url} answered {answer.status_code}: {answer.text.strip()[:200]}")
