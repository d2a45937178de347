"""The dispatch panel in a real browser: a wish, its outcome, a refusal, two scenarios compared."""

import asyncio
import os
from pathlib import Path

import pytest
from tests.api.conftest import TIME, key_for, make_settings, publish_cycle, warn_people
from tests.browser.cdp import CHROMIUM, Page, chromium
from tests.browser.serving import served

from jinghu.api.app import create_app
from jinghu.api.dispatch_schemas import (
    DispatchAnswer,
    DispatchRequest,
    GaugeOutcome,
    Proposal,
    ProposedReservoir,
    Quantiles,
    ReservoirOutcome,
    Unmet,
)
from jinghu.api.schemas import Series
from jinghu.grid.errors import ConfigError
from jinghu.warnings.keys import Scope

pytestmark = pytest.mark.skipif(
    not Path(CHROMIUM).exists(), reason="there is no Chromium on this machine"
)
SHOTS = os.environ.get("JINGHU_SCREENSHOTS")  # a folder for those who want to look


def spread(values, by):
    return Quantiles(low=[v - by for v in values], median=values, high=[v + by for v in values])


class Dispatching:
    """Answers as the model would: what is released less goes up in the pool, down the river."""

    def __init__(self) -> None:
        self.asked: list[DispatchRequest] = []

    def __call__(self, request: DispatchRequest) -> DispatchAnswer:
        self.asked.append(request)
        if any(c.aim_level_m == 500 for c in request.constraints):
            raise ConfigError(
                "constraints: changzhao: level 500 m is none of this reservoir, whose pool reaches"
                " from 67 m to the crest at 135 m"
            )
        released = request.schedules[0].releases[0].m3_s if request.schedules else 50.0
        times = [TIME.replace(hour=17 + k, minute=30) for k in range(6)]
        before, level = [121.0] * 6, [121.0 + k * (100 - released) / 100 for k in range(6)]
        flow = [500.0 + released] * 6
        proposal = None
        if request.propose is not None:
            plan = Series(times=times[:2], values=[30.0, 60.0])
            one = ProposedReservoir(
                reservoir="changzhao",
                releases=plan,
                binding=[["downstream 嵊州", "change"], []],
                over_m3=0,
            )
            proposal = Proposal(
                worst_share=0.9, simulated_share=0.91, share_before=1.2, reservoirs=[one]
            )
        pool = ReservoirOutcome(
            id="changzhao",
            name_zh="长诏水库",
            name_en="Changzhao",
            datum="generated levels",
            source="generated",
            flood_limit_m=121.0,
            crest_level_m=135.0,
            inflow_m3_s=[100.0] * 6,
            inflow_after_m3_s=spread([100.0] * 6, 20),
            level_before_m=before,
            level_before_spread_m=spread(before, 0.2),
            outflow_before_m3_s=[100.0] * 6,
            outflow_before_spread_m3_s=spread([100.0] * 6, 10),
            free_storage_before_m3=[2e7] * 6,
            free_storage_m3=spread([2e7 - 1e4 * k for k in range(6)], 1e5),
            level_m=spread(level, 0.3),
            outflow_m3_s=spread([released] * 6, 0),
            rule=["schedule"] * 3 + ["safe-release"] * 3,
            highest_before_m=121.0,
            highest_m=max(level),
        )
        river = GaugeOutcome(
            id="0",
            name_zh="嵊州",
            name_en="Shengzhou",
            discharge_before_m3_s=[600.0] * 6,
            discharge_before_spread_m3_s=spread([600.0] * 6, 50),
            discharge_m3_s=spread(flow, 50),
            level_before_m=[7.0] * 6,
            level_before_spread_m=spread([7.0] * 6, 0.5),
            level_m=spread([v / 85 for v in flow], 0.5),
            peak_before_m3_s=600.0,
            peak_m3_s=max(flow),
        )
        missed = Unmet(
            reservoir="changzhao",
            since=times[3],
            until=times[5],
            asked_m3_s=released,
            released_m3_s=500.0,
            rule="safe-release",
        )
        return DispatchAnswer(
            cycle="20190809T1630Z",
            time=TIME,
            times=times,
            members=24 if request.members else 0,
            terrain_source="generated",
            terrain_generated=True,
            rule_names={"schedule": "给定下泄过程", "safe-release": "安全泄量"},
            reservoirs=[pool],
            gauges=[river],
            unmet=[missed] if released > 500 else [],
            proposal=proposal,
            degradations=[],
            seconds=2.5,
        )


def test_a_forecaster_plans_a_release(tmp_path):
    settings = make_settings(tmp_path)
    warn_people(settings, publish_cycle(settings, TIME), TIME)
    key = key_for(settings, Scope.WATER)["Authorization"].split()[1]
    dispatching = Dispatching()
    with served(create_app(settings, lambda: TIME, dispatching)) as address:
        asyncio.run(work(address, tmp_path / "profile", key, dispatching))


