"""The mail channel: SMTP with TLS, a connection that stays open through a run."""

import asyncio
import smtplib
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from email.message import EmailMessage
from email.utils import format_datetime
from enum import StrEnum

from jinghu.grid.errors import ConfigError, DeliveryError
from jinghu.warnings.contacts import ContactKind, Contacts, required
from jinghu.warnings.delivery import Send
from jinghu.warnings.outgoing import Outgoing
from jinghu.warnings.purposes import Purpose

_TIMEOUT_S = 15.0
_LINES = 4  # connections at a time: mail servers do not like many from one client


class Encryption(StrEnum):
    """How the connection is encrypted."""

    STARTTLS = "starttls"
    TLS = "tls"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class MailServer:
    """One server that takes our mail.

    Parameters
    ----------
    name, purpose
        Name of the channel in the outbox, and what it is for.
    host, port, encryption
        The server. Without encryption there is no login.
    sender
        Address in From.
    contacts
        Where addresses are looked up.
    username, password
        Of the login; empty where there is none.
    """

    name: str
    host: str
    port: int
    sender: str
    contacts: Contacts
    encryption: Encryption = Encryption.STARTTLS
    username: str = ""
    password: str = field(default="", repr=False)
    purpose: Purpose = Purpose.PRODUCTION

    def __post_init__(self) -> None:
        """Refuse to say a password where everybody hears it."""
        if self.password and self.encryption is Encryption.NONE:
            raise ConfigError(f"mail {self.name}: a password needs starttls or tls")

    @asynccontextmanager
    async def open(self, concurrent: int) -> AsyncIterator[Send]:
        """Open the channel for one run; connections are made when they are needed."""
        free: asyncio.LifoQueue[_Line] = asyncio.LifoQueue()
        lines = [_Line(self) for _ in range(min(_LINES, concurrent))]
        for line in lines:
            free.put_nowait(line)

        async def send(message: Outgoing, now: datetime) -> str:
            mail = self.mail(message, now)
            line = await free.get()
            try:
                return await asyncio.to_thread(line.send, mail)
            finally:
                free.put_nowait(line)

        try:
            yield send
        finally:
            for line in lines:
                await asyncio.to_thread(line.close)

    def mail(self, message: Outgoing, now: datetime) -> EmailMessage:
        """Word one message; its Message-ID is the same in every attempt."""
        content = message.content
        mail = EmailMessage()
        mail["From"] = self.sender
        mail["To"] = required(self.contacts, self.name, content.person, ContactKind.EMAIL)
        mail["Subject"] = " ".join(content.headline_zh.split())
        mail["Date"] = format_datetime(now)
        domain = self.sender.rpartition("@")[2]
        mail["Message-ID"] = f"<{message.message_id}@{domain}>"
        mail["Auto-Submitted"] = "auto-generated"
        if content.level >= 3:
            mail["Importance"] = "high"
        mail.set_content(
            f"{content.text_zh}\n回执 {content.answer_url}\n\n"
            f"{content.headline_en}\n{content.text_en}\nAnswer: {content.answer_url}\n"
        )
        return mail


@dataclass(slots=True)
class _Line:
    """One connection to the server, made when it is needed, and made anew when it broke."""

    server: MailServer
    smtp: smtplib.SMTP | None = None

    def send(self, mail: EmailMessage) -> str:
        try:
            if self.smtp is None:
                self.smtp = self._connect()
            self.smtp.send_message(mail)
        except smtplib.SMTPRecipientsRefused as error:
            code, said = next(iter(error.recipients.values()))
            self._reset()
            raise self._refused(code, said) from None
        except smtplib.SMTPResponseException as error:
            self.close()
            raise self._refused(error.smtp_code, error.smtp_error) from None
        except (smtplib.SMTPException, OSError, ValueError) as error:
            self.close()
            cause = " ".join(str(error).split()) or type(error).__name__
            raise DeliveryError(f"{self.server.name}: {cause}", retryable=True) from None
        return "SMTP 250"

    def _connect(self) -> smtplib.SMTP:
        server = self.server
        context = ssl.create_default_context()
        if server.encryption is Encryption.TLS:
            smtp: smtplib.SMTP = smtplib.SMTP_SSL(
                server.host, server.port, timeout=_TIMEOUT_S, context=context
            )
        else:
            smtp = smtplib.SMTP(server.host, server.port, timeout=_TIMEOUT_S)
        if server.encryption is Encryption.STARTTLS:
            smtp.starttls(context=context)
        if server.username:
            smtp.login(server.username, server.password)
        return smtp

    def _refused(self, code: int, said: bytes | str) -> DeliveryError:
        """4xx may pass; of 5xx those against us (530 to 539: login) may be mended."""
        text = said.decode("utf-8", "replace") if isinstance(said, bytes) else said
        mended = 400 <= code < 500 or 530 <= code < 540
        cause = f"{self.server.name}: SMTP {code} {' '.join(text.split())[:200]}"
        return DeliveryError(cause, retryable=mended)

    def _reset(self) -> None:
        if self.smtp is not None:
            try:
                self.smtp.rset()
            except (smtplib.SMTPException, OSError):
                self.close()

    def close(self) -> None:
        if self.smtp is not None:
            with suppress(smtplib.SMTPException, OSError):
                self.smtp.quit()
            self.smtp = None
