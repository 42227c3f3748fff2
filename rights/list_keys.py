"""The key that signs the exclusion list, and how a new one takes its place.

The order of a rotation, and what a crash between two steps leaves. No version is published meanwhile.

1. ``list.next.pem``: the new key, whole. A crash leaves a key that nobody knows; the next rotation takes it.
2. ``list-<hash>.pem``: the old private key, kept aside.
3. ``rotations.json``, beside the list's head, announces the new key. From here on it is the one that signs: readers take nothing else from
   the next version on.
4. ``list.next.pem`` becomes ``list.pem``, and its public half ``list.vkey``. A crash before this leaves old ones; what is announced decides
   which key signs and which is shown (rights.public_keys), and the next rotation begins by finishing this one.
5. The caller commits the promise of a publication. Without it the next one, whenever it comes, is signed by the new key, changed or not.
"""

import os
from datetime import datetime
from pathlib import Path

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from demur.exclusions.rotation import ROTATIONS_FILE, Rotation, RotationRefused, announce, read_rotations
from demur.files import atomic_write, sync
from demur.signing import SigningKey
from models import ExclusionListVersion
from rights import audit, outbox
from rights.locks import lock_entries_alone
from rights.public_keys import LIST_VERIFIER_FILE, PUBLIC_MODE

LIST_KEY_FILE = "list.pem"
NEXT_KEY_FILE = "list.next.pem"


def signing_key(keys_dir: Path, list_dir: Path) -> SigningKey:
    """The key that signs the list's next version. Raises BadKey, BadRotation, OSError."""
    waiting = keys_dir / NEXT_KEY_FILE
    if waiting.exists() and _announced(list_dir, SigningKey.load(waiting)):
        return SigningKey.load(waiting)
    return SigningKey.load(keys_dir / LIST_KEY_FILE)


def rotate(session: Session, keys_dir: Path, list_dir: Path, list_id: str, now: datetime) -> Rotation:
    """Makes a new key, announces it by the old one, and promises a publication. The session must be one that writes; commit afterwards.

    Raises RotationRefused before the first version, and before the last rotation is in effect; BadKey, BadRotation, OSError.
    """
    lock_entries_alone(session)
    _finish(keys_dir, list_dir)
    old = SigningKey.load(keys_dir / LIST_KEY_FILE)
    newest = session.scalar(select(func.max(ExclusionListVersion.version))) or 0
    _refuse_too_early(list_dir, newest)
    new = _next_key(keys_dir, old.name)
    old.save(keys_dir / f"list-{old.verifier.key_hash.hex()}.pem")
    rotation = announce(list_dir, old, new, list_id, newest + 1)
    _finish(keys_dir, list_dir)
    detail = {"number": rotation.number, "new_key": str(rotation.new), "from_version": rotation.from_version}
    audit.record(session, audit.OPERATOR, "list.key_rotated", list_id, detail, now)
    outbox.add_publication(session, now)
    return rotation


def _refuse_too_early(list_dir: Path, newest: int) -> None:
    if newest == 0:
        raise RotationRefused("nothing was published by this key yet: remove list.pem and let `flask keys make` make another")
    known = _rotations(list_dir)
    if known and known[-1].from_version > newest:
        raise RotationRefused(f"version {known[-1].from_version}, the first by the present key, is not published yet")


def _next_key(keys_dir: Path, name: str) -> SigningKey:
    waiting = keys_dir / NEXT_KEY_FILE
    if not waiting.exists():
        SigningKey.generate(name).save(waiting)
    return SigningKey.load(waiting)


def _finish(keys_dir: Path, list_dir: Path) -> None:
    """Puts an announced key in the old one's place."""
    waiting = keys_dir / NEXT_KEY_FILE
    if waiting.exists() and _announced(list_dir, SigningKey.load(waiting)):
        os.replace(waiting, keys_dir / LIST_KEY_FILE)
        sync(keys_dir)
    signing = SigningKey.load(keys_dir / LIST_KEY_FILE)
    atomic_write(keys_dir / LIST_VERIFIER_FILE, f"{signing.verifier}\n".encode(), PUBLIC_MODE)


def _announced(list_dir: Path, key: SigningKey) -> bool:
    known = _rotations(list_dir)
    return bool(known) and known[-1].new == key.verifier


def _rotations(list_dir: Path) -> tuple[Rotation, ...]:
    path = list_dir / ROTATIONS_FILE
    return read_rotations(path.read_bytes()) if path.exists() else ()
