"""Mail: what the server writes to people, over SMTP."""

from __future__ import annotations

import asyncio
import smtplib
import ssl
from email.errors import MessageError
from email.message import EmailMessage
from typing import Literal

import msgspec

from ..errors import MailFailed

__all__ = ["MailSettings", "send_mail"]


class MailSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[mail]`. Without `host` the server sends nothing. `security` "tls" begins encrypted, "starttls" becomes so.

    `sender` is who mail is from: an address, or `Studio <rooms@example.org>`.
    """

    host: str = ""
    port: int = 587
    security: Literal["starttls", "tls", "none"] = "starttls"
    user: str = ""
    password: str = ""
    sender: str = ""
    timeout: float = 30.0


async def send_mail(settings: MailSettings, to: str, subject: str, text: str) -> None:
    """Send one plain text; MailFailed where the mail server does not take it."""
    if not settings.host or not settings.sender:
        raise MailFailed(reason="this server has no settings for mail: mail.host and mail.sender")
    message = EmailMessage()
    try:
        message["From"], message["To"], message["Subject"] = settings.sender, to, subject
        # What is written to one is not for others. ValueError where there are more, or none.
        [only] = message["To"].addresses
        if not only.username or not to.isprintable():
            raise ValueError
    except (ValueError, MessageError):
        raise MailFailed(reason=f"{to[:200]!r} is no address") from None
    message.set_content(text)
    await asyncio.to_thread(_deliver, settings, message)


def _deliver(settings: MailSettings, message: EmailMessage) -> None:
    try:
        with _connected(settings) as server:
            if settings.user:
                server.login(settings.user, settings.password)
            server.send_message(message)
    except smtplib.SMTPRecipientsRefused as error:
        code, said = next(iter(error.recipients.values()))
        raise MailFailed(reason=f"the address was refused: {code} {_text(said)}") from None
    except smtplib.SMTPAuthenticationError:
        # What the mail server says may repeat what was sent.
        raise MailFailed(reason="the mail server refused the user or the password") from None
    except smtplib.SMTPResponseException as error:
        raise MailFailed(reason=f"the mail server said {error.smtp_code} {_text(error.smtp_error)}") from None
    except (smtplib.SMTPException, OSError) as error:
        reason = f"the mail server {settings.host}:{settings.port} cannot be used: {error}"
        raise MailFailed(reason=reason) from None


def _connected(settings: MailSettings) -> smtplib.SMTP:
    if settings.security == "tls":
        context = ssl.create_default_context()
        return smtplib.SMTP_SSL(settings.host, settings.port, timeout=settings.timeout, context=context)
    server = smtplib.SMTP(settings.host, settings.port, timeout=settings.timeout)
    if settings.security == "starttls":
        try:
            server.starttls(context=ssl.create_default_context())
        except BaseException:
            server.close()
            raise
    return server


def _text(said: bytes | str) -> str:
    return (said.decode(errors="replace") if isinstance(said, bytes) else said)[:200]
