"""Mail over SMTP: HTML with its chart inside and a text for readers without it, a message for each recipient.

Addresses, headers and PGP are apprise's. A mail that is signed or encrypted is text alone.
"""

import email
import smtplib
import ssl
from collections.abc import Mapping
from typing import Any

from apprise.attachment.memory import AttachMemory
from apprise.common import NotifyFormat
from apprise.plugins.email.base import NotifyEmail, PGPMode
from apprise.plugins.email.smtp import AppriseSMTPController

from streamaudit.delivery.mail_page import CHART, draw_chart, make_page
from streamaudit.delivery.message import Letter, cut
from streamaudit.delivery.retry import NotDelivered

NAME = "mail"
MOST_SUBJECT = 200


def accepts(plugin: Any) -> bool:
    """Return whether this is ``mailto://`` or ``mailtos://``; mail services over HTTP are not SMTP."""
    return type(plugin) is NotifyEmail


def host(plugin: Any) -> str:
    """Return the SMTP server and its port."""
    return f"{plugin.smtp_host}:{plugin.port}"


def payload(plugin: Any, letter: Letter) -> dict[str, Any]:
    """Return subject, text, HTML and, where the packages for pictures are installed, the chart as PNG."""
    chart = draw_chart(letter)
    page = {"html": make_page(letter, chart)} | ({"chart": chart.png} if chart else {})
    return {"subject": cut(letter.subject, MOST_SUBJECT), "text": letter.text, **page}


def send(plugin: Any, payload: Mapping[str, Any], timeout_s: float, done: set[str]) -> None:
    """Make one attempt for all recipients who have not received it yet."""
    server = _Server(
        host=plugin.smtp_host, port=plugin.port, secure_mode=plugin.secure_mode, user=plugin.user,
        password=plugin.password, verify_certificate=plugin.verify_certificate,
        socket_connect_timeout=timeout_s,  # type: ignore[arg-type]  # a float goes on to the socket
    )  # fmt: skip
    is_plain = plugin.pgp_mode == PGPMode.NONE
    make: Any = AttachMemory
    chart = [make(payload["chart"], name=CHART, mimetype="image/png")] if "chart" in payload else None
    messages = NotifyEmail.prepare_emails(
        subject=payload["subject"], body=payload["html" if is_plain else "text"],
        notify_format=NotifyFormat.HTML if is_plain else NotifyFormat.TEXT, from_addr=plugin.from_addr,
        to=plugin.targets, cc=plugin.cc, bcc=plugin.bcc, reply_to=plugin.reply_to, smtp_host=plugin.smtp_host,
        headers={"X-Application": plugin.app_id, **plugin.headers}, names=plugin.names, pgp=plugin.pgp,
        pgp_mode=plugin.pgp_mode, tzinfo=plugin.tzinfo, attach=chart if is_plain else None, inline=True,
    )  # fmt: skip
    try:
        with server:
            for message in messages:
                if message.recipient not in done:
                    body = _with_text(message.body, payload["text"]) if is_plain else message.body
                    server.sendmail(plugin.from_addr[1], message.to_addrs, body)
                    done.add(message.recipient)
    except smtplib.SMTPResponseException as error:
        # RFC 5321, 4.2.1: 4yz is a temporary failure, 5yz a permanent one.
        raise NotDelivered(f"the mail server says {error.smtp_code}", again=400 <= error.smtp_code < 500) from None
    except smtplib.SMTPRecipientsRefused as error:
        codes = sorted({code for code, _ in error.recipients.values()})
        passing = all(400 <= code < 500 for code in codes)
        listed = ", ".join(map(str, codes))
        raise NotDelivered(f"the mail server refuses a recipient: {listed}", again=passing) from None
    except (ssl.SSLError, smtplib.SMTPNotSupportedError):
        raise NotDelivered("its certificate is not trusted, or it does not use TLS") from None
    except OSError as error:  # also raised by smtplib when a server hangs up without a reply
        late = isinstance(error, TimeoutError) or isinstance(error.__context__, TimeoutError)
        refused = isinstance(error, ConnectionRefusedError)
        reason = f"no answer within {timeout_s:.3g} s" if late else "connection refused" if refused else "no connection"
        raise NotDelivered(reason, again=True) from None
    except Exception as error:  # apprise's errors about a key or a security mode quote the address
        raise NotDelivered(f"the mail cannot be built ({type(error).__name__})") from None


def _with_text(message: str, text: str) -> str:
    """Return the message with this text instead of the one that apprise derives from the HTML."""
    parsed = email.message_from_string(message)
    part = next(one for one in parsed.walk() if one.get_content_type() == "text/plain")
    del part["Content-Transfer-Encoding"]
    part.set_payload(text, "utf-8")
    return parsed.as_string()


class _Server(AppriseSMTPController):
    """apprise's connection and login, which reports each failure and not only their number."""

    def sendmail(self, from_addr: str, to_addrs: list[str], message: str) -> bool:
        connection: Any = self._socket
        if refused := connection.sendmail(from_addr, to_addrs, message):
            raise smtplib.SMTPRecipientsRefused(refused)
        return True
