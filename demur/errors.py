"""The base classes by which a caller can tell an anticipated failure from a fault in the program."""


class DemurError(Exception):
    """An anticipated failure. Its text is one clear sentence for the person at the terminal."""


class Refused(DemurError):
    """Something cannot be trusted or compared, so nothing may be done on its word. Commands end with exit code 3."""
