"""The Debian package: built by `cargo deb` from the binary under test, installed, used, removed and purged, by dpkg and
the package's own scripts, in a root that is a copy-on-write view of this machine's.

Where mount namespaces or overlays are not permitted there is no such root; then the test says so and is skipped.
"""

import configparser
import json
import os
import pathlib
import re
import shlex
import shutil
import signal
import socket
import subprocess
import urllib.request

import pytest

import resp
import server

pytestmark = pytest.mark.larder_only
TIMEOUT_S = 120
UNIT = "usr/lib/systemd/system/larder.service"


def run(*argv, **options):
    done = subprocess.run([str(word) for word in argv], capture_output=True, text=True, timeout=TIMEOUT_S, **options)
    assert done.returncode == 0, f"{argv}: {done.stdout}{done.stderr}"
    return done.stdout


def cargo_deb():
    target = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", server.ROOT / "target"))
    beside = target / "tools/bin/cargo-deb"
    return beside if beside.exists() else shutil.which("cargo-deb")


@pytest.fixture
def package(tmp_path):
    """The .deb, with the binary under test where the manifest looks for it."""
    tool = cargo_deb()
    if tool is None:
        pytest.skip("there is no cargo-deb: tests/run installs it")
    target = tmp_path / "target"
    (target / "release").mkdir(parents=True)
    shutil.copy(server.BINARY, target / "release/larder")
    run("strip", "--strip-unneeded", target / "release/larder")
    made = target / "larder.deb"
    environment = dict(os.environ, CARGO_TARGET_DIR=str(target))
    run(tool, "deb", "--no-build", "--no-strip", "--fast", "--output", made, cwd=server.ROOT, env=environment)
    return made


