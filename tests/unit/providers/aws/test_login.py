"""Profiles of `aws login`: what signs with their tokens is installed with the first client that needs it."""

from typing import Any

import pytest

from model.extras import AWS_LOGIN
from providers.aws import api
from providers.aws.errors import NO_CRT, AwsError
from remote.mother import extras


def test_the_library_is_installed_and_the_sdk_imported_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    """A client that lacks it is made again after its installation; the SDK looks for it only when it is imported."""
    done: list[object] = []

    def new_client(_: api.AwsApi, service: str) -> Any:
        if AWS_LOGIN not in done:
            raise AwsError("client", NO_CRT, "requires an additional dependency")
        return f"a client of {service}"

    monkeypatch.setattr(api.AwsApi, "_new_client", new_client)
    monkeypatch.setattr(extras, "install", done.append)
    monkeypatch.setattr(api, "forget_sdk", lambda: done.append("imported anew"))
    found = api.AwsApi("eu-central-1")

    assert [found.client("ec2"), found.client("ec2")] == ["a client of ec2"] * 2
    assert done == [AWS_LOGIN, "imported anew"]


def test_another_refusal_installs_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """A client that can't be made for another reason is that reason."""

    def new_client(_: api.AwsApi, service: str) -> Any:
        raise AwsError(f"client {service}", "skep.NoCredentials", "none")

    monkeypatch.setattr(api.AwsApi, "_new_client", new_client)
    with pytest.raises(AwsError, match="none"):
        api.AwsApi("eu-central-1").client("ec2")
