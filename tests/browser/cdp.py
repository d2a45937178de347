"""A headless Chromium spoken to through its DevTools protocol: just what the tests need."""

import asyncio
import base64
import contextlib
import os
import shutil
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp

CHROMIUM = shutil.which("chromium") or "/usr/bin/chromium"
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--remote-debugging-port=0",
    "--hide-scrollbars",
)
START_S = 30.0


class Page:
    """One page: what it logged, what it asked for, and what it shows."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._number = 0
        self._waiting: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self.problems: list[str] = []
        self.requests: list[str] = []

    async def listen(self) -> None:
        """Sort what comes in: answers to commands, and events."""
        async for message in self._socket:
            data = message.json()
            if "id" in data:
                self._waiting.pop(data["id"]).set_result(data)
                continue
            params = data.get("params", {})
            match data.get("method"):
                case "Network.requestWillBeSent":
                    self.requests.append(params["request"]["url"])
                case "Runtime.exceptionThrown":
                    self.problems.append(str(params["exceptionDetails"]))
                case "Runtime.consoleAPICalled" if params["type"] in ("error", "warning"):
                    self.problems.append(str(params["args"]))
                case "Log.entryAdded" if params["entry"]["level"] in ("error", "warning"):
                    self.problems.append(f"{params['entry']['text']} {params['entry'].get('url')}")

    async def send(self, method: str, **params: Any) -> dict[str, Any]:
        """Run one command of the protocol."""
        self._number += 1
        future = asyncio.get_running_loop().create_future()
        self._waiting[self._number] = future
        await self._socket.send_json({"id": self._number, "method": method, "params": params})
        answer = await asyncio.wait_for(future, START_S)
        if "error" in answer:
            raise AssertionError(f"{method}: {answer['error']}")
        result: dict[str, Any] = answer["result"]
        return result

    async def evaluate(self, expression: str) -> Any:
        """Value of a JavaScript expression, awaited where it is a promise."""
        result = await self.send(
            "Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True
        )
        if "exceptionDetails" in result:
            raise AssertionError(f"{expression}: {result['exceptionDetails']}")
        return result["result"].get("value")

    async def until(self, expression: str, seconds: float = 20.0) -> Any:
        """Wait for an expression to be true; the page itself looks at every drawn frame."""
        script = f"""new Promise((resolve, reject) => {{
            const end = performance.now() + {seconds * 1000};
            const look = () => {{
                let value; try {{ value = {expression}; }} catch (error) {{ value = false; }}
                if (value) resolve(value);
                else if (performance.now() > end) reject(new Error("never true"));
                else setTimeout(look, 30);
            }};
            look();
        }})"""
        return await self.evaluate(script)

    async def key(self, key: str, modifiers: int = 0) -> None:
        """Press and release a key."""
        for kind in ("rawKeyDown", "keyUp"):
            await self.send("Input.dispatchKeyEvent", type=kind, key=key, modifiers=modifiers)

    async def click(self, x: float, y: float) -> None:
        """Click at a place of the window."""
        await self.send("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)
        for kind in ("mousePressed", "mouseReleased"):
            await self.send(
                "Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1
            )

    async def open(self, url: str) -> None:
        """Go to an address; a change of the fragment alone loads as well."""
        await self.send("Page.navigate", url="about:blank")
        await self.send("Page.navigate", url=url)

    async def screenshot(self) -> bytes:
        """PNG of the window."""
        shot = await self.send("Page.captureScreenshot", format="png")
        return base64.b64decode(shot["data"])


@contextlib.asynccontextmanager
async def chromium(folder: Path, width: int = 1366, height: int = 800) -> AsyncIterator[Page]:
    """Start Chromium with a fresh profile in ``folder``, and stop it with all its children."""
    process = await asyncio.create_subprocess_exec(
        CHROMIUM,
        *FLAGS,
        f"--user-data-dir={folder}",
        f"--window-size={width},{height}",
        "about:blank",
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
        start_new_session=True,
    )
    try:
        port = await asyncio.wait_for(_port(process), START_S)
        async with aiohttp.ClientSession() as session:
            async with session.get(f"http://127.0.0.1:{port}/json") as answer:
                targets = await answer.json()
            target = next(t for t in targets if t["type"] == "page")
            socket = await session.ws_connect(target["webSocketDebuggerUrl"], max_msg_size=0)
            page = Page(socket)
            listener = asyncio.create_task(page.listen())
            for domain in ("Page", "Runtime", "Network", "Log"):
                await page.send(f"{domain}.enable")
            await page.send(
                "Emulation.setDeviceMetricsOverride",
                width=width,
                height=height,
                deviceScaleFactor=1,
                mobile=False,
            )
            yield page
            await socket.close()
            await listener
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()
        if process.stderr is not None:
            await process.stderr.read()


async def _port(process: asyncio.subprocess.Process) -> int:
    """Port that Chromium says it listens on."""
    assert process.stderr is not None
    while line := await process.stderr.readline():
        if b"DevTools listening on ws://" in line:
            return int(line.split(b"//")[1].split(b"/")[0].rsplit(b":", 1)[1])
    raise AssertionError("Chromium ended before it listened")
