"""A closed service in a real browser: sign in with a key, see what waits, be the second person."""

import asyncio
import contextlib
import os
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select
from tests.api.conftest import TIME, WET, key_for, make_settings, publish_cycle, warn_people
from tests.browser.cdp import CHROMIUM, Page, chromium
from tests.browser.serving import served

from jinghu.api.app import create_app
from jinghu.api.desk import Desk
from jinghu.configs.settings import CONFIGS
from jinghu.warnings.database import open_database, reading
from jinghu.warnings.decisions import decide_hold
from jinghu.warnings.holds import Hold, HoldKind
from jinghu.warnings.keys import Scope
from jinghu.warnings.levels import Hazard, Level
from jinghu.warnings.office import Office
from jinghu.warnings.rules import load_rules
from jinghu.warnings.tables import alert
from jinghu.warnings.units import load_units

pytestmark = pytest.mark.skipif(
    not Path(CHROMIUM).exists(), reason="there is no Chromium on this machine"
)
SHOTS = os.environ.get("JINGHU_SCREENSHOTS")  # a folder for those who want to look


def office_of(settings):
    spec, city = settings.grid.product(), settings.city
    units = load_units(city.boundaries, city.code, spec)
    approvals = {Hazard.RAINSTORM: load_rules(CONFIGS / "rules" / "rainstorm.yaml").approvals}
    names = ("绍兴市", "Shaoxing", "jinghu@test.example", "Test")
    return Office(spec, units, *names, ("webhook",), approvals=approvals)


def test_signed_in_and_the_second_person(tmp_path):
    open_settings = make_settings(tmp_path)
    api = open_settings.api.model_copy(update={"require_key": True})
    settings = open_settings.model_copy(update={"api": api})
    warn_people(settings, publish_cycle(settings, TIME), TIME)
    office = office_of(settings)
    engine = open_database(settings.warnings.database)
    author, until = "jh_live_first 王预报员", TIME + timedelta(hours=3)
    cell = WET[0] * 12 + WET[1]
    red = Hold(
        Hazard.RAINSTORM, "330683", "", HoldKind.AT_LEAST, Level.RED, "上游溃口，来水猛涨", author,
        until, (cell,),
    )  # fmt: skip
    with engine.begin() as connection:
        decide_hold(connection, office, red, None, TIME)
    key = key_for(settings, Scope.APPROVER, "330600", "李局长")["Authorization"].split()[1]
    app = create_app(settings, lambda: TIME, desk=Desk(lambda: office, lambda: None))
    with served(app) as address:
        asyncio.run(look(address, tmp_path / "profile", key))
    with reading(engine) as connection:
        levels = connection.execute(select(alert.c.level).order_by(alert.c.alert_id)).scalars()
        assert list(levels)[-1] == 4
    engine.dispose()


async def look(address: str, profile: Path, key: str) -> None:
    async with chromium(profile) as page:
        await page.open(f"{address}/")
        await page.until("document.getElementById('signin').open")
        await shot(page, "signin")
        await enter(page, "jh_live_wrong")
        await page.until(says("#signin [role=alert]", "not known"))
        await enter(page, key)
        await loaded(page, "document.body.dataset.cycle === '20190809T1630Z'")
        await page.until("document.body.dataset.frame.endsWith('/rate/20190809T1630Z')")
        assert "李局长 退出" in await page.evaluate("document.getElementById('who').textContent")
        await page.evaluate("document.querySelector('#tabs [data-tab=proposals]').click()")
        card = await page.until("document.querySelector('[data-proposal]')?.textContent")
        for words in ("暴雨红色", "嵊州市", "王预报员", "上游溃口", "5 分钟后", "自动执行"):
            assert words in card
        await shot(page, "proposals")
        await page.evaluate("document.querySelector('[data-answer=reject]').click()")
        await page.until(says("[data-proposal] [role=alert]", "reason"))
        await page.evaluate("document.querySelector('[data-answer=approve]').click()")
        await page.until(says("#panel", "没有待审批"))
        await page.evaluate("document.querySelector('#tabs [data-tab=warnings]').click()")
        await page.until(says("#panel", "暴雨红色"))
        await shot(page, "approved")
        assert all("Authorization" not in url and key not in url for url in page.requests)
        refused = [p for p in page.problems if "401" not in p and "422" not in p]
        assert refused == []
        await page.evaluate("setTimeout(() => document.getElementById('who').click())")
        await loaded(page, "document.getElementById('signin').open")
        assert await page.evaluate("sessionStorage.length") == 0


def says(where: str, words: str) -> str:
    return f"document.querySelector('{where}').textContent.includes('{words}')"


async def loaded(page: Page, expression: str) -> None:
    """Wait for something after the page loads itself anew, which takes away what looks at it."""
    for _ in range(100):
        with contextlib.suppress(AssertionError):
            if await page.evaluate(expression):
                return
        await asyncio.sleep(0.1)
    raise AssertionError(f"never true: {expression}")


async def enter(page: Page, key: str) -> None:
    await page.evaluate(f"document.getElementById('api-key').value = {key!r}")
    await page.evaluate("document.querySelector('#signin [type=submit]').click()")


async def shot(page: Page, name: str) -> None:
    if SHOTS:
        (Path(SHOTS) / f"{name}.png").write_bytes(await page.screenshot())
