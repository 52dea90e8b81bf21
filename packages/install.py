"""Install pinned packages, and skep itself, into the virtual environment whose Python this is: `install.py azure dev`.

`setup` starts it, holds its lock, and keeps its output. Nothing is here yet but Python: not even pip, which costs 3 s
when `venv` puts it there. uv does the work; it comes from the same index as everything else, by pip. Where it is not to
be had, pip does the work, from the same pins.
"""

import ast
import ensurepip
import os
import shutil
import ssl
import subprocess
import sys
import sysconfig
import tempfile
import tomllib
import zipfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

HERE = Path(__file__).resolve().parent
PYPROJECT = HERE.parent / "pyproject.toml"
VENV = HERE.parent / ".venv"
KEPT = VENV / ".skep-pyproject.toml"
"""pyproject.toml as it was when skep itself was installed."""
PYTHON = (sys.executable, "-I")
PIP = (*PYTHON, "-m", "pip", "--no-input", "--disable-pip-version-check")
UV_VARIABLES = {
    "index-url": "UV_DEFAULT_INDEX",
    "extra-index-url": "UV_INDEX",
    "find-links": "UV_FIND_LINKS",
    "trusted-host": "UV_INSECURE_HOST",
    "keyring-provider": "UV_KEYRING_PROVIDER",
    "timeout": "UV_HTTP_TIMEOUT",
    "default-timeout": "UV_HTTP_TIMEOUT",
    "retries": "UV_HTTP_RETRIES",
    "cert": "SSL_CERT_FILE",
    "client-cert": "SSL_CLIENT_CERT",
    "proxy": "ALL_PROXY",
}
"""pip's settings, from its files and its PIP_* variables, and uv's variables for the same."""
UV_OPTIONS = ("no-binary", "only-binary")
UV_SWITCHES = {"no-index": "--no-index", "no-cache-dir": "--no-cache"}
"""pip's settings that are options of uv's."""
_YES = ("1", "on", "t", "true", "y", "yes")
_SEPARATORS = {"UV_FIND_LINKS": ","}
_NO_ANSWER = "WARNING: Retrying (Retry("
"""What pip prints when a connection fails."""
_CACHE_FAULTS = ("os error 13)", "os error 28)", "os error 30)", "os error 122)")
"""No right, no space, read-only, over quota."""


def main(extras: Sequence[str]) -> int:
    """Install what running skep needs, and these extras; return the exit status. `--is-current` only asks."""
    if extras == ["--is-current"]:
        if is_current():
            keep_pyproject()  # the next one need not ask
            return 0
        return 1
    lists = [word for name in dict.fromkeys(["run", *extras]) for word in ("-r", str(HERE / f"{name}.txt"))]
    pinned = ["--no-deps", "--require-hashes", *lists]
    itself = ["--no-deps", "--no-build-isolation", "--editable", str(HERE.parent)]
    install = installer()
    status = install(pinned)
    if not status and not is_current():
        KEPT.unlink(missing_ok=True)
        status = install(itself)
        keep_pyproject()
    return status


def installer() -> Callable[[Sequence[str]], int]:
    """Return what installs requirements: uv, and pip where there is no uv."""
    if not _has_pip():
        put_pip()
    if not has_uv():
        status, output = _run([*PIP, "install", "--no-compile", "--no-deps", "-r", str(HERE / "uv.txt")])
        if status and _NO_ANSWER in output:
            _say(
                "no package index answers: go online, or name another one in pip's settings (PIP_INDEX_URL, pip.conf)"
            )
            return lambda _: status
        if status:
            _say("there is no uv in this machine's package index: pip installs, which takes a minute or two")
            return lambda words: _run([*PIP, "install", *words])[0]
    settings = pip_settings(_run([*PIP, "config", "list"], stderr=subprocess.DEVNULL, shown=False)[1])
    return lambda words: uv(words, settings)


def is_current() -> bool:
    """Return whether pyproject.toml says of skep itself what it said when that was installed.

    Only some of its tables do: a new rule for ruff installs nothing.
    """

    def part(path: Path) -> list[object]:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
        return [table.get("build-system"), table.get("project"), table.get("tool", {}).get("setuptools")]

    return KEPT.is_file() and part(KEPT) == part(PYPROJECT)


def keep_pyproject() -> None:
    """Keep pyproject.toml as it is now, if that may be written."""
    new = KEPT.with_name(f"{KEPT.name}.{os.getpid()}")
    with suppress(OSError):
        shutil.copyfile(PYPROJECT, new)
        new.replace(KEPT)


def _run(
    words: Sequence[str],
    env: Mapping[str, str] | None = None,
    stderr: int = subprocess.STDOUT,
    *,
    shown: bool = True,
) -> tuple[int, str]:
    """Run a command, with its output in the log if it is to be shown; return exit status and output."""
    if shown:
        sys.stdout.write(f"\n$ {' '.join(words)}\n")
        sys.stdout.flush()
    lines = []
    with subprocess.Popen(
        words,
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=stderr,
        text=True,
        errors="replace",
    ) as process:
        for line in process.stdout or ():
            lines.append(line)
            if shown:
                sys.stdout.write(line)
                sys.stdout.flush()
    return process.returncode, "".join(lines)


