"""The `demur` command: the training engineer's and the auditor's side, without a portal. Heavy rooms are imported by the command that
needs them, so that `demur keys` and `--help` answer at once.

Exit codes: 0 done, 1 failed, 2 wrong usage, 3 refused (a list, signature or proof that cannot be trusted).
"""

import json
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from demur import __version__
from demur.errors import DemurError
from demur.exclusions.trusted import ListRefused
from demur.fields import rfc3339
from demur.files import TargetExists
from demur.signing import SigningError, SigningKey, VerifyKey

_REFUSED = 3
_FILE = click.Path(path_type=Path)
_errors = Console(stderr=True, highlight=False)


class _Refusing(click.Group):
    """Turns anticipated failures into one sentence on stderr and an exit code; anything else is a fault and keeps its trace."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except (ListRefused, SigningError) as error:
            self._say(f"Refused ({type(error).__name__}): {error}", ctx, _REFUSED)
        except DemurError as error:
            self._say(f"Error: {error}", ctx, 1)
        except OSError as error:
            self._say(f"Error: {error.filename or 'a file'}: {error.strerror or error}", ctx, 1)

    def _say(self, sentence: str, ctx: click.Context, code: int) -> None:
        _note(sentence.rstrip(".") + ".")
        ctx.exit(code)


_key_help = "The list's public key: its text (name+hash+base64) or a file that holds it."
_list_options: list[Callable[..., Any]] = [
    click.option("--key", required=True, type=VerifyKey.load, metavar="KEY", envvar="DEMUR_LIST_KEY", help=_key_help),
    click.option("--token", envvar="DEMUR_TOKEN", help="API token for a list over HTTP."),
    click.option("--state", type=_FILE, envvar="DEMUR_STATE", help="File that remembers the newest version trusted: shows a rollback."),
]
_json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON for machines.")


def _with_list_options(command: Callable[..., None]) -> Callable[..., None]:
    for option in reversed(_list_options):
        command = option(command)
    return command


@click.group(cls=_Refusing, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, prog_name="demur")
def main() -> None:
    """Filter training manifests by a signed exclusion list, and verify what was published and trained."""


@main.command("filter")
@click.argument("manifest", type=_FILE)
@click.option("--list", "list_source", required=True, metavar="URL_OR_DIR", envvar="DEMUR_LIST", help="The exclusion list.")
@_with_list_options
@click.option("--out", required=True, type=_FILE, help="Where the filtered copy goes; replaced in one step if it is a file.")
@_json_option
def filter_command(
    manifest: Path, list_source: str, key: VerifyKey, token: str | None, state: Path | None, out: Path, as_json: bool
) -> None:
    """Copy MANIFEST without its excluded rows: Parquet, CSV, TSV, JSONL, a WebDataset tar, a directory of such shards, or a catalogue
    (whose kept rows become one Parquet file). The newest list version is pulled and verified first; on any doubt nothing is written."""
    from demur.exclusions.reader import ExclusionList
    from demur.filtering import filter_manifest

    started = time.monotonic()
    exclusions = ExclusionList.open(list_source, key=key, token=token, state=state)
    with _progress() as bar:
        task = bar.add_task(manifest.name, total=None)
        report = filter_manifest(manifest, out, exclusions, lambda done, total: bar.update(task, completed=done, total=total))
    head = exclusions.head
    if as_json:
        _print_json(
            {
                "manifest": str(manifest),
                "out": str(out),
                "rows": report.rows,
                "kept": report.kept,
                "dropped": {kind.value: number for kind, number in sorted(report.dropped.items())},
                "not_applied": [kind.value for kind in report.not_applied],
                "unchecked_pictures": report.unchecked_pictures,
                "list": {"list_id": head.list_id, "version": head.version, "root": head.root},
                "seconds": round(time.monotonic() - started, 3),
            }
        )
        return
    click.echo(f"Kept {report.kept:,} of {report.rows:,} rows by version {head.version} of {head.list_id}; written to {out}.")
    for kind, number in sorted(report.dropped.items()):
        click.echo(f"  dropped by {kind.value}: {number:,}")
    for kind in report.not_applied:
        _note(f"Note: the list has {head.counts[kind]:,} {kind.value} entries, but the manifest has no columns to apply them by.")
    if report.unchecked_pictures:
        _note(f"Note: {report.unchecked_pictures:,} pictures cannot be decoded and were checked by their keys and digest only.")


@main.command("verify")
@click.argument("files", nargs=-1, required=True, type=_FILE)
@click.option(
    "--key",
    "keys",
    required=True,
    multiple=True,
    type=VerifyKey.load,
    metavar="KEY",
    envvar="DEMUR_VERIFY_KEYS",
    help=f"{_key_help} Repeatable.",
)
@_json_option
def verify_command(files: tuple[Path, ...], keys: tuple[VerifyKey, ...], as_json: bool) -> None:
    """Verify list heads, entries, run records, consumed samples and proofs offline, and say what each proves and what not.

    Give a proof or entries together with the signed file that they belong to. A list directory stands for its newest head and entries.
    """
    from demur.verifying import verify_files

    findings = verify_files(files, keys, datetime.now(UTC))
    refused = any(finding.refusal for finding in findings)
    if as_json:
        _print_json({"verified": not refused, "files": [asdict(finding) for finding in findings]})
    for finding in () if as_json else findings:
        click.echo(f"{'REFUSED' if finding.refusal else 'OK'}  {finding.file} ({finding.kind})")
        for label, text in (("Refused", finding.refusal), ("Proves", finding.proves), ("Does not prove", finding.not_proves)):
            if text:
                click.echo(f"    {label}: {text}")
    if refused:
        sys.exit(_REFUSED)


@main.group("list")
def list_group() -> None:
    """Look at an exclusion list."""


@list_group.command("show")
@click.argument("list_source", metavar="URL_OR_DIR")
@_with_list_options
@_json_option
def list_show(list_source: str, key: VerifyKey, token: str | None, state: Path | None, as_json: bool) -> None:
    """Pull and verify the newest version, and print its head."""
    from demur.exclusions.reader import ExclusionList

    head = ExclusionList.open(list_source, key=key, token=token, state=state).head
    if as_json:
        _print_json(json.loads(head.payload()))
        return
    rows = [("list", head.list_id), ("version", str(head.version)), ("root", head.root), ("entries", f"{head.total:,}")]
    rows += [(f"  by {kind.value}", f"{number:,}") for kind, number in sorted(head.counts.items())]
    rows += [("added, removed", f"{head.added:,}, {head.removed:,}")]
    rows += [("published", rfc3339(head.published_at)), ("good until", rfc3339(head.expires_at))]
    for name, value in rows:
        click.echo(f"{name:<16}{value}")


@main.group("keys")
def keys_group() -> None:
    """Make and show Ed25519 keys."""


@keys_group.command("new")
@click.argument("name")
@click.option("--out", required=True, type=_FILE, help="Where the private key goes (mode 0600); an existing file is never replaced.")
@_json_option
def keys_new(name: str, out: Path, as_json: bool) -> None:
    """Make a key called NAME, and print its public half, which readers and auditors need."""
    if out.exists():
        raise TargetExists(f"{out} already exists, and a lost private key cannot be made again")
    key = SigningKey.generate(name)
    key.save(out)
    _print_key(key.verifier, as_json)


@keys_group.command("show")
@click.argument("file", type=_FILE)
@_json_option
def keys_show(file: Path, as_json: bool) -> None:
    """Print the public half of a private or public key FILE."""
    private = b"-----BEGIN" in file.read_bytes()
    _print_key(SigningKey.load(file).verifier if private else VerifyKey.load(file), as_json)


@main.command("hash")
@click.argument("files", nargs=-1, required=True, type=_FILE)
def hash_command(files: tuple[Path, ...]) -> None:
    """Print the fingerprint of each picture as one line of JSON: digest, phash, PDQ with quality, and all eight orientations."""
    from demur.similarity.fingerprint import FINGERPRINT_VERSION, fingerprint

    for file in files:
        found = fingerprint(file.read_bytes())
        fields = asdict(found) | {
            "file": str(file),
            "version": FINGERPRINT_VERSION,
            "phash": f"{found.phash:016x}",
            "pdq": found.pdq.hex(),
            "dihedral_phash": [f"{phash:016x}" for phash in found.dihedral_phash],
            "dihedral_pdq": [pdq.hex() for pdq in found.dihedral_pdq],
        }
        _print_json(fields)


def _progress() -> Progress:
    """A bar on stderr, and only where a person watches."""
    columns: Sequence[Any] = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    return Progress(*columns, console=_errors, transient=True, disable=not _errors.is_terminal)


def _note(sentence: str) -> None:
    _errors.print(sentence, markup=False, soft_wrap=True)


def _print_key(key: VerifyKey, as_json: bool) -> None:
    if as_json:
        _print_json({"name": key.name, "key_id": key.key_id, "key": str(key)})
    else:
        click.echo(str(key))


def _print_json(fields: dict[str, Any]) -> None:
    click.echo(json.dumps(fields, ensure_ascii=False, sort_keys=True))
