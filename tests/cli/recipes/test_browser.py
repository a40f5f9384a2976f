"""The printed beacon in a real browser: a page reads streams through nginx, and nginx logs what was painted of them."""

import asyncio
import json
import os
import shutil
from collections import defaultdict
from pathlib import Path

import pytest
from playwright.async_api import BrowserContext, Page, Route, async_playwright

from tests.cli.recipes.proxies import serve
from tests.cli.running import Cli
from tests.edge.upstream import Answer, Upstream
from tests.support import Record

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
ANSWER = Answer(events=30, first_ms=60, gap_ms=20)
PAGE = """<!doctype html><meta charset="utf-8"><p id="out"></p><script type="module">
import { recordRendering } from "/streamaudit-browser.js";
// What was painted counts from the frame after it.
const nextFrame = () => new Promise((resolve) => requestAnimationFrame(() => setTimeout(resolve)));
window.ask = async (id, query, stopAfter, untold) => {
  const shown = recordRendering(id), control = new AbortController();
  let held = "", pieces = 0;
  try {
    const answer = await fetch(`/chat?${query}`, { headers: { "X-Request-Id": id }, signal: control.signal });
    const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
    for (let one; !(one = await reader.read()).done;) {
      held += one.value;
      const events = held.split("\\n\\n");
      held = events.pop();
      for (const event of events) {
        const text = event === "data: [DONE]" ? "" : JSON.parse(event.slice(6)).choices[0].delta.content;
        if (!text) continue;
        document.getElementById("out").textContent += text;
        if (!untold || pieces < untold) shown.paint(text, 1); else shown.paint(text);
        if (++pieces === stopAfter) { await nextFrame(); await nextFrame(); control.abort(); }
      }
    }
    shown.done();
  } catch { shown.done(control.signal.aborted ? "stop" : "error"); }
  return pieces;
};
window.unpainted = (id) => {
  const shown = recordRendering(id);
  shown.paint("CANARY");
  shown.done("stop");
};
window.ready = true;
</script>"""


async def _open(context: BrowserContext, origin: str, beacon: str) -> Page:
    async def give(route: Route) -> None:
        is_script = route.request.url.endswith(".js")
        await route.fulfill(
            body=beacon if is_script else PAGE, content_type="text/javascript" if is_script else "text/html"
        )

    page = await context.new_page()
    await page.route("**/page", give)
    await page.route("**/streamaudit-browser.js", give)
    await page.goto(f"{origin}/page")
    await page.wait_for_function("window.ready")
    return page


async def _browse(cli: Cli, beacon: str, recipe: str) -> tuple[list[Record], dict[str, int]]:
    query = "&".join(f"{name}={value}" for name, value in ANSWER.query().items())
    pieces: dict[str, int] = {}
    async with Upstream() as upstream, async_playwright() as driver:
        with serve("nginx", recipe, cli.folder / "nginx", upstream.port) as proxy:
            origin = proxy.urls["nginx"].removesuffix("/chat")
            browser = await driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
            context = await browser.new_context()
            page = await _open(context, origin, beacon)
            for name, stop in (("whole", 0), ("stopped", 9)):
                pieces[name] = await page.evaluate(f"ask('{name}', '{query}', {stop})")
            await page.evaluate("unpainted('unpainted')")
            await page.evaluate("void (navigator.sendBeacon = () => { throw new Error('no') })")
            pieces["fragile"] = await page.evaluate(f"ask('fragile', '{query}', 0)")
            # A page that is hidden and comes back, and one that goes.
            hidden = await _open(context, origin, beacon)
            asking = asyncio.ensure_future(hidden.evaluate(f"ask('hidden', '{query}', 0, 9)"))
            await hidden.wait_for_function("document.getElementById('out').textContent.length > 40")
            for state in ("true", "false"):
                await hidden.evaluate(
                    f"Object.defineProperty(document, 'hidden', {{ value: {state}, configurable: true }});"
                    "document.dispatchEvent(new Event('visibilitychange'))"
                )
            pieces["hidden"] = await asking
            leaving = await _open(context, origin, beacon)
            asking = asyncio.ensure_future(leaving.evaluate(f"ask('closed', '{query}', 0)"))
            await leaving.wait_for_function("document.getElementById('out').textContent.length > 40")
            await leaving.close(run_before_unload=True)
            await asyncio.gather(asking, return_exceptions=True)
            await asyncio.sleep(0.3)
            await browser.close()
    log = Path(proxy.log.parent / "rendered.jsonl").read_text()
    assert "CANARY" not in log and "xxxxxxxx" not in log
    return [json.loads(line) for line in log.splitlines()], pieces


def test_a_page_reports_what_it_painted(cli: Cli) -> None:
    """Whole and stopped answers to the character, one of which nothing was painted, a page that was hidden for a while,
    and one that was closed."""
    if CHROMIUM is None:
        reason = "no browser: apt-get install chromium"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    beacon, recipe = cli.run("instrument", "browser").out, cli.run("instrument", "nginx").out
    lines, pieces = asyncio.run(_browse(cli, beacon, recipe))
    found: dict[str, list[Record]] = defaultdict(list)
    for line in lines:
        found[line["request_id"]].append(line)
    assert pieces["whole"] == pieces["hidden"] == pieces["fragile"] == ANSWER.events
    (whole,), (stopped,), (unpainted,) = found["whole"], found["stopped"], found["unpainted"]
    assert int(whole["rendered_chars"]) == 8 * ANSWER.events and whole["cancelled"] == "false"
    away, back = found["hidden"]
    # A token an event, of each or of some.
    assert int(whole["rendered_tokens"]) == ANSWER.events and back["rendered_tokens"] == ""
    assert int(stopped["rendered_tokens"]) == int(stopped["rendered_chunks"])
    assert stopped["cancelled"] == "true" and pieces["stopped"] >= 9
    assert 8 * 9 <= int(stopped["rendered_chars"]) <= 8 * pieces["stopped"]
    assert 0 < int(whole["first_paint_ms"]) and 0 < int(stopped["left_at_ms"])
    assert (unpainted["rendered_chars"], unpainted["first_paint_ms"]) == ("0", "")
    assert (away["end"], away["cancelled"], back["end"], back["cancelled"]) == ("hidden", "", "complete", "false")
    assert 0 < int(away["rendered_chars"]) < int(back["rendered_chars"]) == 8 * ANSWER.events
    # It is hidden before it goes, and its two beacons may come in either order.
    closed = max(found["closed"], key=lambda line: line["end"] == "leave")
    assert (closed["end"], closed["cancelled"]) == ("leave", "true")
    assert 0 < int(closed["rendered_chars"]) < 8 * ANSWER.events
