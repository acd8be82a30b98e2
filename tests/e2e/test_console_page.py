"""The console in a real browser: it draws, it goes on drawing, it changes parameters, and it complains of nothing."""

import os
import pathlib
import shutil

import pytest
from playwright.sync_api import sync_playwright

import server as servers

pytestmark = pytest.mark.larder_only

CHROMIUM = shutil.which("chromium")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
WAIT_MS = 30_000


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    with sync_playwright() as playwright:
        profile = tmp_path_factory.mktemp("profile")
        context = playwright.chromium.launch_persistent_context(
            str(profile),
            executable_path=CHROMIUM,
            headless=True,
            args=FLAGS,
            viewport={"width": 1280, "height": 900},
            http_credentials={"username": "operator", "password": "s3cret"},
        )
        yield context
        context.close()


def traffic(client, requests):
    """Some of everything that the page shows."""
    words = []
    for number in range(requests):
        key = b"hot" if number % 3 == 0 else b"key:%d" % (number % 500)
        words.append(b"*2\r\n$3\r\nGET\r\n$%d\r\n%s\r\n" % (len(key), key))
        words.append(b"*3\r\n$3\r\nSET\r\n$%d\r\n%s\r\n$100\r\n%s\r\n" % (len(key), key, b"v" * 100))
    client.sendall(b"".join(words) + b"*1\r\n$4\r\nPING\r\n")
    answer = b""
    while not answer.endswith(b"+PONG\r\n"):
        answer = (answer + client.recv(1 << 20))[-16:]


def lit(page, figure):
    """How many pixels of a plot are drawn in a colour of a line or an area, not in the greys of its grid."""
    return page.evaluate(
        """(id) => {
            const canvas = document.querySelector("#" + id + " canvas");
            const data = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
            let lit = 0;
            for (let at = 0; at < data.length; at += 4) {
                const [r, g, b, a] = data.slice(at, at + 4);
                if (a > 100 && Math.max(r, g, b) - Math.min(r, g, b) > 60) lit += 1;
            }
            return lit;
        }""",
        figure,
    )


def await_true(page, expression):
    """The page's policy forbids the browser's own waiting, which evaluates strings in the page."""
    servers.eventually(expression, lambda: page.evaluate(expression), WAIT_MS / 1000, 0.05)


def await_ticks(page, more):
    ticks = page.evaluate("Number(document.documentElement.dataset.ticks || 0)")
    await_true(page, f"Number(document.documentElement.dataset.ticks || 0) >= {ticks + more}")


@pytest.mark.parametrize("width, scheme", [(1280, "light"), (390, "dark")])
def test_the_page_draws_and_updates_and_complains_of_nothing(browser, width, scheme):
    flags = ["--requirepass", "s3cret", "--slowlog-log-slower-than", "0", "--bind", "127.0.0.1"]
    with servers.larder(threads=2, flags=flags) as server, server.connect() as client:
        client.sendall(b"*2\r\n$4\r\nAUTH\r\n$6\r\ns3cret\r\n")
        assert client.recv(100) == b"+OK\r\n"
        page = browser.new_page()
        complaints, asked = [], []
        page.on("console", lambda message: complaints.append(message.text) if message.type != "info" else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("requestfailed", lambda request: complaints.append(f"{request.url} {request.failure}"))
        page.on("request", lambda request: asked.append(request.url))
        page.emulate_media(color_scheme=scheme)
        page.set_viewport_size({"width": width, "height": 900})
        home = f"http://127.0.0.1:{server.resp_port}/"
        page.goto(home)
        await_true(page, "document.querySelector('#state').className === 'live'")
        traffic(client, 3000)
        await_ticks(page, 1)
        traffic(client, 3000)
        await_ticks(page, 2)
        for figure in ("plot-rate", "plot-hit", "plot-latency", "plot-memory", "plot-net"):
            assert lit(page, figure) > 10, figure
        first = page.text_content("#t-items")
        assert first == "501"
        assert page.get_attribute("#plot-rate canvas", "aria-label").startswith("Requests per second: requests ")
        for section, row in [
            ("slabs", "#slab-map tbody .b-used"),
            ("keys", "#hot tbody td.key >> text=hot"),
            ("keys", "#big tbody td.key"),
            ("clients", f"#client-list tbody >> text=127.0.0.1:{client.getsockname()[1]}"),
            ("slow", "#slow-list tbody td.cmd"),
            ("config", "#config-list form"),
        ]:
            page.evaluate(f"document.getElementById('{section}').scrollIntoView()")
            page.wait_for_selector(row, timeout=WAIT_MS, state="attached")
        # A parameter is changed, the server has it, and the page shows it.
        page.fill("#config-filter", "maxmemory")
        page.fill("input[aria-label=maxmemory]", "100mb")
        page.click("form:has(input[aria-label=maxmemory]) button")
        await_true(page, "document.getElementById('config-said').textContent === 'maxmemory: set'")
        await_true(page, "document.getElementById('t-mem-sub').textContent.includes('100 MiB')")
        client.sendall(b"*3\r\n$6\r\nCONFIG\r\n$3\r\nGET\r\n$9\r\nmaxmemory\r\n")
        assert b"104857600" in client.recv(1000)
        wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert wide <= 0, "the page scrolls sideways"
        assert page.evaluate("[...document.querySelectorAll('input')].every((i) => i.labels.length || i.ariaLabel)")
        # The browser itself asks once without the password, and says so.
        assert [text for text in complaints if "401" not in text] == []
        assert asked and all(url.startswith(home) for url in asked)
        if directory := os.environ.get("CONSOLE_SHOTS"):
            shoot(page, client, pathlib.Path(directory))
        page.close()


def shoot(page, client, directory):
    """Pictures for whoever wants to look: CONSOLE_SHOTS=directory tests/run e2e -k console_page"""
    page.evaluate("window.scrollTo(0, 0)")
    for _ in range(int(os.environ.get("CONSOLE_SHOT_SECONDS", "5"))):
        traffic(client, 4000)
        await_ticks(page, 1)
    for width, scheme in [(1280, "light"), (1280, "dark"), (390, "light"), (390, "dark")]:
        page.set_viewport_size({"width": width, "height": 900})
        page.emulate_media(color_scheme=scheme)
        await_ticks(page, 1)
        page.screenshot(path=directory / f"console-{width}-{scheme}.png", full_page=True)
        page.screenshot(path=directory / f"console-{width}-{scheme}-top.png")
