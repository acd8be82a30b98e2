"""Takes the picture of the console that the README shows, of a server under a load like a cache's:

    cargo build --release --workspace && target/clients/bin/python tests/e2e/screenshot.py [seconds [file]]

E2E_BINARY names another binary of larder. The seconds are how long the load runs; the plots show the last minute or so.
"""

import pathlib
import shutil
import subprocess
import sys

from playwright.sync_api import sync_playwright

import server as servers
from test_console_page import FLAGS

BENCH = servers.ROOT / "target/release/larder-bench"
WIDTH, HEIGHT = 1280, 1250
# A working set about twice the memory, most of it seldom asked for; both protocols, the rarer one with shorter lives.
LOADS = [
    ("resp", ["--distribution", "zipf", "--value-bytes", "lognormal:300,1.2,60000", "--rate", "60000", "--ttl", "60-600"]),
    ("memcache", ["--distribution", "zipf:0.9", "--value-bytes", "uniform:50-900", "--rate", "30000", "--ttl", "5-40"]),
]


def load(server, seconds):
    for seed, (protocol, options) in enumerate(LOADS, 1):
        argv = [BENCH, "--proto", protocol, "--port", server.port(protocol), "--time", seconds, "--warmup", 0, "--seed", seed]
        argv += ["--keys", 200_000, "--key-prefix", f"{protocol}:", "--connections", 8, "--fill", "--gets", 0.95, "--quiet"]
        argv += options
        yield subprocess.Popen([str(word) for word in argv], stdout=subprocess.DEVNULL)


def shoot(server, seconds, file):
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), headless=True, args=FLAGS)
        page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT}, color_scheme="light")
        page.goto(f"http://127.0.0.1:{server.resp_port}/")
        loads = list(load(server, seconds + 5))
        # The page asks once a second and says how often it has.
        ticks = f"Number(document.documentElement.dataset.ticks || 0) >= {seconds}"
        servers.eventually("the page has looked often enough", lambda: page.evaluate(ticks), seconds * 3 + 20, 0.2)
        page.screenshot(path=file)
        for process in loads:
            process.terminate()
            process.wait()
        browser.close()


def main():
    seconds = int(sys.argv[1]) if len(sys.argv) > 1 else 70
    file = sys.argv[2] if len(sys.argv) > 2 else servers.ROOT / "docs/console.png"
    # So many cores that the load and the browser have one too.
    flags = ["--maxmemory-policy", "allkeys-lfu", "--slowlog-log-slower-than", "1000"]
    with servers.larder(threads=2, maxmemory="64mb", flags=flags) as server:
        shoot(server, seconds, pathlib.Path(file))
    print(file)


if __name__ == "__main__":
    main()
