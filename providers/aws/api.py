"""Amazon's API: its clients, its calls, and the tags by which skep's things are known.

botocore's own retries are off. A call whose answer was lost may have made something; only who looks first may call
again, so that is done for whole resources (`providers/aws/provider.py`). Here questions are asked again, and calls that
were refused without anything done: one too many, or about a thing that is not known everywhere yet.
"""

import contextlib
import sys
import threading
from collections.abc import Callable, Iterable
from collections.abc import Set as AbstractSet
from typing import Any

from model.extras import AWS_LOGIN
from model.hosts.cloud_name import cloud_name
from model.json_types import Json
from model.labels import KEY_LABEL, NAME_LABEL
from model.stage import Stage
from providers.aws.errors import BUSY, NO_CRT, NOT_YET_VISIBLE, TOO_MANY, AwsError, translate_errors
from providers.cloud.retry import RetryPolicy, poll, retry
from remote.mother import extras

RETRY_TIMEOUT = 120.0
"""Seconds for which a transient error is waited out."""


_REMOVALS = ("delete_", "detach_", "disassociate_", "release_", "terminate_")


class AwsApi:
    """The API of one region. Thread-safe: clients are, and sessions are used by one thread at a time.

    https://docs.aws.amazon.com/boto3/latest/guide/clients.html#multithreading-or-multiprocessing-with-clients

    Args:
        region: The region.

    """

    def __init__(self, region: str) -> None:
        self.region = region
        self._lock = threading.Lock()
        self._session: Any = None
        self._clients: dict[str, Any] = {}
        self.account = ""
        """The account's number; empty as long as it is not known."""

    def learn_account(self, things: Iterable[Json]) -> None:
        """Keep the account that things are in; where nothing is there, that of the credentials, if they tell it."""
        owners = (str(thing["OwnerId"]) for thing in things if thing.get("OwnerId"))
        self.account = self.account or next(owners, "")
        if not self.account:
            with contextlib.suppress(AwsError):
                self.account = str(self.call("get_caller_identity", service="sts")["Account"])

    def client(self, service: str) -> Any:
        """Return the client of a service, with credentials from wherever boto3 finds them."""
        with self._lock:
            if service not in self._clients:
                try:
                    self._clients[service] = self._new_client(service)
                except AwsError as error:
                    if error.code != NO_CRT:
                        raise
                    extras.install(AWS_LOGIN)
                    self._session = None
                    forget_sdk()
                    self._clients[service] = self._new_client(service)
            return self._clients[service]

    def _new_client(self, service: str) -> Any:
        """Return a new client of a service."""
        import boto3
        from botocore.config import Config

        config = Config(
            retries={"total_max_attempts": 1}, connect_timeout=10, read_timeout=60, max_pool_connections=32
        )
        with translate_errors(f"client {service}"):
            self._session = self._session or boto3.Session(region_name=self.region)
            return self._session.client(service, config=config)

    def call(self, operation: str, service: str = "ec2", **arguments: Any) -> Json:
        """Call an operation once; repeat it only while it was certainly not done.

        Raises:
            AwsError: Amazon refused, or did not answer.

        """
        client = self.client(service)
        # What is to be removed and is not found is gone.
        codes = TOO_MANY if operation.startswith(_REMOVALS) else TOO_MANY | NOT_YET_VISIBLE

        def ask() -> Json:
            with translate_errors(operation):
                answer: Json = getattr(client, operation)(**arguments)
                return answer

        return retry(ask, _while_refused(codes))

    def listing(self, operation: str, key: str, service: str = "ec2", **arguments: Any) -> list[Json]:
        """Return all items of a list operation, from all its pages; asked again while Amazon is busy."""
        client = self.client(service)

        def ask() -> list[Json]:
            with translate_errors(operation):
                if client.can_paginate(operation):
                    pages = client.get_paginator(operation).paginate(**arguments)
                    return [item for page in pages for item in page[key]]
                return list(getattr(client, operation)(**arguments)[key])

        return retry(ask, _while_refused(BUSY))

    @staticmethod
    def await_listed(list_things: Callable[[], list[Json]], identifier: str) -> None:
        """Wait until a thing that was made is listed, so that the next attempt does not make it again."""
        poll(
            lambda: any(identifier in thing.values() for thing in list_things()) or None,
            f"{identifier} to be listed",
            RETRY_TIMEOUT,
            lambda: "it was made, and is not",
        )


def forget_sdk() -> None:
    """Have Amazon's SDK imported anew: what it can do without awscrt it only looks at then."""
    for name in list(sys.modules):
        if name.partition(".")[0] in {"boto3", "botocore", "s3transfer"}:
            del sys.modules[name]


def _while_refused(codes: AbstractSet[str]) -> RetryPolicy:
    """Return the policy that repeats a call while it is refused with one of these codes."""
    return RetryPolicy(lambda error: isinstance(error, AwsError) and error.code in codes, RETRY_TIMEOUT)


# -- tags --------------------------------------------------------------------------------------------------------------


def tags_of(thing: Json) -> dict[str, str]:
    """Return a thing's tags."""
    return {tag["Key"]: tag["Value"] for tag in thing.get("Tags") or ()}


def as_tags(tags: dict[str, str]) -> list[Json]:
    """Return tags as the API takes them."""
    return [{"Key": key, "Value": value} for key, value in tags.items()]


def tags_for(stage: Stage, name: str, key: str = "", **more: str) -> dict[str, str]:
    """Return the tags of a thing of a stage; the console shows `Name`."""
    found = {"Name": cloud_name(stage, name), **stage.labels, NAME_LABEL: name, **more}
    return {**found, KEY_LABEL: key} if key else found


def specification(kind: str, tags: dict[str, str]) -> Json:
    """Return tags that a thing has from its first moment on, so that a killed run leaves nothing without them."""
    return {"ResourceType": kind, "Tags": as_tags(tags)}


def of_stage(stage: Stage, name: str = "") -> list[Json]:
    """Return the filters that find a stage's things, or those of a name, by their tags."""
    wanted = {**stage.labels, **({NAME_LABEL: name} if name else {})}
    return [{"Name": f"tag:{key}", "Values": [value]} for key, value in wanted.items()]
