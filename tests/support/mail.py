"""A real SMTP server for tests, on a port of its own: it keeps what it takes, and refuses as it is told."""

import asyncio
import datetime
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from ipaddress import ip_address
from pathlib import Path

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.support.portals import free_port

HOST = "127.0.0.1"
SENDER = "Lantern <privacy@lantern.example>"
USER, PASSWORD = "demur", "p@ss:w/rd %"


@dataclass
class Inbox:
    """``rcpt`` and ``data`` are the replies to those commands in place of a yes. While it is ``busy``, it keeps a mail and says nothing."""

    port: int
    mails: list[EmailMessage] = field(default_factory=list)
    envelopes: list[tuple[str, list[str]]] = field(default_factory=list)  # sender, recipients
    encrypted: list[bool] = field(default_factory=list)
    logins: list[str] = field(default_factory=list)
    rcpt: str = ""
    data: str = ""
    busy: bool = False

    async def handle_RCPT(self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]) -> str:
        if self.rcpt:
            return self.rcpt.format(address=address)
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, _session: Session, envelope: Envelope) -> str:
        if self.data:
            return self.data
        mail = message_from_bytes(envelope.content or b"", policy=default)
        assert isinstance(mail, EmailMessage)
        self.mails.append(mail)
        self.envelopes.append((envelope.mail_from or "", envelope.rcpt_tos))
        self.encrypted.append(server.transport is not None and server.transport.get_extra_info("ssl_object") is not None)
        while self.busy:
            await asyncio.sleep(0.02)
        return "250 taken"

    def let_in(self, _server: SMTP, _session: Session, _envelope: Envelope, _mechanism: str, login: LoginPassword) -> AuthResult:
        good = (login.login, login.password) == (USER.encode(), PASSWORD.encode())
        self.logins.append(login.login.decode())
        return AuthResult(success=good, handled=False)

    @property
    def url(self) -> str:
        return f"smtp://{HOST}:{self.port}"


@contextmanager
def smtp_server(certificate: Path | None = None, *, wrapped: bool = False, login: bool = False, port: int = 0) -> Iterator[Inbox]:
    """Offers STARTTLS where it has a ``certificate``, or speaks TLS from the start if ``wrapped``. ``login``: wants a user."""
    inbox = Inbox(port or free_port())
    context = None
    if certificate is not None:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(certificate)
    options = {"authenticator": inbox.let_in, "auth_required": login, "auth_require_tls": False}
    tls = {"ssl_context" if wrapped else "tls_context": context} if context else {}
    controller = Controller(inbox, hostname=HOST, port=inbox.port, **options, **tls)
    controller.start()
    try:
        yield inbox
    finally:
        controller.stop()


def write_certificate(path: Path) -> Path:
    """A key and its certificate for ``HOST``, signed by itself, in one PEM file."""
    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, HOST)])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address(HOST))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    path.write_bytes(private + certificate.public_bytes(serialization.Encoding.PEM))
    return path
