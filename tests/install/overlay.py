"""A mirror in front of the package mirror, for where that lacks some of the installer's components.

It passes everything through, and answers itself for two files: the list of the installer's components, with only those
that the mirror serves, and the Release file with that list's digest. What is missing and can't be done without is
repacked from the release's own ordinary packages: file systems' tools and kernel modules. So what is installed is the
installer's own code, but the list is not the distribution's, and its signature is not checked
(debian-installer/allow_unauthenticated).
"""

import contextlib
import gzip
import hashlib
import lzma
import re
import shutil
import subprocess
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

UPSTREAM = "http://deb.debian.org/debian"
_COMPONENTS = "main/debian-installer/binary-amd64/Packages"
MODULES = ("crc16", "mbcache", "jbd2", "ext4", "virtio_blk", "md-mod", "dm-mod")
"""The last two are for no disk of the tests': the partitioner stops with an error where a kernel has no RAID."""


def stanzas(text: str) -> dict[str, str]:
    """Return the stanzas of a list of packages, by the packages' names."""
    found = {}
    for stanza in text.split("\n\n"):
        if match := re.search(r"^Package: (.*)$", stanza, re.MULTILINE):
            found[match.group(1)] = stanza.strip("\n")
    return found


def field(stanza: str, name: str) -> str:
    """Return a field of a package."""
    match = re.search(rf"^{name}: (.*)$", stanza, re.MULTILINE)
    return match.group(1) if match else ""


def fetch(path: str) -> bytes:
    """Return a file of the mirror."""
    with urllib.request.urlopen(f"{UPSTREAM}/{path}", timeout=120) as answer:
        content: bytes = answer.read()
    return content


def serves(path: str) -> bool:
    """Return whether the mirror has a file."""
    request = urllib.request.Request(f"{UPSTREAM}/{path}", method="HEAD")
    try:
        urllib.request.urlopen(request, timeout=60).close()
    except urllib.error.HTTPError:
        return False
    return True


