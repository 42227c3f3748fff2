"""Handing one mail to the mail server.

Whatever it answers, its words stay here: they may repeat the address, and an error ends up in the log and in the outbox. So errors carry a
reply code or the name of what went wrong, and are raised without their cause.
"""

import smtplib
import ssl
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from email.message import EmailMessage
from typing import Any

from config import MAIL_ADDRESS, MailServer, Tls
from demur.errors import DemurError

BAD_ADDRESS = 553  # RFC 5321, section 4.2.3: mailbox name not allowed
TIMEOUT_S = 30  # for each answer of the server; RFC 5321 allows it minutes, but the outbox comes back


class MailServerAway(DemurError):
    """The mail server cannot be reached, or takes no mail from us: that is the operator's to mend, whoever the mail is for."""


class MailRefused(DemurError):
    """The mail server takes mail, but not this one, or not for this recipient."""

    def __init__(self, code: int) -> None:
        super().__init__(f"the mail server refused the mail with the reply code {code}")
        self.code = code

    @property
    def for_good(self) -> bool:
        """RFC 5321, section 4.2.1: 4yz may pass, 5yz does not."""
        return self.code >= 500


def send(server: MailServer, mail: EmailMessage) -> None:
    """Returns when the server has taken the mail over, which has one sender and one recipient. Raises MailServerAway, MailRefused."""
    sender, recipient = (_address(mail[name]) for name in ("From", "To"))
    with _connection(server) as smtp:
        try:
            smtp.send_message(mail, sender, recipient)
        except smtplib.SMTPRecipientsRefused as error:
            raise MailRefused(next(iter(error.recipients.values()))[0]) from None
        except smtplib.SMTPDataError as error:
            raise MailRefused(error.smtp_code) from None
        except (smtplib.SMTPException, OSError) as error:
            raise MailServerAway(_reason(error)) from None


def _address(header: Any) -> str:
    """The one address of a header, as it was meant: what a parser made another of is nobody's. Raises MailRefused."""
    found = [address.addr_spec for address in header.addresses]
    if len(found) != 1 or not MAIL_ADDRESS.fullmatch(found[0]):
        raise MailRefused(BAD_ADDRESS)
    return str(found[0])


@contextmanager
def _connection(server: MailServer) -> Iterator[smtplib.SMTP]:
    """Greeted, encrypted and logged in. Raises MailServerAway."""
    try:
        smtp = _connect(server)
    except (smtplib.SMTPException, OSError) as error:
        raise MailServerAway(_reason(error)) from None
    try:
        try:
            _introduce(smtp, server)
        except (smtplib.SMTPException, OSError) as error:
            raise MailServerAway(_reason(error)) from None
        yield smtp
        with suppress(smtplib.SMTPException, OSError):  # the mail is theirs by now
            smtp.quit()
    finally:
        smtp.close()


def _connect(server: MailServer) -> smtplib.SMTP:
    if server.tls is Tls.FROM_THE_START:
        return smtplib.SMTP_SSL(server.host, server.port, timeout=TIMEOUT_S, context=ssl.create_default_context())
    return smtplib.SMTP(server.host, server.port, timeout=TIMEOUT_S)


def _introduce(smtp: smtplib.SMTP, server: MailServer) -> None:
    smtp.ehlo_or_helo_if_needed()
    secret = server.tls is Tls.FROM_THE_START
    if server.tls is Tls.ALWAYS or (server.tls is Tls.OFFERED and smtp.has_extn("starttls")):
        smtp.starttls(context=ssl.create_default_context())  # SMTPNotSupportedError where it is not offered
        secret = True
    if server.user and not secret and server.tls is not Tls.NEVER:
        raise MailServerAway("it offers no encryption, and the password is not sent in the clear")
    if server.user:
        smtp.login(server.user, server.password)


def _reason(error: Exception) -> str:
    code = f" {error.smtp_code}" if isinstance(error, smtplib.SMTPResponseException) else ""
    return f"the mail server did not take the mail over: {type(error).__name__}{code}"
