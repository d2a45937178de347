"""Channels, routes and quiet hours as the settings describe them."""

from collections.abc import Sequence
from datetime import time

from jinghu.configs.settings import Settings
from jinghu.contacts import contacts_of
from jinghu.grid.errors import ConfigError
from jinghu.warnings.chat import ChatRobot, Vendor
from jinghu.warnings.delivery import Channel
from jinghu.warnings.digest import Digest
from jinghu.warnings.levels import Level, Role
from jinghu.warnings.mail import Encryption, MailServer
from jinghu.warnings.mqtt import MqttBroker
from jinghu.warnings.purposes import Purpose
from jinghu.warnings.quiet import Quiet
from jinghu.warnings.routes import Route
from jinghu.warnings.sms import SmsGateway, Success
from jinghu.warnings.webhook import Webhook


def channels_of(settings: Settings) -> tuple[Channel, ...]:
    """Return the configured channels.

    Raises
    ------
    ConfigError
        Where one can never work.
    DataError
        Where the file of numbers and addresses is not one.
    """
    warnings = settings.warnings
    hooks = [
        Webhook(hook.name, hook.url, hook.secret, hook.allow_private, Purpose(hook.purpose))
        for hook in warnings.webhooks
    ]
    robots = [
        ChatRobot(c.name, Vendor(c.vendor), c.url, c.secret, c.allow_private, Purpose(c.purpose))
        for c in warnings.chats
    ]
    brokers = [
        MqttBroker(
            b.name, b.host, b.port, b.tls, b.topic, b.username, b.password, Purpose(b.purpose)
        )
        for b in warnings.mqtt
    ]
    return (*hooks, *robots, *brokers, *_personal(settings))


def _personal(settings: Settings) -> list[Channel]:
    """Channels that need numbers or addresses of people."""
    warnings = settings.warnings
    if not (warnings.mail or warnings.sms):
        return []
    contacts = contacts_of(settings)
    mail: list[Channel] = [
        MailServer(
            m.name,
            m.host,
            m.port,
            m.sender,
            contacts,
            Encryption(m.encryption),
            m.username,
            m.password,
            Purpose(m.purpose),
        )
        for m in warnings.mail
    ]
    sms = [
        SmsGateway(
            s.name,
            s.url,
            contacts,
            s.method,
            s.headers,
            s.body,
            Success(s.success.field, s.success.values, s.success.retry),
            s.allow_private,
            Purpose(s.purpose),
        )
        for s in warnings.sms
    ]
    return [*mail, *sms]


def routes_of(settings: Settings, channels: Sequence[Channel]) -> tuple[Route, ...]:
    """Return the configured routes over the given channels; none where none are configured.

    Raises
    ------
    ConfigError
        Where a role is none.
    """
    names = {channel.name for channel in channels}
    try:
        return tuple(
            Route(
                route.channels,
                tuple(Role(role) for role in route.roles) or tuple(Role),
                tuple(Level[level.upper()] for level in route.levels),
            )
            for route in settings.warnings.routes
            if names.issuperset(route.channels)
        )
    except ValueError as error:
        raise ConfigError(f"warnings.routes: {error}") from None


def quiet_of(settings: Settings) -> Quiet | None:
    """Return the quiet hours, if there are any."""
    quiet = settings.warnings.quiet
    if quiet is None:
        return None
    return Quiet(
        time.fromisoformat(quiet.begins),
        time.fromisoformat(quiet.ends),
        Level[quiet.up_to.upper()],
    )


def digest_of(settings: Settings) -> Digest | None:
    """Return which messages go out as one, None where each goes out by itself.

    Raises
    ------
    ConfigError
        Where a channel is named that is not there, or is not to persons.
    """
    warnings = settings.warnings
    if warnings.digest is None:
        return None
    personal = {c.name for c in (*warnings.sms, *warnings.mail, *warnings.webhooks)}
    if unknown := set(warnings.digest.channels) - personal:
        names = ", ".join(sorted(unknown))
        raise ConfigError(f"warnings.digest: {names}: there is no such sms, mail or webhook")
    return Digest(
        Level[warnings.digest.up_to.upper()], frozenset(warnings.digest.channels or personal)
    )
