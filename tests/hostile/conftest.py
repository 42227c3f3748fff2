"""What attacks on the website need: a whole portal."""

from tests.functional.conftest import member_catalogues, portal

__all__ = ["member_catalogues", "portal"]
