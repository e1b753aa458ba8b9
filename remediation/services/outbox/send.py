"""Hand one message to a mail server or, through Apprise, to a service; bounded in time.

No row is read or written here. A call may hang longer than every timeout of a socket (a server
that sends a byte now and then), so it runs in a thread of its own that is left behind.
"""

from __future__ import annotations

import logging
import re
import smtplib
import threading
from collections.abc import Callable, Mapping
from importlib import import_module
from types import MappingProxyType
from typing import Any

from apprise import AppriseAsset, NotifyFormat
from apprise.exception import AppriseException
from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.mail import EmailMessage, get_connection
from django.core.validators import validate_email

from remediation.domain.message import Message
from remediation.services.outbox.channels import Channel

# Longer than connecting and reading time out together (4 s each; mail has 5 s for each answer).
MOST_S = 15.0
APPRISE = logging.getLogger("apprise")
APPRISE.setLevel(logging.WARNING)  # its debug lines hold URLs and texts
# By scheme: module and class.
PLUGINS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "slack": ("slack", "NotifySlack"),
        "workflow": ("workflows", "NotifyWorkflows"),
        "workflows": ("workflows", "NotifyWorkflows"),
        "pagerduty": ("pagerduty", "NotifyPagerDuty"),
        "opsgenie": ("opsgenie", "NotifyOpsgenie"),
        "mmost": ("mattermost", "NotifyMattermost"),
        "mmosts": ("mattermost", "NotifyMattermost"),
        "gchat": ("google_chat", "NotifyGoogleChat"),
        "ntfy": ("ntfy", "NotifyNtfy"),
        "ntfys": ("ntfy", "NotifyNtfy"),
        "json": ("custom_json", "NotifyJSON"),
        "jsons": ("custom_json", "NotifyJSON"),
    }
)
_STATUS = re.compile(r"error=(\d{3})")


class NotSent(Exception):
    """The service did not take the message; the text is short and holds no address."""


class AddressRefused(NotSent):
    """This one address cannot be used; the channel itself works."""


def by_mail(address: str, message: Message) -> None:
    """Send one mail. Raises NotSent."""
    require_usable(address)
    mail = EmailMessage(
        message.subject, message.body, to=[address], headers={"Message-ID": message.key}
    )
    mail.connection = get_connection(fail_silently=False, timeout=settings.EMAIL_TIMEOUT)
    _bounded(mail.send)


def by_apprise(channel: Channel, message: Message) -> None:
    """Send to a channel of the operator's file. Raises NotSent."""
    asset = AppriseAsset(
        async_mode=False,
        app_id="hitlportal",
        app_desc="hitlportal",
        app_url=settings.ORIGIN,
        http_redirects=False,
        service_timeout=MOST_S,
        storage_mode="memory",
        allow_templates=False,
        interpret_escapes=False,
        interpret_emojis=False,
    )
    service = service_of(channel.url, asset)
    lines = _Lines()

    def notify() -> None:
        taken = service.notify(
            body=message.body, title=message.subject, body_format=NotifyFormat.TEXT
        )
        if not taken:
            raise NotSent("no answer")

    APPRISE.addHandler(lines)
    try:
        _bounded(notify)
    except NotSent as error:
        raise NotSent(lines.reason() or str(error)) from None
    finally:
        APPRISE.removeHandler(lines)


def service_of(url: str, asset: AppriseAsset) -> Any:
    """Return Apprise's service for a URL of the operator's file. Raises NotSent.

    Only the module of this scheme is imported. `Apprise.instantiate` would import all of them,
    among them some that read files and talk to the system.
    """
    module, name = PLUGINS[url.partition(":")[0]]
    plugin = getattr(import_module(f"apprise.plugins.{module}"), name)
    given = plugin.parse_url(url)
    if not given:
        raise NotSent("Apprise cannot read the URL")
    try:
        return plugin(**{**given, "asset": asset})
    except (TypeError, AppriseException):
        raise NotSent("Apprise cannot read the URL") from None


def require_usable(address: str) -> None:
    """Check that a mail server can be asked to take this address. Raises AddressRefused."""
    try:
        validate_email(address)
        address.encode("ascii")
    except (ValidationError, UnicodeEncodeError):
        raise AddressRefused("no mail server takes this address") from None


def _bounded(call: Callable[[], object]) -> None:
    failed: list[BaseException] = []

    def run() -> None:
        try:
            call()
        except BaseException as error:  # in a thread: it is raised again below
            failed.append(error)

    thread = threading.Thread(target=run, daemon=True, name="send")
    thread.start()
    thread.join(MOST_S)
    if thread.is_alive():
        raise NotSent(f"no answer within {MOST_S:.0f} s")
    for error in failed:
        if not isinstance(error, Exception):
            raise error
        if isinstance(error, NotSent):
            raise error
        if isinstance(error, smtplib.SMTPRecipientsRefused):
            raise AddressRefused("the mail server refuses this address") from error
        raise NotSent(_short(error)) from error


def _short(error: Exception) -> str:
    """Describe an error of a library without its text, which may quote an address."""
    code = getattr(error, "smtp_code", None)
    return f"{type(error).__name__}{f' {code}' if code else ''}"


class _Lines(logging.Handler):
    """Keep what Apprise logs while it sends: it returns only yes or no."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.said: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.said.append(record.getMessage())

    def reason(self) -> str:
        found = [match[1] for text in self.said for match in _STATUS.finditer(text)]
        return f"status {found[-1]}" if found else ""
