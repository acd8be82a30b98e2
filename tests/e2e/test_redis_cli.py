"""redis-cli as people use it: one-shot, piped, its scanning modes, interactive."""

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import time

import pytest

import resp

TIMEOUT_S = 120
KEYS = 500


@pytest.fixture
def running(start):
    return start(threads=3)


def cli(running, *arguments, stdin=""):
    done = subprocess.run(
        ["redis-cli", "-p", str(running.resp_port), *arguments],
        input=stdin if isinstance(stdin, bytes) else stdin.encode(),
        capture_output=True,
        timeout=TIMEOUT_S,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.decode()


def fill(running):
    with resp.Client(running.connect()) as client:
        for number in range(KEYS):
            client.call("SET", f"key:{number}", "x" * (number + 1))


def test_one_shot_commands(running):
    assert cli(running, "PING") == "PONG\n"
    assert cli(running, "SET", "k", "a b") == "OK\n"
    assert cli(running, "GET", "k") == "a b\n"
    assert cli(running, "-n", "3", "GET", "k") == "\n"
    assert cli(running, "-3", "GET", "k") == "a b\n"
    assert cli(running, "--no-raw", "MGET", "k", "none") == '1) "a b"\n2) (nil)\n'
    assert cli(running, "--json", "MGET", "k", "none") == '["a b",null]\n'
    assert cli(running, "-x", "SET", "fromstdin", stdin="all of it") == "OK\n"
    assert cli(running, "STRLEN", "fromstdin") == "9\n"
    assert cli(running, "-r", "3", "INCR", "n") == "1\n2\n3\n"


def test_commands_from_a_pipe(running):
    assert cli(running, stdin="SET k v\nGET k\nMULTI\nINCR n\nEXEC\nNOSUCH\n") == (
        "OK\nv\nOK\nQUEUED\n1\n\nERR unknown command 'NOSUCH', with args beginning with: \n\n"
    ).replace("1\n\nERR", "1\nERR")


def test_scan_prints_every_key_once(running):
    fill(running)
    names = cli(running, "--scan").split()
    assert sorted(set(names)) == sorted(f"key:{number}" for number in range(KEYS))
    some = cli(running, "--scan", "--pattern", "key:1?").split()
    assert sorted(set(some)) == [f"key:1{digit}" for digit in range(10)]


def test_bigkeys_and_memkeys_find_the_biggest(running):
    fill(running)
    text = cli(running, "--bigkeys")
    assert f"Biggest string found '\"key:{KEYS - 1}\"' has {KEYS} bytes" in text
    assert f"{KEYS} strings with {KEYS * (KEYS + 1) // 2} bytes" in text
    assert re.search(r"Biggest string found '\"key:\d+\"' has \d+ bytes", cli(running, "--memkeys"))


def test_stat_prints_rounds(running):
    fill(running)
    terminal = Terminal(running, "--stat", "-i", "0.05")
    for _ in range(5):
        keys, _, clients, *_ = terminal.wait_for(re.compile(r"\n(\d+ .*)\r")).group(1).split()
        assert int(keys) == KEYS and int(clients) >= 1
    terminal.kill()


def test_latency_measures(running):
    terminal = Terminal(running, "--latency")
    terminal.wait_for(re.compile(r"min: \d+, max: \d+, avg: [0-9.]+ \(\d\d\d samples\)"))
    terminal.kill()


def test_pipe_mode_takes_a_million_commands(running):
    rounds = 1_000_000
    commands = b"".join(b"*3\r\n$3\r\nSET\r\n$10\r\nk%09d\r\n$1\r\nv\r\n" % (number % 300_000) for number in range(rounds))
    sleeps = running.process.voluntary_switches()
    text = cli(running, "--pipe", stdin=commands)
    assert f"errors: 0, replies: {rounds}" in text
    # A pipeline costs a hop per shard and turn, not one per command: then each would put two cores to sleep.
    assert running.process.voluntary_switches() - sleeps < rounds / 5
    assert cli(running, "DBSIZE") == "300000\n"


def test_pipe_mode_counts_errors(running):
    assert "errors: 2, replies: 4" in subprocess.run(
        ["redis-cli", "-p", str(running.resp_port), "--pipe"],
        input=b"SET a x\r\nINCR a\r\nNOSUCH\r\nGET a\r\n",
        capture_output=True,
        timeout=TIMEOUT_S,
    ).stdout.decode()


def test_help_and_command_docs(running):
    """What redis-cli asks first when it is interactive; its completion and hints come from there."""
    assert "get" in cli(running, "COMMAND", "LIST").split()
    docs = cli(running, "COMMAND", "DOCS", "get", "set")
    assert "summary" in docs and "arguments" in docs
    assert int(cli(running, "COMMAND", "COUNT")) > 80


class Terminal:
    """redis-cli on a terminal."""

    def __init__(self, running, *arguments):
        self.pid, self.descriptor = pty.fork()
        if self.pid == 0:
            os.environ.update(TERM="xterm", REDISCLI_HISTFILE="/dev/null", REDISCLI_RCFILE="/dev/null")
            # Of unknown width it would ask the terminal, and wait for the answer.
            fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 200, 0, 0))
            os.execvp("redis-cli", ["redis-cli", "-p", str(running.resp_port), *arguments])
        self.raw = self.shown = ""

    def wait_for(self, wanted):
        """The match of a text or expression in what is shown from here on, without control sequences."""
        expression = wanted if isinstance(wanted, re.Pattern) else re.compile(re.escape(wanted))
        deadline = time.monotonic() + 20
        while not (match := expression.search(self.shown)):
            assert time.monotonic() < deadline, f"{wanted!r} never came: {self.shown!r}"
            if select.select([self.descriptor], [], [], 1)[0]:
                # A control sequence may come in two pieces: none is taken out before it is whole.
                self.raw += os.read(self.descriptor, 1 << 16).decode()
                whole = re.search(r"(\x1b(\[[0-9;?]*)?)?$", self.raw).start()
                self.shown += re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", self.raw[:whole])
                self.raw = self.raw[whole:]
        self.shown = self.shown[match.end() :]
        return match

    def type(self, line):
        os.write(self.descriptor, line.encode() + b"\r")

    def quit(self):
        self.type("quit")
        os.waitpid(self.pid, 0)
        os.close(self.descriptor)

    def kill(self):
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        os.close(self.descriptor)


def test_interactive_session(running):
    terminal = Terminal(running)
    prompt = f"127.0.0.1:{running.resp_port}"

    def ask(line, answer, state=""):
        """Types when the prompt is there: what comes before it is thrown away by redis-cli."""
        terminal.type(line)
        terminal.wait_for(answer)
        terminal.wait_for(f"{prompt}{state}> ")

    terminal.wait_for(f"{prompt}> ")
    ask('set k "hello world"', "\r\nOK\r\n")
    ask("get k", '\r\n"hello world"\r\n')
    ask("select 2", "\r\nOK\r\n", "[2]")
    ask("multi", "\r\nOK\r\n", "[2](TX)")
    ask("incr n", "\r\nQUEUED\r\n", "[2](TX)")
    ask("exec", "\r\n1) (integer) 1\r\n", "[2]")
    ask("hello 3", '"proto" => (integer) 3', "[2]")
    ask("bogus", "\r\n(error) ERR unknown command", "[2]")
    terminal.quit()