async def work(address: str, profile: Path, key: str, dispatching: Dispatching) -> None:
    async with chromium(profile) as page:
        await page.open(f"{address}/#tab=dispatch")
        await page.until("document.querySelector('[data-part=now] svg')")
        assert await page.evaluate("document.querySelector('[data-do=run]')") is None
        assert "请登录" in await panel(page)
        await page.evaluate(f"sessionStorage.setItem('jinghu-key', {key!r})")
        await page.open(f"{address}/#tab=dispatch")
        await page.until("document.querySelector('[data-do=run]')")
        await page.until("document.querySelector('[data-part=now] svg')")
        await the_reservoir_as_it_is(page)
        await a_schedule_is_run_and_kept(page, dispatching)
        await what_is_impossible_is_refused(page, dispatching)
        await a_proposal_names_what_binds(page, dispatching)
        await two_scenarios_are_compared(page)
        assert [p for p in page.problems if "422" not in p] == []
        nameless = """[...document.querySelectorAll('#panel button, #panel input, #panel select')]
            .filter((e) => !(e.textContent.trim() || e.getAttribute('aria-label'))).length"""
        assert await page.evaluate(nameless) == 0


async def the_reservoir_as_it_is(page: Page) -> None:
    text = await panel(page)
    for words in (
        "长诏水库",
        "水位",
        "汛限水位",
        "121.00 m",
        "入库",
        "剩余库容",
        "generated levels",
    ):
        assert words in text
    assert await page.evaluate("document.querySelectorAll('[data-part=now] svg').length") == 2


async def a_schedule_is_run_and_kept(page: Page, dispatching: Dispatching) -> None:
    await page.evaluate("document.querySelector('[data-do=add]').click()")
    clocks = "[...document.querySelectorAll('[data-part=clock]')].map((e) => e.textContent)"
    assert await page.evaluate(clocks) == ["08-10 00:30", "08-10 03:30"]
    await fill(page, release="800", max_stage="6.5", title="先拦后泄")
    await do(page, "run", "document.querySelector('[data-part=result] svg')")
    asked = dispatching.asked[-1]
    assert [(s.since, s.m3_s) for s in asked.schedules[0].releases] == [(TIME, 800.0)]
    assert asked.constraints[0].gauge_limits[0].max_level_m == 6.5
    assert asked.save_as == "先拦后泄"
    text = await panel(page)
    for words in ("24 个集合成员", "未能照办", "受制于 安全泄量", "已存为", "嵊州", "1300", "+700"):
        assert words in text
    bands = "document.querySelectorAll('[data-part=result] path.band').length"
    assert await page.evaluate(bands) == 6  # level, outflow and stage, each before and after
    rules = "document.querySelector('[data-list=rules]').textContent"
    assert "08-10 01:30 给定下泄过程08-10 04:30 安全泄量" in await page.evaluate(rules)
    await shot(page, "dispatch-run")


async def what_is_impossible_is_refused(page: Page, dispatching: Dispatching) -> None:
    said = "document.querySelector('.dispatch [role=alert]').textContent"
    await fill(page, aim_level="500")
    await do(page, "run", said)
    assert (await page.evaluate(said)).startswith("长诏水库：目标水位 500 m 做不到")
    count = len(dispatching.asked)
    await fill(page, aim_level="", release="-3")
    await do(page, "run", f"{said}.includes('下泄')")
    await fill(page, release="", safe_flow="")
    await do(page, "propose", f"{said}.includes('安全流量')")
    assert len(dispatching.asked) == count  # not even asked


async def a_proposal_names_what_binds(page: Page, dispatching: Dispatching) -> None:
    await fill(page, safe_flow="650", max_stage="", title="优化")
    await do(page, "propose", "document.querySelector('[data-plan=changzhao]')")
    asked = dispatching.asked[-1]
    assert asked.propose is not None
    assert (asked.propose.controls[0].gauge, asked.propose.controls[0].safe_m3_s) == ("嵊州", 650)
    assert (asked.schedules, asked.constraints) == ([], [])
    text = await panel(page)
    for words in ("91%", "120%", "嵊州控制流量、泄量变幅"):
        assert words in text
    await shot(page, "dispatch-proposal")


async def two_scenarios_are_compared(page: Page) -> None:
    await page.until("document.querySelectorAll('[data-field=scenario-first] option').length === 2")
    await do(page, "compare", "document.querySelector('.key.second')")
    text = await page.evaluate("document.querySelector('[data-part=result]').textContent")
    for words in ("甲 优化", "乙 先拦后泄", "−750"):
        assert words in text
    await shot(page, "dispatch-compare")


async def panel(page: Page) -> str:
    return str(await page.evaluate("document.getElementById('panel').textContent"))


async def fill(page: Page, **fields: str) -> None:
    for name, value in fields.items():
        await page.evaluate(f"document.querySelector('[data-field={name}]').value = {value!r}")


async def do(page: Page, what: str, until: str) -> None:
    await page.evaluate(f"document.querySelector('[data-do={what}]').click()")
    await page.until(until)


async def shot(page: Page, name: str) -> None:
    if SHOTS:
        (Path(SHOTS) / f"{name}.png").write_bytes(await page.screenshot())
