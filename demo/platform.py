"""`python -m demo.platform delete|make-private|make-public`: lets something happen at Lantern, which then tells the portal.

The event goes to the portal's webhook, signed as any platform would sign it: HMAC-SHA256 over the time and the body.
"""

import argparse
import hashlib
import hmac
import json
import secrets
import sys
from dataclasses import asdict, dataclass
from datetime import UTC, datetime

import requests

from config import Config
from demo.platform_photos import first_public, read_table
from demo.settings import DemoDirectory, Demonstration
from supervisor.private import keep_private

# What happens, to whose photo, and the event's kind. Making public again takes the second one back.
HAPPENINGS = {
    "delete": ("ben.lindqvist", "photo_deleted"),
    "make-private": ("chiara.rossi", "photo_made_private"),
    "make-public": ("chiara.rossi", "photo_made_public"),
}
TIMEOUT_S = 10


@dataclass(frozen=True)
class PlatformEvent:
    """The body of a webhook call."""

    event_id: str
    kind: str
    owner: str
    uid: str
    occurred_at: str


def main() -> None:
    parser = argparse.ArgumentParser(description="Let something happen at Lantern, the demonstration's platform.")
    parser.add_argument("happening", choices=HAPPENINGS)
    config = Config.from_env()
    keep_private(config.data_dir)
    if not DemoDirectory.of(config).photos.exists():
        sys.exit("There is no demonstration yet: start it with make demo.")
    event, caption = happening(config, parser.parse_args().happening, datetime.now(UTC))
    try:
        tell(config.base_url, Demonstration.of(config).settings["DEMUR_WEBHOOK_SECRET"], event)
    except requests.RequestException as error:
        sys.exit(f"The portal at {config.base_url} did not take the event: {error}")
    print(f"{event.kind.replace('_', ' ').capitalize()}: “{caption}” ({event.uid}) by {event.owner}. The portal has been told.")


def happening(config: Config, name: str, now: datetime) -> tuple[PlatformEvent, str]:
    """The event, and the photo's caption."""
    owner, kind = HAPPENINGS[name]
    photo = first_public(read_table(DemoDirectory.of(config).photos), owner)
    return PlatformEvent(f"lantern-{secrets.token_hex(16)}", kind, photo.owner, photo.uid, now.isoformat()), photo.caption


def tell(base_url: str, secret: str, event: PlatformEvent) -> None:
    """Sends a signed event. Raises requests.RequestException, also when the portal refuses it."""
    body = json.dumps(asdict(event)).encode()
    sent_at = str(int(datetime.now(UTC).timestamp()))
    mac = hmac.new(secret.encode(), f"{sent_at}.".encode() + body, hashlib.sha256).hexdigest()
    headers = {"Content-Type": "application/json", "Demur-Signature": f"t={sent_at},v1={mac}"}
    requests.post(f"{base_url.rstrip('/')}/api/v1/platform-events", data=body, headers=headers, timeout=TIMEOUT_S).raise_for_status()


if __name__ == "__main__":
    main()
