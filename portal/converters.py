"""What an address may hold in its variable parts: text that can be stored and compared (demur.text_rules), numbers of ASCII digits that a
database can hold, and photos' uids. What is otherwise names nothing: 404."""

import base64
import binascii
import re

from flask import Flask
from werkzeug.routing import BaseConverter, IntegerConverter, PathConverter, UnicodeConverter, ValidationError

from demur.text_rules import BadText, checked_text

_PLAIN = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")


class UidConverter(BaseConverter):
    """A uid is any text: often a number, sometimes an address with slashes. Plain ones stand as they are, others as ``~`` and base64url."""

    regex = r"[^/]+"

    def to_python(self, value: str) -> str:
        if not value.startswith("~"):
            return _checked(value, "uid")
        try:
            return _checked(base64.urlsafe_b64decode(value[1:].encode("ascii") + b"=" * (-len(value[1:]) % 4)), "uid")
        except (binascii.Error, UnicodeEncodeError) as error:
            raise ValidationError from error

    def to_url(self, value: str) -> str:
        if _PLAIN.fullmatch(value):
            return value
        return "~" + base64.urlsafe_b64encode(value.encode()).decode().rstrip("=")


class TextConverter(UnicodeConverter):
    def to_python(self, value: str) -> str:
        return _checked(value)


class TextPathConverter(PathConverter):
    def to_python(self, value: str) -> str:
        return _checked(value)


class NumberConverter(IntegerConverter):
    regex = "[0-9]{1,18}"  # below 2**63; \d would take the digits of every script


def init_app(app: Flask) -> None:
    app.url_map.converters.update(
        uid=UidConverter, default=TextConverter, string=TextConverter, path=TextPathConverter, int=NumberConverter
    )


def _checked(value: str | bytes, kind: str = "") -> str:
    try:
        return checked_text(value, kind)
    except BadText as error:
        raise ValidationError from error
