"""A photo's uid inside an address."""

import base64
import binascii
import re

from werkzeug.routing import BaseConverter, ValidationError

_PLAIN = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")


class UidConverter(BaseConverter):
    """A uid is any text: often a number, sometimes an address with slashes. Plain ones stand as they are, others as ``~`` and base64url."""

    regex = r"[^/]+"

    def to_python(self, value: str) -> str:
        if not value.startswith("~"):
            return value
        try:
            return base64.urlsafe_b64decode(value[1:] + "=" * (-len(value[1:]) % 4)).decode()
        except (binascii.Error, UnicodeDecodeError) as error:
            raise ValidationError from error

    def to_url(self, value: str) -> str:
        if _PLAIN.fullmatch(value):
            return value
        return "~" + base64.urlsafe_b64encode(value.encode()).decode().rstrip("=")
