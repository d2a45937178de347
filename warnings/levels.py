"""Levels, hazards and roles: the fixed words of Chinese warnings, Chinese first."""

from enum import IntEnum, StrEnum


class Level(IntEnum):
    """Warning level; the order is that of danger."""

    NONE = 0
    BLUE = 1
    YELLOW = 2
    ORANGE = 3
    RED = 4

    @property
    def zh(self) -> str:
        """Chinese name."""
        return ("无", "蓝色", "黄色", "橙色", "红色")[self]

    @property
    def en(self) -> str:
        """English name."""
        return self.name.lower()

    @property
    def cap_severity(self) -> str:
        """CAP severity: blue Minor, yellow Moderate, orange Severe, red Extreme."""
        return ("Unknown", "Minor", "Moderate", "Severe", "Extreme")[self]


class Hazard(StrEnum):
    """What is warned of."""

    RAINSTORM = "rainstorm"
    RIVER_FLOOD = "river_flood"
    RESERVOIR = "reservoir"
    MOUNTAIN_TORRENT = "mountain_torrent"
    GALE = "gale"
    HIGH_TEMPERATURE = "high_temperature"

    @property
    def zh(self) -> str:
        """Chinese name."""
        return {
            "rainstorm": "暴雨",
            "river_flood": "洪水",
            "reservoir": "水库高水位",
            "mountain_torrent": "山洪灾害",
            "gale": "大风",
            "high_temperature": "高温",
        }[self.value]

    @property
    def en(self) -> str:
        """English name."""
        return {
            "rainstorm": "rainstorm",
            "river_flood": "river flood",
            "reservoir": "high reservoir",
            "mountain_torrent": "mountain torrent",
            "gale": "gale",
            "high_temperature": "high temperature",
        }[self.value]

    @property
    def has_subject(self) -> bool:
        """Whether its events are about a gauge or reservoir; the others are about a county."""
        return self in (Hazard.RIVER_FLOOD, Hazard.RESERVOIR)

    @property
    def of_weather(self) -> bool:
        """Whether the meteorological bureau warns of it; the others are of the water bureau."""
        return self in (Hazard.RAINSTORM, Hazard.GALE, Hazard.HIGH_TEMPERATURE)

    @property
    def event_code(self) -> str | None:
        """Code of the national early-warning platform (11B03 = rainstorm), where one is known."""
        return {"rainstorm": "11B03", "gale": "11B06", "high_temperature": "11B09"}.get(self.value)

    @property
    def issuer_zh(self) -> str:
        """Who warns of it in a city, in Chinese."""
        return "气象局" if self.of_weather else "水利局"

    @property
    def issuer_en(self) -> str:
        """Who warns of it in a city, in English."""
        return "Meteorological Bureau" if self.of_weather else "Water Resources Bureau"


class Tier(IntEnum):
    """Levels of responsibility, nearest first; ``digits`` of the unit code name a unit of it."""

    GRID = 0
    VILLAGE = 1
    TOWN = 2
    COUNTY = 3
    CITY = 4

    @property
    def zh(self) -> str:
        """Chinese name."""
        return ("网格", "村（社区）", "镇街", "县（市、区）", "市")[self]

    @property
    def en(self) -> str:
        """English name."""
        return self.name.lower()

    @property
    def digits(self) -> int:
        """Leading digits of a unit code (GB/T 2260 and its 12-digit extension; a grid has all)."""
        return (16, 12, 9, 6, 4)[self]


class Role(StrEnum):
    """Who is told, nearest first: the Fengqiao order."""

    GRID_OFFICER = "grid_officer"
    VILLAGE_HEAD = "village_head"
    RESERVOIR_WARDEN = "reservoir_warden"
    TOWN_DUTY = "town_duty"
    COUNTY_DUTY = "county_duty"
    CITY_DUTY = "city_duty"

    @property
    def tier(self) -> Tier:
        """Level of responsibility."""
        return {
            "grid_officer": Tier.GRID,
            "reservoir_warden": Tier.GRID,
            "village_head": Tier.VILLAGE,
            "town_duty": Tier.TOWN,
            "county_duty": Tier.COUNTY,
            "city_duty": Tier.CITY,
        }[self.value]

    @property
    def zh(self) -> str:
        """Chinese name."""
        return {
            "grid_officer": "网格员",
            "village_head": "村（社区）负责人",
            "reservoir_warden": "水库巡查员",
            "town_duty": "镇街值班",
            "county_duty": "县级值班",
            "city_duty": "市级值班",
        }[self.value]


class Action(StrEnum):
    """What a message does to its event (NWSI 10-1703 words)."""

    NEW = "NEW"
    CONTINUE = "CON"
    EXTEND_AREA = "EXA"
    UPGRADE = "UPG"
    DOWNGRADE = "DNG"
    CANCEL = "CAN"
    EXPIRE = "EXP"

    @property
    def cap_type(self) -> str:
        """CAP msgType."""
        if self is Action.NEW:
            return "Alert"
        return "Cancel" if self is Action.CANCEL else "Update"

    @property
    def zh(self) -> str:
        """Chinese word for headlines."""
        return {
            "NEW": "发布",
            "CON": "继续发布",
            "EXA": "扩大范围发布",
            "UPG": "升级为",
            "DNG": "降级为",
            "CAN": "解除",
            "EXP": "到期解除",
        }[self.value]