class Overlay:
    """The mirror in front of the mirror.

    Args:
        suite: The release's name.
        kernel: The installer's kernel version.
        directory: For what is made, and for what was fetched.

    """

    def __init__(self, suite: str, kernel: str, directory: Path) -> None:
        self.suite, self.kernel, self.directory = suite, kernel, directory
        self.made: dict[str, Path] = {}
        self.files: dict[str, bytes] = {}
        self.missing: list[str] = []
        self.repacked: list[str] = []
        directory.mkdir(parents=True, exist_ok=True)

    def prepare(self, installed: set[str]) -> None:
        """Probe which components the mirror serves, and make the list of those; `installed` are in the initrd."""
        listed = stanzas(lzma.decompress(fetch(f"dists/{self.suite}/{_COMPONENTS}.xz")).decode())
        with ThreadPoolExecutor(8) as pool:
            there = dict(
                zip(
                    listed,
                    pool.map(lambda name: serves(field(listed[name], "Filename")), listed),
                    strict=True,
                )
            )
        self.missing = sorted(
            name for name, is_there in there.items() if not is_there and name not in installed
        )
        kept = {name: stanza for name, stanza in listed.items() if there[name]}
        ordinary = stanzas(
            lzma.decompress(fetch(f"dists/{self.suite}/main/binary-amd64/Packages.xz")).decode()
        )
        if "e2fsprogs-udeb" not in kept:
            kept["e2fsprogs-udeb"] = self._e2fsprogs(ordinary)
        modules = f"ext4-modules-{self.kernel}-di"
        if modules not in kept:
            kept[modules] = self._modules(modules, ordinary)
        text = "\n\n".join(kept.values()) + "\n"
        base = f"dists/{self.suite}"
        self.files = {
            f"{base}/{_COMPONENTS}": text.encode(),
            f"{base}/{_COMPONENTS}.gz": gzip.compress(text.encode(), mtime=0),
            f"{base}/{_COMPONENTS}.xz": lzma.compress(text.encode()),
        }
        release = fetch(f"{base}/Release").decode()
        for path, content in self.files.items():
            short = path.removeprefix(f"{base}/")
            line = f" {hashlib.sha256(content).hexdigest()} {len(content)} {short}"
            release = re.sub(rf"^ [0-9a-f]{{64}} +\d+ {re.escape(short)}$", line, release, flags=re.MULTILINE)
            line = f" {hashlib.md5(content, usedforsecurity=False).hexdigest()} {len(content)} {short}"
            release = re.sub(rf"^ [0-9a-f]{{32}} +\d+ {re.escape(short)}$", line, release, flags=re.MULTILINE)
        self.files[f"{base}/Release"] = release.encode()

    def _unpacked(self, ordinary: dict[str, str], *names: str) -> Path:
        """Return a directory with ordinary packages unpacked."""
        below = self.directory / names[0]
        shutil.rmtree(below, ignore_errors=True)
        below.mkdir()
        for name in names:
            package = self.directory / f"{name}.deb"
            package.write_bytes(fetch(field(ordinary[name], "Filename")))
            subprocess.run(["dpkg-deb", "-x", package, below], check=True)
            package.unlink()
        return below

    def _e2fsprogs(self, ordinary: dict[str, str]) -> str:
        """Repack e2fsprogs for the installer."""
        source = self._unpacked(ordinary, "e2fsprogs", "libext2fs2t64", "libss2", "libcom-err2")
        root = self.directory / "root-e2fsprogs"
        shutil.rmtree(root, ignore_errors=True)
        for path in source.rglob("*"):
            wanted = path.name in {"mke2fs", "e2fsck", "tune2fs"} or re.match(
                r"mkfs\.ext|fsck\.ext|lib.*\.so", path.name
            )
            if wanted and not path.is_dir():
                target = root / path.relative_to(source)
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(path, target, follow_symlinks=False)
        version = field(ordinary["e2fsprogs"], "Version")
        return self._udeb("e2fsprogs-udeb", version, root, {"Priority": "optional"})

    def _modules(self, name: str, ordinary: dict[str, str]) -> str:
        """Repack the kernel modules that the installer needs."""
        image = f"linux-image-{self.kernel}"
        source = self._unpacked(ordinary, image)
        root = self.directory / "root-modules"
        shutil.rmtree(root, ignore_errors=True)
        for path in source.rglob("*.ko*"):
            if path.name.partition(".")[0] in MODULES:
                target = root / path.relative_to(source)
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(path, target)
        shutil.rmtree(source)
        more = {
            "Priority": "standard",
            "Kernel-Version": self.kernel,
            "Provides": "ext4-modules, virtio-modules, md-modules",
        }
        return self._udeb(name, field(ordinary[image], "Version"), root, more)

    def _udeb(self, name: str, version: str, root: Path, more: dict[str, str]) -> str:
        """Build a component, and return its stanza."""
        (root / "DEBIAN").mkdir(parents=True)
        control = {
            "Package": name,
            "Version": version,
            "Architecture": "amd64",
            "Maintainer": "tests",
            "Section": "debian-installer",
            **more,
            "Description": "repacked for a test",
        }
        text = "".join(f"{key}: {value}\n" for key, value in control.items())
        (root / "DEBIAN" / "control").write_text(text)
        made = self.directory / f"{name}.udeb"
        command = ["dpkg-deb", "--root-owner-group", "-Zxz", "-b", str(root), str(made)]
        subprocess.run(command, check=True, capture_output=True)
        path = f"pool/repacked/{name}.udeb"
        self.made[path] = made
        self.repacked.append(name)
        content = made.read_bytes()
        md5, sha256 = hashlib.md5(content, usedforsecurity=False), hashlib.sha256(content)
        return (
            f"{text.rstrip()}\nFilename: {path}\nSize: {len(content)}\n"
            f"MD5sum: {md5.hexdigest()}\nSHA256: {sha256.hexdigest()}"
        )

    @contextlib.contextmanager
    def serving(self, address: str) -> Iterator[int]:
        """Serve, and give the port."""
        overlay = self

        class Handler(BaseHTTPRequestHandler):
            """Answers from the repacked files, else from the mirror."""

            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                """Send a file."""
                path = self.path.removeprefix("/debian").lstrip("/")
                own = overlay.files.get(path)
                if path in overlay.made:
                    own = overlay.made[path].read_bytes()
                # apt in the new system sees the signed list, and checks it; the installer reads the unsigned one.
                if own is not None:
                    self._send(200, own)
                    return
                try:
                    self._send(200, overlay.cached(path))
                except urllib.error.HTTPError as error:
                    self._send(error.code, b"")

            def do_HEAD(self) -> None:
                """Say how long a file is."""
                self.do_GET()

            def _send(self, status: int, content: bytes) -> None:
                self.send_response(status)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                if self.command == "GET":
                    with contextlib.suppress(ConnectionError):
                        self.wfile.write(content)

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        server = ThreadingHTTPServer((address, 0), Handler)
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            server.server_close()
            thread.join()

    def cached(self, path: str) -> bytes:
        """Return a file of the mirror; packages are fetched once."""
        if not path.startswith("pool/"):
            return fetch(path)
        file = self.directory / "cache" / path.replace("/", "_")
        if not file.exists():
            file.parent.mkdir(exist_ok=True)
            content = fetch(path)
            partly = file.with_suffix(f".{threading.get_ident()}")
            partly.write_bytes(content)
            partly.replace(file)
        return file.read_bytes()
