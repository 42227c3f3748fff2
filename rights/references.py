"""Reference numbers that people read out on the telephone: DM-7Q4K-92XB, in Crockford's base 32."""

import secrets

ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


def new_reference() -> str:
    """40 random bits. A reference names a request, it opens nothing; the database refuses one that is taken."""
    letters = [secrets.choice(ALPHABET) for _ in range(8)]
    return f"DM-{''.join(letters[:4])}-{''.join(letters[4:])}"
