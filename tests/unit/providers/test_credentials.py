"""Credentials that can't be used: one line with the way out, whatever the SDK makes of them. Nothing is asked."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from model.errors import ProviderError
from model.extras import AWS_LOGIN
from providers.aws.api import AwsApi
from providers.azure import api as azure_api
from providers.gcp.api import GcpApi
from providers.openstack.api import OpenStackApi
from tests import rig as make

AWS_CONFIG = """\
[profile sso]
sso_session = mine
sso_account_id = 123456789012
sso_role_name = admin
[sso-session mine]
sso_region = eu-central-1
sso_start_url = https://example.awsapps.com/start
[profile old]
sso_region = eu-central-1
sso_start_url = https://example.awsapps.com/start
sso_account_id = 123456789012
sso_role_name = admin
[profile login]
login_session = arn:aws:sts::123456789012:assumed-role/admin/me
"""


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give a home in which nobody has ever logged in."""
    for name in [
        name for name in os.environ if name.startswith(("AWS_", "AZURE_", "GOOGLE_", "OS_", "CLOUDSDK_"))
    ]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", os.devnull)
    (tmp_path / "config").write_text(AWS_CONFIG)
    make.hold_to_loopback(monkeypatch)
    return tmp_path


def refusal(ask: Callable[[], object]) -> str:
    """Return the message with which it is refused: one line."""
    with pytest.raises(ProviderError) as caught:
        ask()
    [line] = str(caught.value).splitlines()
    return line


@pytest.mark.slow
@pytest.mark.usefixtures("home")
@pytest.mark.parametrize(
    ("profile", "reason", "way_out"),
    [
        ("nosuch", "The config profile (nosuch) could not be found", "log in (`aws sso login`"),
        ("sso", "Token for mine does not exist", "log in (`aws sso login`"),
        ("old", "Token for https://example.awsapps.com/start does not exist", "log in (`aws sso login`"),
        ("login", "need more of Amazon's SDK", f"install it with `{AWS_LOGIN.command}`"),
    ],
)
def test_profiles_of_amazon(monkeypatch: pytest.MonkeyPatch, profile: str, reason: str, way_out: str) -> None:
    """A profile that there is not, a session of SSO that is over, and one of `aws login` without its library."""
    monkeypatch.setenv("AWS_PROFILE", profile)
    line = refusal(lambda: AwsApi("eu-central-1").call("get_caller_identity", service="sts"))

    assert reason in line
    assert way_out in line.partition(reason)[2]


def test_files_that_can_not_be_read(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A broken configuration of Amazon's, and broken credentials of Google's."""
    (home / "config").write_text("[profile x\n")
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(home / "config"))

    assert "log in (`aws sso login`" in refusal(lambda: AwsApi("eu-central-1").client("ec2"))
    assert "log in (`gcloud auth" in refusal(lambda: GcpApi(None, "europe-west3").project)


@pytest.mark.usefixtures("home")
def test_a_choice_of_azures_that_there_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    """AZURE_TOKEN_CREDENTIALS names no kind of credentials."""
    monkeypatch.setenv("AZURE_TOKEN_CREDENTIALS", "nonsense")

    line = refusal(azure_api.endpoint)
    assert "nonsense" in line
    assert "`az login`" in line


@pytest.mark.slow
def test_an_error_of_openstacks_of_no_kind(monkeypatch: pytest.MonkeyPatch) -> None:
    """A password that is missing is said with a bare Exception."""
    import openstack

    def connect(**_: object) -> object:
        raise Exception("password is a required attribute")  # noqa: TRY002 - as openstacksdk does

    monkeypatch.setattr(openstack, "connect", connect)
    assert "password is a required attribute: check clouds.yaml" in refusal(
        lambda: OpenStackApi("mine", None).project
    )


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("clouds: {mine: {auth: {username: me}}}", "auth_url"),
        ("clouds: {other: {}}", "mine was not found"),
        ("clouds: {mine: [", "mine"),
    ],
)
def test_entries_of_clouds_yaml(home: Path, monkeypatch: pytest.MonkeyPatch, text: str, reason: str) -> None:
    """One without an address, one that there is not, and a file that is no YAML."""
    (home / "clouds.yaml").write_text(text)
    monkeypatch.setenv("OS_CLIENT_CONFIG_FILE", str(home / "clouds.yaml"))

    line = refusal(lambda: OpenStackApi("mine", None).project)
    assert reason in line
    assert "check clouds.yaml" in line
