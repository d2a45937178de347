"""A message as the outbox words it, for tests of channels."""

from jinghu.warnings.levels import Hazard, Level, Role
from jinghu.warnings.outgoing import Content, Outgoing

CONTENT = Content(
    kind="warning.issued",
    alert="rainstorm-330602-20260701T0006Z-001",
    event="rainstorm-330602-20260701T0006Z",
    status="Actual",
    hazard=Hazard.RAINSTORM,
    level=Level.RED,
    sent="2026-07-01T00:06:00Z",
    expires="2026-07-01T03:06:00Z",
    person="P5",
    name="张三",
    role=Role.VILLAGE_HEAD,
    unit_code="330602001001",
    unit_name="第5村",
    cell_id=5,
    headline_zh="越城区发布暴雨红色预警",
    headline_en="Yuecheng: red rainstorm warning issued",
    text_zh='【暴雨红色预警】第5村："立即"转移 & 撤离。',
    text_en="Red rainstorm warning at your place: move now.",
    answer_url="https://jinghu.example/t/abc.def",
)
MESSAGE = Outgoing(1, "sms", "msg_1", 1, CONTENT)
