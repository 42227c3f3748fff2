"""Why nobody was signed in. Each names the setting that the operator should look at; none repeats what a person or a token said."""

from demur.errors import DemurError


class ProviderUnreachable(DemurError):
    """The provider does not answer, or its answer cannot be used."""

    def __init__(self, reason: str, look_at: str = "DEMUR_OIDC_ISSUER") -> None:
        super().__init__(reason)
        self.look_at = look_at


class SignInRefused(DemurError):
    """The provider's answer does not prove who came back. ``again``: where the person starts anew."""

    def __init__(self, reason: str, look_at: str = "", again: str = "") -> None:
        super().__init__(reason)
        self.look_at = look_at
        self.again = again