class Root:
    """A root of our own: every command sees this machine's files and changes only its copies of them."""

    def __init__(self, directory):
        self.upper = directory / "upper"
        for name in ("upper", "work", "merged"):
            (directory / name).mkdir()
        mounts = f"lowerdir=/,upperdir={self.upper},workdir={directory}/work"
        merged = shlex.quote(str(directory / "merged"))
        script = (
            f"mount -t overlay overlay -o {shlex.quote(mounts)} {merged}"
            f" && mount --bind /proc {merged}/proc && mount --bind /dev {merged}/dev"
            # Nobody starts anything by hand of a package's script.
            f" && printf '#!/bin/sh\\nexit 101\\n' > {merged}/usr/sbin/policy-rc.d && chmod 755 {merged}/usr/sbin/policy-rc.d"
            " && echo mounted && exec cat"
        )
        # Whoever holds the namespace open; it goes with this process.
        self.keeper = subprocess.Popen(
            ["unshare", "--mount", "--propagation", "private", "sh", "-c", script],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.merged = directory / "merged"
        self.usable = self.keeper.stdout.readline() == "mounted\n"

    def argv(self, *argv):
        inside = ["nsenter", f"--mount=/proc/{self.keeper.pid}/ns/mnt", "chroot", self.merged, *argv]
        return [str(word) for word in inside]

    def run(self, *argv, **options):
        return run(*self.argv(*argv), **options)

    def fails(self, *argv):
        return subprocess.run(self.argv(*argv), capture_output=True, timeout=TIMEOUT_S).returncode != 0

    def close(self):
        self.keeper.stdin.close()
        self.keeper.wait(TIMEOUT_S)


@pytest.fixture
def root(tmp_path):
    if os.geteuid() != 0:
        pytest.skip("a root of its own needs root")
    # An overlay's upper directory cannot lie on an overlay; /dev/shm is memory everywhere.
    parent = pathlib.Path("/dev/shm") if os.access("/dev/shm", os.W_OK) else tmp_path
    directory = parent / f"larder-root-{os.getpid()}"
    directory.mkdir()
    made = Root(directory)
    try:
        if not made.usable:
            pytest.skip(f"no root of its own here: {made.keeper.stderr.read()}")
        yield made
    finally:
        made.close()
        shutil.rmtree(directory, ignore_errors=True)


def unit(text):
    """The sections of a unit; a key may come several times, and then the last counts here."""
    parser = configparser.ConfigParser(strict=False, interpolation=None, delimiters=("=",), comment_prefixes=("#",))
    parser.optionxform = str
    parser.read_string(text)
    return parser


def contents(package):
    """Everything that the manifest names is there."""
    names = run("dpkg-deb", "--contents", package)
    for path in [
        "usr/bin/larder",
        UNIT,
        "usr/share/doc/larder/examples/larder.socket",
        "etc/larder/larder.conf",
        "usr/share/man/man1/larder.1.gz",
        "usr/share/man/man5/larder.conf.5.gz",
        "usr/share/man/man7/larder-commands.7.gz",
        "usr/share/doc/larder/copyright",
    ]:
        assert re.search(rf"\./{re.escape(path)}$", names, re.MULTILINE), path
    fields = run("dpkg-deb", "--field", package)
    assert "Package: larder" in fields and "libc6" in fields and "adduser" in fields
    scripts = run("dpkg-deb", "--ctrl-tarfile", package, errors="replace")
    assert "/etc/larder/larder.conf" in scripts and "deb-systemd-helper" in scripts


def test_it_is_installed_used_and_goes_without_a_trace(package, root):
    contents(package)
    before = set(root.run("find", "/etc", "/usr/bin", "/usr/lib/systemd", "/var/lib/systemd").split("\n"))
    with open(package, "rb") as archive:
        root.run("sh", "-c", "cat > /larder.deb", stdin=archive)
    # Other packages' triggers (man-db reads all manuals anew) are no business of this one.
    root.run("dpkg", "--no-triggers", "--install", "/larder.deb")
    status = root.run("dpkg-query", "--show", "--showformat=${Status}", "larder")
    assert status in ("install ok installed", "install ok triggers-awaited")
    # The user, the file that may have a password in it, the unit that starts with the machine.
    identity = root.run("getent", "passwd", "larder").split(":")
    assert identity[5] == "/var/lib/larder" and identity[6].strip().endswith("nologin")
    assert root.run("stat", "-c", "%U:%G %a", "/etc/larder/larder.conf").strip() == "larder:larder 640"
    assert root.run("stat", "-c", "%U:%G %a", "/etc/larder").strip() == "root:larder 2770"
    link = "/etc/systemd/system/multi-user.target.wants/larder.service"
    assert root.run("readlink", link).strip().endswith("systemd/system/larder.service")
    assert root.fails("test", "-e", "/etc/systemd/system/sockets.target.wants/larder.socket")
    assert root.run("larder", "--version").startswith("larder ")
    analyse(root)
    manual(root)
    serve_as_the_unit_says(root)
    # Removed, the configuration stays; purged, nothing does.
    root.run("dpkg", "--no-triggers", "--remove", "larder")
    assert root.fails("test", "-e", "/usr/bin/larder")
    assert not root.fails("test", "-e", "/etc/larder/larder.conf")
    root.run("dpkg", "--no-triggers", "--purge", "larder")
    assert root.fails("getent", "passwd", "larder") and root.fails("getent", "group", "larder")
    after = set(root.run("find", "/etc", "/usr/bin", "/usr/lib/systemd", "/var/lib/systemd").split("\n"))
    left = {path for path in after - before if not re.fullmatch(r"/etc/(passwd|group|shadow|gshadow|subuid|subgid)-", path)}
    assert left == set()
    assert root.fails("test", "-e", "/var/lib/larder")


def analyse(root):
    """systemd's own opinion, where it is installed."""
    if shutil.which("systemd-analyze") is None:
        return
    said = subprocess.run(
        root.argv("systemd-analyze", "verify", "--man=no", "/" + UNIT, "/usr/share/doc/larder/examples/larder.socket"),
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
    )
    complaints = [line for line in (said.stdout + said.stderr).split("\n") if "larder" in line]
    assert complaints == []
    # 0 is closed, 10 is open; the network is what it is for.
    judged = root.run("systemd-analyze", "security", "--offline=true", "--threshold=20", "/" + UNIT)
    exposure = re.search(r"Overall exposure level for larder.service: ([\d.]+)", judged)
    assert float(exposure[1]) <= 2.0, judged
    # io_uring is among what the filter permits.
    calls = root.run("systemd-analyze", "syscall-filter", "@aio", "@system-service")
    assert "io_uring_enter" in calls and "@aio" in calls


def manual(root):
    """Pages are shown without a warning."""
    for section, name in ((1, "larder"), (5, "larder.conf"), (7, "larder-commands")):
        page = f"/usr/share/man/man{section}/{name}.{section}.gz"
        # Debian's slim images leave manuals out when a package is installed.
        if root.fails("test", "-e", page):
            continue
        shown = subprocess.run(
            root.argv("man", "--warnings", "-l", page), capture_output=True, text=True, timeout=TIMEOUT_S,
            env=dict(os.environ, LC_ALL="C.UTF-8", MANWIDTH="80", MANPAGER="cat"),
        )
        assert shown.returncode == 0 and shown.stderr == "" and "NAME" in shown.stdout, shown.stderr


def serve_as_the_unit_says(root):
    """What `systemctl start larder`, `reload` and `stop` do: the unit's commands, its user, its directory, a notify socket."""
    service = unit(root.run("cat", "/" + UNIT))["Service"]
    assert service["Type"] == "notify" and service["User"] == "larder"
    argv = shlex.split(service["ExecStart"])
    assert argv == ["/usr/bin/larder", "/etc/larder/larder.conf"]
    root.run("install", "-d", "-o", "larder", "-g", "larder", "-m", "0750", "/var/lib/larder")
    manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    manager.settimeout(TIMEOUT_S)
    name = f"larder-package-{os.getpid()}"
    manager.bind(f"\0{name}")
    port, memcache = server.free_port(), server.free_port()
    variables = [f"NOTIFY_SOCKET=@{name}", "WATCHDOG_USEC=200000", f"LARDER_port={port}", f"LARDER_memcache_port={memcache}"]
    as_user = ["setpriv", "--reuid=larder", "--regid=larder", "--clear-groups", "--no-new-privs", "--bounding-set=-all"]
    shell = f"cd {service['WorkingDirectory']} && umask {service['UMask']} && exec \"$@\""
    popen = subprocess.Popen(
        root.argv("sh", "-c", shell, "sh", *as_user, "env", *variables, *argv), stderr=subprocess.PIPE, text=True
    )
    try:
        assert manager.recv(4096).decode().startswith("READY=1\nSTATUS=")
        assert manager.recv(4096) == b"WATCHDOG=1"
        with resp.Client(server.connect(port)) as client:
            # maxmemory changes while it runs, is seen by whoever looks, and is kept in the file.
            assert client.call("CONFIG", "SET", "maxmemory", "123mb") == b"OK"
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/info", timeout=TIMEOUT_S) as answer:
                assert str(123 << 20) in json.dumps(json.load(answer))
            assert client.call("CONFIG", "REWRITE") == b"OK"
        assert "\nmaxmemory 128974848\n" in root.run("cat", "/etc/larder/larder.conf")
        reload = shlex.split(service["ExecReload"].replace("$MAINPID", str(popen.pid)))
        root.run(*reload)
        heard = [said for said in iter(lambda: manager.recv(4096).decode().split("\n")[0], "READY=1") if said != "WATCHDOG=1"]
        assert heard == ["RELOADING=1"]
        popen.send_signal(signal.SIGTERM)
        while (said := manager.recv(4096).decode()) == "WATCHDOG=1":
            pass
        assert said.startswith("STOPPING=1")
        log = popen.communicate(timeout=TIMEOUT_S)[1]
    finally:
        popen.kill()
        manager.close()
    assert popen.returncode == 0 and "stopped" in log, log


def test_pages_of_the_manual_are_clean():
    pages = [server.ROOT / "man" / name for name in ("larder.1", "larder.conf.5", "larder-commands.7")]
    if shutil.which("mandoc") is None:
        pytest.skip("there is no mandoc: tests/run installs it")
    said = subprocess.run(["mandoc", "-T", "lint", *pages], capture_output=True, text=True, timeout=TIMEOUT_S).stdout
    # Whether other pages are installed is this machine's business.
    complaints = [line for line in said.split("\n") if line and "referenced manual not found" not in line and "mandoc.db" not in line]
    assert complaints == []
