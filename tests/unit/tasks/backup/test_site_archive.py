"""The site's own files, as backups have them."""

import io
import tarfile
from pathlib import Path

import pytest

from tasks.backup.site_archive import SiteArchive


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """Give a site's directory with state/ and a role."""
    (tmp_path / "state/private").mkdir(parents=True)
    (tmp_path / "state/private/vault.json").write_text("{}")
    (tmp_path / "roles/state").mkdir(parents=True)
    (tmp_path / "roles/state/setup.sh").write_text("true\n")
    (tmp_path / "site.toml").write_text('site = "mysite"\n')
    return tmp_path


def test_it_has_all_but_state(directory: Path) -> None:
    """`state` is left out at the top alone, since a role may be called so."""
    with tarfile.open(fileobj=io.BytesIO(SiteArchive(directory).read())) as archive:
        assert sorted(each.name for each in archive if each.isfile()) == ["roles/state/setup.sh", "site.toml"]


def test_the_digest_is_that_of_the_files(directory: Path) -> None:
    """Content, names and modes are in it; skep's own files, times and the directory's place are not."""
    before = SiteArchive(directory).digest()
    (directory / "state/private/lock.json").write_text("{}")
    (directory / "site.toml").touch()
    assert SiteArchive(directory).digest() == before
    (directory / "roles/state/setup.sh").chmod(0o755)
    executable = SiteArchive(directory).digest()
    (directory / "site.toml").write_text('site = "other"\n')
    assert len({before, executable, SiteArchive(directory).digest()}) == 3


def test_the_archive_is_of_the_files_that_were_hashed(directory: Path) -> None:
    """A file that is changed between the two is in neither."""
    archive = SiteArchive(directory)
    archive.digest()
    (directory / "site.toml").write_text('site = "other"\n')
    with tarfile.open(fileobj=io.BytesIO(archive.read())) as made:
        member = made.extractfile("site.toml")
        assert member is not None
        assert member.read() == b'site = "mysite"\n'
