"""`demur keys`: Ed25519 keys."""

from pathlib import Path

import click

from demur.cli.output import FILE, json_option, print_json
from demur.files import TargetExists, read_file
from demur.signing import MOST_KEY_BYTES, SigningKey, VerifyKey


@click.group("keys")
def keys_group() -> None:
    """Make and show Ed25519 keys."""


@keys_group.command("new")
@click.argument("name")
@click.option("--out", required=True, type=FILE, help="Where the private key goes (mode 0600); an existing file is never replaced.")
@json_option
def keys_new(name: str, out: Path, as_json: bool) -> None:
    """Make a key called NAME, and print its public half, which readers and auditors need."""
    if out.exists():
        raise TargetExists(f"{out} already exists, and a lost private key cannot be made again")
    key = SigningKey.generate(name)
    key.save(out)
    _print_key(key.verifier, as_json)


@keys_group.command("show")
@click.argument("file", type=FILE)
@json_option
def keys_show(file: Path, as_json: bool) -> None:
    """Print the public half of a private or public key FILE."""
    private = b"-----BEGIN" in read_file(file, MOST_KEY_BYTES)
    _print_key(SigningKey.load(file).verifier if private else VerifyKey.load(file), as_json)


def _print_key(key: VerifyKey, as_json: bool) -> None:
    if as_json:
        print_json({"name": key.name, "key_id": key.key_id, "key": str(key)})
    else:
        click.echo(str(key))
