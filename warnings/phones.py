"""Phone numbers: checked, encrypted, found again by a blind index, shown masked.

A number is stored as AES-256-GCM ciphertext with the id of its key, bound to its person, and as a
keyed digest by which it can be looked up. Without the key, which never lies in the database,
neither tells anything about it.
"""

import base64
import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass, field

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from jinghu.grid.errors import ConfigError, StoreError

KEY_BYTES = 32
_NONCE_BYTES = 12
_E164 = re.compile(r"\+[1-9]\d{6,14}")
_MOBILE = re.compile(r"1[3-9]\d{9}")
_LANDLINE = re.compile(r"0[1-9]\d{1,2}[2-8]\d{6,7}")
_IN_TEXT = re.compile(r"(?<![\d.])(?:\+?86[- ]?)?(1[3-9]\d{9})(?!\d)")
_KEY_ID = re.compile(r"[A-Za-z0-9-]{1,16}")


def parse_phone(text: str) -> str:
    """Return a number as E.164; numbers without a country are Chinese.

    Mobile numbers have 11 digits (1[3-9]...), landlines their area code.

    Raises
    ------
    ValueError
        Where it is no number that can be called; the message does not repeat it.

    >>> parse_phone("138 0013 8000"), parse_phone("0575-8888 1234"), parse_phone("0085291234567")
    ('+8613800138000', '+8657588881234', '+85291234567')
    """
    digits = re.sub(r"[\s().\-/]", "", text.strip())
    if digits.startswith("00"):
        digits = "+" + digits[2:]
    if _MOBILE.fullmatch(digits):
        digits = "+86" + digits
    elif _LANDLINE.fullmatch(digits):
        digits = "+86" + digits[1:]
    elif re.fullmatch(r"86\d{10,11}", digits):
        digits = "+" + digits
    if not _E164.fullmatch(digits):
        raise ValueError("phone is no number that can be called (wanted +8613800138000)")
    national = digits.removeprefix("+86")
    if national != digits and not (
        _MOBILE.fullmatch(national) or _LANDLINE.fullmatch("0" + national)
    ):
        raise ValueError("phone is no Chinese mobile or landline number")
    return digits


def masked(phone: str) -> str:
    """A number as screens and logs show it.

    >>> masked("+8613812341234"), masked("+8657588881234"), masked("+85291234567")
    ('138****1234', '0575****1234', '+852****4567')
    """
    national = phone.removeprefix("+86")
    if national == phone:
        return f"{phone[:4]}****{phone[-4:]}"
    if _MOBILE.fullmatch(national):
        return f"{national[:3]}****{national[-4:]}"
    return f"0{national[:-8]}****{national[-4:]}"


def holds_number(text: str) -> bool:
    """Whether a text has a Chinese mobile number in it.

    >>> holds_number("王一13800138000"), holds_number("330602001001001")
    (True, False)
    """
    return _IN_TEXT.search(text) is not None


def without_numbers(text: str) -> str:
    """The text with every Chinese mobile number in it masked: for reports and the audit.

    >>> without_numbers("role '13800138000' is none of them")
    "role '138****8000' is none of them"
    """
    return _IN_TEXT.sub(lambda found: masked("+86" + found.group(1)), text)


@dataclass(frozen=True, slots=True)
class Sealed:
    """A number as it is stored."""

    key_id: str
    index: bytes
    cipher: bytes


@dataclass(frozen=True, slots=True)
class PhoneKey:
    """One key: its two halves, for encrypting and for the blind index, are made from it."""

    key_id: str
    secret: bytes = field(repr=False)

    def part(self, use: str) -> bytes:
        """The key of one use."""
        return hmac.new(self.secret, b"jinghu-phone-" + use.encode(), hashlib.sha256).digest()

    def index(self, phone: str) -> bytes:
        """Blind index of a number."""
        return hmac.new(self.part("index"), phone.encode(), hashlib.sha256).digest()


@dataclass(frozen=True, slots=True)
class PhoneKeys:
    """Keys of an installation: the first encrypts, all decrypt."""

    keys: tuple[PhoneKey, ...]

    @property
    def current(self) -> PhoneKey:
        """The key that encrypts."""
        return self.keys[0]

    def find(self, key_id: str) -> PhoneKey | None:
        """The key of that id."""
        return next((key for key in self.keys if key.key_id == key_id), None)

    def seal(self, person: str, phone: str) -> Sealed:
        """Encrypt the number of a person (E.164)."""
        key, nonce = self.current, secrets.token_bytes(_NONCE_BYTES)
        cipher = AESGCM(key.part("cipher")).encrypt(nonce, phone.encode(), person.encode())
        return Sealed(key.key_id, key.index(phone), nonce + cipher)

    def unseal(self, person: str, key_id: str, cipher: bytes) -> str:
        """Decrypt the number of a person.

        Raises
        ------
        ConfigError
            Where the key is not among these.
        StoreError
            Where the ciphertext was changed, or belongs to somebody else.
        """
        key = self.find(key_id)
        if key is None:
            known = ", ".join(k.key_id for k in self.keys)
            raise ConfigError(
                f"phone key {key_id} is not among the keys ({known}): restore it, numbers are"
                " encrypted with it"
            )
        try:
            plain = AESGCM(key.part("cipher")).decrypt(
                cipher[:_NONCE_BYTES], cipher[_NONCE_BYTES:], person.encode()
            )
        except InvalidTag:
            raise StoreError(
                f"the phone number of {person} cannot be decrypted: it was changed, or key"
                f" {key_id} is another one"
            ) from None
        return plain.decode()

    def indexes(self, phone: str) -> list[bytes]:
        """Blind indexes under which a number can be stored."""
        return [key.index(phone) for key in self.keys]


def new_key() -> PhoneKey:
    """Make a key of random bytes."""
    return PhoneKey(secrets.token_hex(4), secrets.token_bytes(KEY_BYTES))


def parse_keys(text: str, source: str) -> PhoneKeys:
    """Read keys, one a line (or separated by commas): id, space, base64 of 32 bytes.

    Raises
    ------
    ConfigError
        Where it is not such a list; the message shows no key.
    """
    found: list[PhoneKey] = []
    lines = re.split(r"[\n,]", text)
    for number, line in enumerate(lines, 1):
        words = line.partition("#")[0].split()
        if not words:
            continue
        if len(words) != 2 or not _KEY_ID.fullmatch(words[0]):
            raise ConfigError(f"{source}: entry {number} is not an id and a key")
        try:
            secret = base64.b64decode(words[1], validate=True)
        except ValueError:
            raise ConfigError(f"{source}: entry {number} is not base64") from None
        if len(secret) != KEY_BYTES:
            raise ConfigError(f"{source}: key {words[0]} has {len(secret)} bytes, wanted 32")
        if any(key.key_id == words[0] for key in found):
            raise ConfigError(f"{source}: key {words[0]} stands twice")
        found.append(PhoneKey(words[0], secret))
    if not found:
        raise ConfigError(f"{source}: there is no key in it")
    return PhoneKeys(tuple(found))


def keys_text(keys: PhoneKeys) -> str:
    """Keys as their file holds them."""
    lines = [f"{k.key_id} {base64.b64encode(k.secret).decode('ascii')}\n" for k in keys.keys]
    return "# Keys of phone numbers. The first encrypts. Keep a copy apart from the database.\n" + (
        "".join(lines)
    )
