"""Numbers and addresses of an installation: the encrypted ones of its database, then a file's."""

from dataclasses import dataclass

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from jinghu.configs.settings import Settings
from jinghu.grid.errors import DeliveryError
from jinghu.people import phone_keys_of
from jinghu.warnings.contacts import NOBODY, ContactKind, Contacts, read_contacts
from jinghu.warnings.database import connect, one_line, reading
from jinghu.warnings.people import phone_of
from jinghu.warnings.phones import PhoneKeys


@dataclass(frozen=True, slots=True)
class StoredNumbers:
    """Numbers of the warnings database, opened one by one when a message goes out.

    Whom the database has no number of is looked up among the others.
    """

    engine: Engine
    keys: PhoneKeys
    others: Contacts

    def find(self, person: str, kind: ContactKind) -> str | None:
        """Return that of a person, None where there is none.

        Raises
        ------
        DeliveryError
            Where the database cannot be read now.
        """
        if kind is ContactKind.PHONE:
            try:
                with reading(self.engine) as connection:
                    found = phone_of(connection, self.keys, person)
            except SQLAlchemyError as error:
                raise DeliveryError(
                    f"warnings database: {one_line(error)}", retryable=True
                ) from None
            if found is not None:
                return found
        return self.others.find(person, kind)


def contacts_of(settings: Settings) -> Contacts:
    """Numbers and addresses that the settings name.

    Raises
    ------
    ConfigError
        Where the keys of the numbers are configured and cannot be read.
    DataError
        Where the file is not one of numbers and addresses.
    """
    warnings = settings.warnings
    file: Contacts = NOBODY if warnings.contacts is None else read_contacts(warnings.contacts)
    keys = phone_keys_of(settings)
    return file if keys is None else StoredNumbers(connect(warnings.database), keys, file)
