"""The page in a real browser: what a forecaster does, and what the page must never do."""

import asyncio
import contextlib
import io
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pytest
from PIL import Image
from tests.api.conftest import (
    TIME,
    Site,
    make_settings,
    publish_cycle,
    warn_people,
)
from tests.browser.cdp import CHROMIUM, Page, chromium
from tests.browser.serving import served

from jinghu.api.app import create_app

pytestmark = pytest.mark.skipif(
    not Path(CHROMIUM).exists(), reason="there is no Chromium on this machine"
)
CANVAS = "document.getElementById('lines').getBoundingClientRect()"


@pytest.fixture(scope="module")
def address(tmp_path_factory) -> Iterator[str]:
    """Address of a real server on a free loopback port."""
    settings = make_settings(tmp_path_factory.mktemp("browser"))
    warn_people(settings, publish_cycle(settings, TIME), TIME)
    site = Site(settings, TIME)
    with served(create_app(settings, lambda: site.now)) as found:
        yield found


@contextlib.asynccontextmanager
async def opened(address: str, profile: Path, fragment: str = "") -> AsyncIterator[Page]:
    async with chromium(profile) as page:
        await page.open(f"{address}/{fragment}")
        await page.until("document.body.dataset.cycle === '20190809T1630Z'")
        yield page
        assert page.problems == []
        hosts = {urlsplit(url).netloc for url in page.requests if url.startswith("http")}
        assert hosts == {urlsplit(address).netloc}


async def place_of_cell(page: Page, column: float, row: float) -> tuple[float, float]:
    """Window pixels of a place of the 12 x 10 grid, which `9` shows whole."""
    await page.evaluate("document.getElementById('zoom-all').click()")
    box = await page.evaluate(f"(b => [b.left, b.top, b.width, b.height])({CANVAS})")
    k = min(box[2] / 12, box[3] / 10) / 1.03
    return box[0] + box[2] / 2 + (column - 6) * k, box[1] + box[3] / 2 - (row - 5) * k


def test_a_forecaster_at_work(address, tmp_path):
    async def work() -> None:
        async with opened(address, tmp_path) as page:
            await keys_move_the_time(page)
            await layers_change(page)
            await warnings_are_listed(page)
            await a_click_opens_the_point(page)
            await gauges_show_their_flow(page)
            await floods_are_listed_by_river(page)
            await the_sheet_of_keys(page)

    asyncio.run(work())


async def keys_move_the_time(page: Page) -> None:
    await page.until("document.body.dataset.frame.endsWith('/rate/20190809T1630Z')")
    await page.key("ArrowRight")
    await page.until("document.body.dataset.frame.endsWith('/rate/20190809T1636Z')")
    assert "预报" in await page.evaluate("document.getElementById('valid').textContent")
    await page.key("End")
    await page.until("document.body.dataset.frame.endsWith('/rate/20190809T1930Z')")
    await page.key("Home")
    await page.until("document.body.dataset.frame.endsWith('/rate/20190809T1624Z')")
    assert "实况" in await page.evaluate("document.getElementById('valid').textContent")
    await page.key(" ")  # play
    await page.until("document.body.dataset.frame.endsWith('/rate/20190809T1642Z')")
    await page.key(" ")
    await page.key("n")
    await page.until("document.body.dataset.frame.endsWith('/rate/20190809T1630Z')")


async def layers_change(page: Page) -> None:
    await page.key("3")
    await page.until("document.body.dataset.frame.includes('/amount_3h/')")
    assert "3小时雨量" in await page.evaluate("document.getElementById('legend').textContent")
    await page.key("9")
    await page.until("document.body.dataset.frame.includes('/state/')")
    for words in ("缺测", "遮挡", "过时", "填补"):
        assert words in await page.evaluate("document.getElementById('legend').textContent")
    await page.key("1")
    await page.until("document.body.dataset.frame.includes('/rate/')")


async def warnings_are_listed(page: Page) -> None:
    text = await page.evaluate("document.querySelector('.card').textContent")
    for words in ("暴雨橙色", "嵊州市", "Shengzhou", "立即转移", "应知 1 人"):
        assert words in text
    await page.evaluate("document.querySelector('.card').click()")
    await page.until("document.querySelector('.card').getAttribute('aria-pressed') === 'true'")
    await page.until("location.hash.includes('warning=rainstorm-330683')")
    banner = await page.evaluate("document.getElementById('banners').textContent")
    assert "测试" in banner
    assert "生成的地形" in banner


