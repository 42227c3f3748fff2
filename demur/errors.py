"""The one base class by which a caller can tell an anticipated failure from a fault in the program."""


class DemurError(Exception):
    """An anticipated failure. Its text is one clear sentence for the person at the terminal."""
