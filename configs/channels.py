"""Settings of the channels through which people are told, and who is told through which.

Secrets come from ``${VARIABLE}`` or ``${file:/run/secrets/name}`` and are not shown.
"""

from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

LevelName = Literal["blue", "yellow", "orange", "red"]
_EVERY: tuple[LevelName, ...] = ("blue", "yellow", "orange", "red")
_CLOCK = r"^([01]\d|2[0-3]):[0-5]\d$"


class _Frozen(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _ChannelSettings(_Frozen):
    """What every channel has."""

    name: str = Field(pattern=r"^[a-z0-9_-]{1,32}$")
    purpose: Literal["production", "drill"] = Field(
        "production", description="Exercise messages go to drill channels alone, Actual never"
    )


class _HttpSettings(_ChannelSettings):
    allow_private: bool = Field(False, description="receiver on loopback or a private network")


class WebhookSettings(_HttpSettings):
    """One receiver of signed webhooks."""

    url: str = Field(pattern=r"^https?://[^\s/]+")
    secret: str = Field(
        pattern=r"^whsec_[A-Za-z0-9+/]{22,}={0,2}( whsec_[A-Za-z0-9+/]{22,}={0,2})*$",
        description="whsec_... (Standard Webhooks); two while rotating",
        repr=False,
    )


class MailSettings(_ChannelSettings):
    """One SMTP server."""

    host: str = Field(min_length=1)
    port: int = Field(587, ge=1, le=65535)
    encryption: Literal["starttls", "tls", "none"] = "starttls"
    sender: str = Field(pattern=r"^[^\s@]+@[^\s@]+$")
    username: str = ""
    password: str = Field("", repr=False)


class MqttSettings(_ChannelSettings):
    """One MQTT broker, for loudspeakers and screens."""

    host: str = Field(min_length=1)
    port: int = Field(8883, ge=1, le=65535)
    tls: bool = True
    topic: str = "jinghu/{status}/{unit}/{hazard}"
    username: str = ""
    password: str = Field("", repr=False)


class SuccessSettings(_Frozen):
    """When the answer of a gateway means that it took the message."""

    field: str = Field("", description="of its JSON, with dots into objects; empty: the status")
    values: tuple[str, ...] = ()
    retry: tuple[str, ...] = Field((), description="values of faults that may pass")


class SmsSettings(_HttpSettings):
    """One SMS gateway over HTTP: ``{phone}``, ``{text}``, ``{id}`` ... are filled in."""

    url: str = Field(pattern=r"^https?://[^\s/]+", repr=False)
    method: Literal["POST", "PUT", "GET"] = "POST"
    headers: dict[str, str] = Field({}, repr=False)
    body: str = Field("", repr=False)
    success: SuccessSettings = SuccessSettings()


class ChatSettings(_HttpSettings):
    """One robot of a group in DingTalk, WeCom or Feishu."""

    vendor: Literal["dingtalk", "wecom", "feishu"]
    url: str = Field(pattern=r"^https?://[^\s/]+", repr=False)
    secret: str = Field("", repr=False)


class RouteSettings(_Frozen):
    """Channels in their order for people of some roles under warnings of some levels."""

    channels: tuple[str, ...] = Field(min_length=1, description="the next where one fails")
    roles: tuple[str, ...] = Field((), description="empty: everybody")
    levels: tuple[LevelName, ...] = _EVERY


class QuietSettings(_Frozen):
    """When blue warnings are held until morning; orange and red never are. Beijing time."""

    begins: str = Field("22:00", pattern=_CLOCK)
    ends: str = Field("06:30", pattern=_CLOCK)
    up_to: Literal["blue", "yellow"] = "blue"


class DigestSettings(_Frozen):
    """What waits for somebody at the same moment goes out as one message, up to a level."""

    up_to: Literal["blue", "yellow"] = "yellow"
    channels: tuple[str, ...] = Field(
        (), description="names of sms, mail or webhooks; empty: all of them"
    )


class ChannelsSettings(_Frozen):
    """All channels, under one name each."""

    webhooks: tuple[WebhookSettings, ...] = ()
    mail: tuple[MailSettings, ...] = ()
    mqtt: tuple[MqttSettings, ...] = ()
    sms: tuple[SmsSettings, ...] = ()
    chats: tuple[ChatSettings, ...] = ()
    routes: tuple[RouteSettings, ...] = Field(
        (), description="none: everybody is told through every channel"
    )

    @model_validator(mode="after")
    def _names_fit(self) -> Self:
        every = (*self.webhooks, *self.mail, *self.mqtt, *self.sms, *self.chats)
        purposes = {channel.name: channel.purpose for channel in every}
        if len(purposes) < len(every):
            raise ValueError("two channels have the same name")
        for route in self.routes:
            unknown = set(route.channels) - purposes.keys()
            if unknown:
                raise ValueError(f"route {'>'.join(route.channels)}: no channel {min(unknown)}")
            if len({purposes[name] for name in route.channels}) > 1:
                raise ValueError(f"route {'>'.join(route.channels)}: mixes drill and production")
        return self