def _say(text: str) -> None:
    """Tell the person who started `setup`, on the descriptor that it gave for that."""
    line = f"setup: {text}\n"
    try:
        os.write(3, line.encode())
    except OSError:
        sys.stderr.write(line)


# -- pip ---------------------------------------------------------------------------------------------------------------


def _has_pip() -> bool:
    """Return whether pip is in this environment."""
    return Path(sysconfig.get_path("purelib"), "pip", "__main__.py").is_file()


def put_pip() -> None:
    """Unpack the pip that comes with Python. `ensurepip` would do so too, and compile all of it."""
    places = [sysconfig.get_config_var("WHEEL_PKG_DIR"), Path(ensurepip.__file__).parent / "_bundled"]
    places.append("/usr/share/python-wheels")  # Debian's
    found = [wheel for place in places if place for wheel in sorted(Path(place).glob("pip-*.whl"))]
    if not found:
        subprocess.run([*PYTHON, "-m", "ensurepip"], stdin=subprocess.DEVNULL, check=True)
        return
    with zipfile.ZipFile(found[0]) as wheel:
        wheel.extractall(sysconfig.get_path("purelib"))


def pip_settings(listed: str) -> dict[str, str]:
    """Return pip's settings for `install`, from the output of `pip config list`: variables before files."""
    found: dict[str, dict[str, str]] = {"global": {}, "install": {}, ":env:": {}}
    for line in listed.splitlines():
        key, _, value = line.partition("=")
        section, _, name = key.partition(".")
        if section in found:
            found[section][name] = str(ast.literal_eval(value))
    return {name: value for part in found.values() for name, value in part.items() if value.strip()}


# -- uv ----------------------------------------------------------------------------------------------------------------


def has_uv() -> bool:
    """Return whether the pinned uv is in this environment."""
    try:
        pinned = f"uv=={version('uv')} "
    except PackageNotFoundError:
        return False
    return (VENV / "bin" / "uv").is_file() and pinned in (HERE / "uv.txt").read_text(encoding="utf-8")


def uv(words: Sequence[str], settings: Mapping[str, str]) -> int:
    """Run `uv pip install` as pip is set up on this machine; return its exit status.

    uv's cache makes the next clone quick. Where it can't be written, or is full, this does without.
    """
    env = uv_environment(settings, os.environ)
    options = [word for name in UV_OPTIONS if name in settings for word in (f"--{name}", settings[name])]
    options += [option for name, option in UV_SWITCHES.items() if settings.get(name, "").lower() in _YES]
    command = [str(VENV / "bin" / "uv"), "pip", "install", "--python", sys.executable, *options, *words]
    if has_cache(env):
        status, output = _run(command, env)
        if not status or not any(fault in output for fault in _CACHE_FAULTS):
            return status
    # Beside what is installed, so that files are linked and not copied.
    with tempfile.TemporaryDirectory(prefix=".uv-", dir=VENV, ignore_cleanup_errors=True) as cache:
        return _run(command, {**env, "UV_CACHE_DIR": cache})[0]


def uv_environment(settings: Mapping[str, str], environment: Mapping[str, str]) -> dict[str, str]:
    """Return the environment in which uv asks where pip would, and trusts what pip would. What is set for uv stays."""
    found = (
        {"UV_SYSTEM_CERTS": "true", "UV_NO_PROGRESS": "true"}
        if _has_certificates()
        else {"UV_NO_PROGRESS": "true"}
    )
    for name in ("CURL_CA_BUNDLE", "REQUESTS_CA_BUNDLE"):
        if environment.get(name):
            found["SSL_CERT_FILE"] = environment[name]
    for name, variable in UV_VARIABLES.items():
        if name in settings:
            found[variable] = _SEPARATORS.get(variable, " ").join(settings[name].split())
    if "UV_INDEX" in found:
        # pip takes the best of all indexes; that nobody slips in another is what the hashes are for.
        found["UV_INDEX_STRATEGY"] = "unsafe-best-match"
    if {"UV_INDEX_URL", "UV_DEFAULT_INDEX"} & set(environment):
        found.pop("UV_DEFAULT_INDEX", None)
    if {"UV_EXTRA_INDEX_URL", "UV_INDEX"} & set(environment):
        found.pop("UV_INDEX", None)
    # pip trusts `cert` and not SSL_CERT_FILE, which others set for OpenSSL.
    return {**found, **environment, **{name: found[name] for name in ("SSL_CERT_FILE",) if name in found}}


def _has_certificates() -> bool:
    """Return whether this system has certificates that uv can trust instead of those that it brings."""
    places = ssl.get_default_verify_paths()
    return sys.platform == "darwin" or bool(
        places.cafile or (places.capath and any(Path(places.capath).iterdir()))
    )


def has_cache(environment: Mapping[str, str]) -> bool:
    """Return whether uv's cache can be written."""
    asked = _run([str(VENV / "bin" / "uv"), "cache", "dir"], environment, subprocess.DEVNULL, shown=False)
    try:
        cache = Path(asked[1].strip())
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=cache):
            return True
    except OSError:
        return False


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
