"""How large a request's body may be, as its view declares. The server in front asks before a body comes in, Flask before it is read.

``@takes(…)`` stands at the view. A view that declares nothing takes a form's few fields.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from flask import Flask

from config import MEGABYTE, Config
from rights.tokens import Scope

FIELDS_BYTES = 64_000
SELECTION_BYTES = 4 * MEGABYTE  # twice what `selection.MOST_PICTURES` looked-up pictures were found by

View = TypeVar("View", bound=Callable[..., Any])


@dataclass(frozen=True)
class Body:
    """``most``: bytes. ``picture``: a picture file besides, or several together as large. ``scope``: for a token that has it;
    others are allowed FIELDS_BYTES. ``spooled``: kept in a temporary file, since it holds no picture of a person."""

    most: int = FIELDS_BYTES
    picture: bool = False
    scope: Scope | None = None
    spooled: bool = False

    def bytes(self, config: Config, mimetype: str) -> int:
        """A picture comes as multipart alone."""
        return self.most + (config.max_upload_bytes if self.picture and mimetype == "multipart/form-data" else 0)


_FIELDS = Body()


def takes(most: int = FIELDS_BYTES, **kinds: Any) -> Callable[[View], View]:
    """Declares the body of a view; the arguments are `Body`'s."""

    def declare(view: View) -> View:
        view.__dict__["body"] = Body(most, **kinds)
        return view

    return declare


def body_of(app: Flask, endpoint: str | None) -> Body:
    """What the view of an endpoint declares."""
    view = app.view_functions.get(endpoint or "")
    return view.__dict__.get("body", _FIELDS) if view is not None else _FIELDS
