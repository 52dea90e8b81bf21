"""`packages/install.py`: uv asks where pip would, and does without a cache that can't be used. uv is a stub."""

from pathlib import Path

import pytest

from packages import install

LISTED = """\
:env:.cert='/etc/mine.pem'
:env:.index-url='https://env.example/simple'
download.index-url='https://no.example/simple'
global.extra-index-url='https://a.example/simple\\nhttps://b.example/simple'
global.find-links='/srv/wheels /srv/more'
global.index-url='https://file.example/simple'
install.timeout='7'
install.trusted-host=''
"""


def test_pips_settings() -> None:
    """Of pip's files those for `install` count, variables before files; what is empty is not set."""
    assert install.pip_settings(LISTED) == {
        "cert": "/etc/mine.pem",
        "index-url": "https://env.example/simple",
        "extra-index-url": "https://a.example/simple\nhttps://b.example/simple",
        "find-links": "/srv/wheels /srv/more",
        "timeout": "7",
    }


def test_uv_asks_where_pip_would() -> None:
    """Indexes, links, certificates and times of pip's are uv's, and the best of all indexes is taken."""
    found = install.uv_environment(
        install.pip_settings(LISTED), {"PATH": "/bin", "SSL_CERT_FILE": "/other.pem"}
    )

    assert {name: value for name, value in found.items() if name != "UV_SYSTEM_CERTS"} == {
        "PATH": "/bin",
        "SSL_CERT_FILE": "/etc/mine.pem",
        "UV_DEFAULT_INDEX": "https://env.example/simple",
        "UV_FIND_LINKS": "/srv/wheels,/srv/more",
        "UV_HTTP_TIMEOUT": "7",
        "UV_INDEX": "https://a.example/simple https://b.example/simple",
        "UV_INDEX_STRATEGY": "unsafe-best-match",
        "UV_NO_PROGRESS": "true",
    }


@pytest.mark.parametrize(
    ("variable", "kept"),
    [
        ("UV_DEFAULT_INDEX", {"UV_DEFAULT_INDEX": "mine"}),
        ("UV_INDEX_URL", {"UV_INDEX_URL": "mine"}),
        ("UV_INDEX", {"UV_INDEX": "mine", "UV_DEFAULT_INDEX": "https://env.example/simple"}),
    ],
)
def test_what_is_set_for_uv_stays(variable: str, kept: dict[str, str]) -> None:
    """A variable of uv's own wins over pip's settings."""
    found = install.uv_environment(install.pip_settings(LISTED), {variable: "mine"})

    assert {
        name: found[name] for name in ("UV_DEFAULT_INDEX", "UV_INDEX_URL", variable) if name in found
    } == kept


def test_bundles_of_certificates() -> None:
    """REQUESTS_CA_BUNDLE, which pip heeds, is what uv trusts; pip's own `cert` comes first."""
    environment = {"REQUESTS_CA_BUNDLE": "/requests.pem", "CURL_CA_BUNDLE": "/curl.pem"}

    assert install.uv_environment({}, environment)["SSL_CERT_FILE"] == "/requests.pem"
    assert install.uv_environment({"cert": "/pip.pem"}, environment)["SSL_CERT_FILE"] == "/pip.pem"


@pytest.fixture
def venv(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give a .venv with a uv that writes down its cache and its words, and can't use a cache that has `full` in it."""
    venv = tmp_path / "venv"
    (venv / "bin").mkdir(parents=True)
    uv = venv / "bin" / "uv"
    uv.write_text(
        f"""#!/bin/sh
        if [ "$1 $2" = "cache dir" ]; then echo "$UV_CACHE_DIR"; exit; fi
        echo "$UV_CACHE_DIR $*" >>{tmp_path}/calls
        [ -d "$UV_CACHE_DIR" ] || exit 9
        [ ! -e "$UV_CACHE_DIR/full" ] || {{ echo "error: No space left on device (os error 28)" >&2; exit 2; }}
        [ ! -e {tmp_path}/offline ] || {{ echo "error: dns error" >&2; exit 2; }}
        """
    )
    uv.chmod(0o755)
    monkeypatch.setattr(install, "VENV", venv)
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "cache"))
    return venv


def caches(venv: Path) -> list[str]:
    """Return the directories that were uv's cache, in order."""
    return [call.split()[0] for call in (venv.parent / "calls").read_text().splitlines()]


def test_the_cache_is_everybodys(venv: Path) -> None:
    """Uv keeps what it fetches where the next checkout finds it."""
    assert install.uv(["-r", "run.txt"], {"no-binary": ":all:", "no-index": "true"}) == 0

    [call] = (venv.parent / "calls").read_text().splitlines()
    assert call.startswith(f"{venv.parent}/cache pip install --python ")
    assert call.endswith(" --no-binary :all: --no-index -r run.txt")


@pytest.mark.parametrize("harm", ["can't be made", "full"])
def test_a_cache_that_can_not_be_used(venv: Path, harm: str) -> None:
    """With a cache that can't be written, or is full, the files go to a directory that is removed at the end."""
    cache = venv.parent / "cache"
    if harm == "full":
        cache.mkdir()
        (cache / "full").touch()
    else:
        cache.write_text("no directory")

    assert install.uv(["-r", "run.txt"], {}) == 0

    *_, last = caches(venv)
    assert last.startswith(f"{venv}/.uv-")
    assert not Path(last).exists()


def test_any_other_failure_is_one(venv: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """A failure that is not the cache's is not tried again, and is in the log."""
    (venv.parent / "offline").touch()

    assert install.uv(["-r", "run.txt"], {}) == 2
    assert caches(venv) == [f"{venv.parent}/cache"]
    assert "error: dns error" in capfd.readouterr().out