async def a_click_opens_the_point(page: Page) -> None:
    x, y = await place_of_cell(page, 6.5, 5.5)
    await page.click(x, y)
    await page.until("document.getElementById('panel').textContent.includes('最近测站')")
    # Rain, five windows, flow and stage of the nearest gauge.
    assert await page.evaluate("document.querySelectorAll('#panel svg.chart').length") == 8
    text = await page.evaluate("document.getElementById('panel').textContent")
    for words in ("嵊州市", "66", "有雨", "橙色", "最近测站", "嵊州", "生成的地形"):
        assert words in text
    readout = await page.evaluate("document.getElementById('readout').textContent")
    for words in ("mm/h", "质量 0.80", "有雨", "网格 66", "嵊州市"):
        assert words in readout


async def gauges_show_their_flow(page: Page) -> None:
    await page.key("g")
    await page.until("document.querySelectorAll('#panel tbody tr').length === 2")
    await page.evaluate("document.querySelector('[data-gauge]').click()")
    await page.until("document.querySelector('#panel svg.chart')")
    assert "500" in await page.evaluate("document.getElementById('panel').textContent")


async def floods_are_listed_by_river(page: Page) -> None:
    """Reach 12 flows into reach 13: one row, the worse of them."""
    await page.key("f")
    await page.until("document.getElementById('panel').textContent.includes('临界雨量')")
    assert await page.evaluate("document.querySelectorAll('#panel tbody tr').length") == 1
    text = await page.evaluate("document.querySelector('#panel tbody tr').textContent")
    for words in ("河段 12", "等 2 段", "1.24", "50 70 100", "8.0", "02:00"):
        assert words in text
    assert "山洪 1" in await page.evaluate("document.getElementById('tabs').textContent")
    await page.evaluate("document.querySelector('[data-reach]').click()")
    await page.until("document.querySelector('#panel tr[aria-selected=true]') !== null")


async def the_sheet_of_keys(page: Page) -> None:
    await page.key("?")
    await page.until("document.getElementById('keys').open")
    await page.key("Escape")


def test_the_picture_and_the_address(address, tmp_path):
    async def look() -> None:
        async with opened(address, tmp_path / "a") as page:
            x, y = await place_of_cell(page, 6.5, 5.5)
            await page.key("ArrowRight")
            await page.until("location.hash.includes('frame=20190809T1636Z')")
            await page.until("location.hash.includes('view=')")
            picture = np.asarray(Image.open(io.BytesIO(await page.screenshot())).convert("RGB"))
            # 20 mm/h is blue on the national rain maps (15 to 25): #2c5cff, nearly opaque.
            around = picture[int(y) - 8 : int(y) + 8, int(x) - 8 : int(x) + 8].reshape(-1, 3)
            assert np.abs(np.median(around, axis=0) - (0x2C, 0x5C, 0xFF)).max() < 30
            assert len(np.unique(picture.reshape(-1, 3), axis=0)) > 200
            fragment = await page.evaluate("location.hash")
            shown = await page.evaluate("document.getElementById('valid').textContent")
        async with opened(address, tmp_path / "b", fragment) as page:
            assert await page.evaluate("document.getElementById('valid').textContent") == shown
            await page.until(f"location.hash === {fragment!r}")

    asyncio.run(look())


def test_everything_has_a_name_for_those_who_do_not_see(address, tmp_path):
    nameless = """[...document.querySelectorAll('button, input, [role=tab], [role=radio]')]
        .filter((e) => !(e.textContent.trim() || e.getAttribute('aria-label'))).length"""

    async def look() -> None:
        async with opened(address, tmp_path) as page:
            assert await page.evaluate(nameless) == 0
            assert await page.evaluate("document.documentElement.lang") == "zh-CN"
            spoken = "document.getElementById('slider').getAttribute('aria-valuetext')"
            assert "实况" in await page.evaluate(spoken)

    asyncio.run(look())
