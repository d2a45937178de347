"""Ids of the second and further duties of a person: made of theirs, the unit and the role."""

from jinghu.warnings.levels import Role


def duty_id(holder: str, unit_code: str, role: Role) -> str:
    """Id of another duty of somebody.

    >>> duty_id("P1", "330602001001", Role.VILLAGE_HEAD)
    'P1/330602001001/village_head'
    """
    return f"{holder}/{unit_code}/{role.value}"


def holder_of(duty: str) -> str:
    """Id of who holds a duty; that of a main duty is their own.

    >>> holder_of("P1/330602001001/village_head"), holder_of("P1")
    ('P1', 'P1')
    """
    holder, _, rest = duty.rpartition("/")
    holder, _, unit = holder.rpartition("/")
    return holder if holder and unit.isdigit() and rest in set(Role) else duty
