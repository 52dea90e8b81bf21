"""A layer in front of moto's server, in its process, that refuses requests which Amazon refuses and moto accepts.

It looks into moto's memory for the things that there are, so that it keeps next to nothing itself.

Held against: Amazon's documentation, whose page each rule names, and botocore's models of the services. Not against an
account: whether Amazon does as it documents is not shown.
"""

import ipaddress
import itertools
import json
import os
import re
import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from fnmatch import fnmatch
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode
from xml.etree import ElementTree as ET

ACCOUNT = "123456789012"
_NAMESPACE = "http://ec2.amazonaws.com/doc/2016-11-15"
_MAX_USER_DATA = 16 * 1024
_MAX_PORT = 65535
_DEFAULT_VPC = "172.31.0.0/16"
_TRANSITIONS = {"RunInstances": "pending", "StartInstances": "pending", "StopInstances": "stopping",
                "TerminateInstances": "shutting-down"}  # fmt: skip
_CODES = {"pending": "0", "shutting-down": "32", "stopping": "64"}
_NOT_FOUND = {
    "vpc": "InvalidVpcID.NotFound",
    "subnet": "InvalidSubnetID.NotFound",
    "sg": "InvalidGroup.NotFound",
    "igw": "InvalidInternetGatewayID.NotFound",
    "i": "InvalidInstanceID.NotFound",
    "eipalloc": "InvalidAllocationID.NotFound",
}
_MAKES = {"CreateVpc": "vpc", "CreateSubnet": "subnet", "CreateSecurityGroup": "sg", "CreateInternetGateway": "igw",
          "RunInstances": "i", "AllocateAddress": "eipalloc"}  # fmt: skip
_ID = re.compile(rb"\b(vpc|subnet|sg|igw|i|eipalloc)-[0-9a-f]{8,17}\b")


class RefusedError(Exception):
    """A refusal of Amazon's.

    Args:
        code: The error's code.
        said: Its message.
        status: HTTP's status.

    """

    def __init__(self, code: str, said: str, status: int = 400) -> None:
        super().__init__(f"{code}: {said}")
        self.code, self.said, self.status = code, said, status


@dataclass
class Settings:
    """How the cloud behaves; a test changes it over HTTP.

    Attributes:
        lag: For how many requests what was just made is not known.
        slow: For how many listings an instance is still pending, stopping, shutting down.
        throttle: Every so manieth request is one too many; 0 is none.
        denied: Operations that the account may not use.
        full: Zones that have no room.
        is_demanding: Whether an organization's policies demand tags, encrypted disks and IMDSv2.
        is_rested: Whether all volumes were changed so long ago that they may be changed again.
        quotas: Code of Service Quotas to its value.
        fail_at: The number of the counted call that fails; 0 is none.
        fail_how: `refused` (nothing is done), `lost` (it is done, and the answer is lost), `killed` (it is done, and
            the process `pid` is killed).
        fail_on: The only operation that counts for that; all that change something by default.
        failed: Whether one has failed.
        pid: The process to kill.

    """

    lag: int = 0
    slow: int = 1
    throttle: int = 0
    denied: tuple[str, ...] = ()
    full: tuple[str, ...] = ()
    is_demanding: bool = False
    is_rested: bool = False
    quotas: dict[str, float] = field(
        default_factory=lambda: {"L-0263D0A3": 5.0, "L-F678F1CE": 5.0, "L-1216C47A": 32.0}
    )
    fail_at: int = 0
    fail_how: str = "refused"
    fail_on: str = ""
    failed: bool = False
    pid: int = 0


@dataclass
class Call:
    """One request.

    Args:
        service: As the request is signed for: `ec2`.
        operation: In the API's words.
        region: The region.
        form: The parameters of the query protocol.
        body: The request's body.

    """

    service: str
    operation: str
    region: str
    form: dict[str, str]
    body: bytes


class Strict:
    """The layer, as a WSGI application around moto's.

    Args:
        app: moto's.

    """

    def __init__(self, app: Callable[..., Iterable[bytes]]) -> None:
        self._app = app
        self._lock = threading.RLock()
        self.restart()

    def restart(self) -> None:
        """Forget everything."""
        self.settings = Settings()
        self.calls: list[str] = []
        self._number, self._counted = itertools.count(1), itertools.count(1)
        self._tokens: dict[str, tuple[str, bytes]] = {}
        self._young: dict[str, int] = {}
        self._moving: dict[str, tuple[str, int]] = {}
        self._modified: set[str] = set()
        self._efs_young: dict[str, int] = {}

    # -- WSGI ----------------------------------------------------------------------------------------------------------

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Answer a request."""
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        if environ["PATH_INFO"] == "/skep":
            return self._control(json.loads(body or b"{}"), start_response)
        call = _call(environ, body)
        with self._lock:
            try:
                status, headers, answer = self._answer(call, environ)
            except RefusedError as error:
                status, headers, answer = _refusal(call, error)
        start_response(status, headers)
        return [answer]

    def _control(self, order: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Carry out a test's order: begin anew, change a setting, tell the calls and the things."""
        with self._lock:
            if order.pop("reset", False):
                from moto.moto_api._internal.models import moto_api_backend

                moto_api_backend.reset()
                self.restart()
            if order.pop("clear", False):
                self.calls, self._number, self._counted = [], itertools.count(1), itertools.count(1)
            for name, value in order.items():
                if name != "region":
                    setattr(self.settings, name, value)
            said = {
                "calls": self.calls,
                "failed": self.settings.failed,
                "things": list(things(order["region"])) if "region" in order else [],
            }
        start_response("200 OK", [("Content-Type", "application/json")])
        return [json.dumps(said).encode()]

    def _answer(self, call: Call, environ: dict[str, Any]) -> tuple[str, list[tuple[str, str]], bytes]:
        """Judge a request, have moto answer it, and mend the answer."""
        self.calls.append(call.operation)
        _check_credentials(call, environ)
        settings, number = self.settings, next(self._number)
        if settings.throttle and number % settings.throttle == 0:
            # EFS has another code: https://docs.aws.amazon.com/efs/latest/ug/API_CreateFileSystem.html
            is_efs = call.service == "elasticfilesystem"
            code = "TooManyRequests" if is_efs else "RequestLimitExceeded"
            raise RefusedError(code, "Request limit exceeded.", 429 if is_efs else 503)
        fails = self._is_to_fail(call)
        if fails and settings.fail_how == "refused":
            raise RefusedError("InternalError", "An internal error has occurred", 500)
        self._check_policies(call)
        if call.operation in settings.denied:
            raise RefusedError(
                "UnauthorizedOperation", "You are not authorized to perform this operation.", 403
            )
        if call.service == "servicequotas":
            return self._quota(call)
        known = self._judge(call)
        if known is not None:
            return _ok(known)
        if call.form.get("DryRun") == "true":
            # Moto makes a VPC all the same. https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html
            raise RefusedError(
                "DryRunOperation", "Request would have succeeded, but DryRun flag is set.", 412
            )
        environ["wsgi.input"] = _Body(_mended_request(call))
        environ["CONTENT_LENGTH"] = str(len(environ["wsgi.input"].data))
        status, headers, answer = self._ask_moto(environ)
        if status.startswith("2"):
            answer = self._note(call, answer)
        if fails:
            if settings.fail_how == "killed":
                os.kill(settings.pid, signal.SIGKILL)
            raise RefusedError("InternalError", "An internal error has occurred", 500)
        headers = [(name, value) for name, value in headers if name.lower() != "content-length"]
        return status, [*headers, ("Content-Length", str(len(answer)))], answer

    def _check_policies(self, call: Call) -> None:
        """Refuse what the documented policy does not allow, or an organization's policies deny.

        https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonec2.html
        https://docs.aws.amazon.com/efs/latest/ug/API_CreateMountTarget.html, API_DeleteMountTarget.html
        """
        for action in _actions_of(call):
            if not any(fnmatch(action, allowed) for allowed in _documented_actions()):
                raise RefusedError(
                    "AccessDeniedException"
                    if call.service == "elasticfilesystem"
                    else "UnauthorizedOperation",
                    f"You are not authorized to perform this operation: {action}",
                    403,
                )
        if self.settings.is_demanding:
            _check_demands(call)

    def _is_to_fail(self, call: Call) -> bool:
        """Return whether it is this request's turn to fail."""
        wanted = self.settings.fail_on
        if call.operation != wanted if wanted else call.operation.startswith(("Describe", "Get")):
            return False
        if next(self._counted) != self.settings.fail_at:
            return False
        self.settings.failed = True
        return True

    def _ask_moto(self, environ: dict[str, Any]) -> tuple[str, list[tuple[str, str]], bytes]:
        """Return moto's answer."""
        got: list[Any] = []

        def started(status: str, headers: list[tuple[str, str]], _info: Any = None) -> None:
            got[:] = [status, headers]

        answer = b"".join(self._app(environ, started))
        return got[0], got[1], answer

    def _quota(self, call: Call) -> tuple[str, list[tuple[str, str]], bytes]:
        """Answer for Service Quotas, which moto does not know these of."""
        code = json.loads(call.body)["QuotaCode"]
        if code not in self.settings.quotas:
            raise RefusedError(
                "NoSuchResourceException", "The request failed because the specified service quota."
            )
        said = {"Quota": {"QuotaCode": code, "Value": self.settings.quotas[code]}}
        return "200 OK", [("Content-Type", "application/x-amz-json-1.1")], json.dumps(said).encode()

    # -- rules ---------------------------------------------------------------------------------------------------------

    def _judge(self, call: Call) -> bytes | None:
        """Raise for a request that Amazon refuses; return the answer to one that was answered before."""
        if call.service == "ec2":
            check_model(call)
            self._check_young(call)
            for rule in RULES.get(call.operation, ()):
                rule(self, call)
            _check_tags(call)
        elif call.service == "elasticfilesystem":
            _check_json(call)
            self._check_known_to_efs(call)
        return self._check_token(call)

    def _check_young(self, call: Call) -> None:
        """Refuse a request that names a thing which is not known everywhere yet.

        https://docs.aws.amazon.com/ec2/latest/devguide/eventual-consistency.html
        """
        if call.operation.startswith("Describe"):
            return
        for value in call.form.values():
            if self._young.get(value, 0) > 0:
                self._young[value] -= 1
                is_route = call.operation == "CreateRoute" and value.startswith("igw-")
                code = "InvalidGatewayID.NotFound" if is_route else _NOT_FOUND[value.partition("-")[0]]
                raise RefusedError(code, f"The ID '{value}' does not exist")

    def _check_known_to_efs(self, call: Call) -> None:
        """Refuse a target that names what EFS does not know yet; it hears of it later than others.

        https://docs.aws.amazon.com/efs/latest/ug/API_CreateMountTarget.html
        """
        if call.operation != "CreateMountTarget":
            return
        for value in (found.group().decode() for found in _ID.finditer(call.body)):
            left = self._efs_young.setdefault(value, self.settings.lag)
            if left > 0 and not value.startswith("i-"):
                self._efs_young[value] = left - 1
                code = "SubnetNotFound" if value.startswith("subnet-") else "SecurityGroupNotFound"
                raise RefusedError(code, f"The ID '{value}' does not exist")

    def _check_token(self, call: Call) -> bytes | None:
        """Return the first answer for a token that is repeated; refuse it with other parameters.

        https://docs.aws.amazon.com/ec2/latest/devguide/ec2-api-idempotency.html
        """
        token = call.form.get("ClientToken")
        if token is None or call.form.get("DryRun") == "true":
            return None
        said = json.dumps(sorted(call.form.items()))
        if token not in self._tokens:
            return None
        before, answer = self._tokens[token]
        if before != said:
            raise RefusedError(
                "IdempotentParameterMismatch", "The client token has already been used with other parameters."
            )
        return answer

    def check_room(self, call: Call) -> None:
        """Refuse instances in a zone that has no room, and addresses and user data that can't be.

        https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/troubleshooting-launch.html
        https://docs.aws.amazon.com/vpc/latest/userguide/subnet-sizing.html
        https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/user-data.html
        """
        backend = _backend(call)
        subnet = backend.get_subnet(call.form["NetworkInterface.1.SubnetId"]) if (
            "NetworkInterface.1.SubnetId" in call.form
        ) else None  # fmt: skip
        if subnet is not None and subnet.availability_zone in self.settings.full:
            raise RefusedError(
                "InsufficientInstanceCapacity",
                f"We currently do not have sufficient capacity in the Availability Zone ({subnet.availability_zone}).",
                500,
            )
        import base64

        if len(base64.b64decode(call.form.get("UserData", ""))) > _MAX_USER_DATA:
            raise RefusedError("InvalidParameterValue", "User data is limited to 16384 bytes")
        self._check_disks(call)
        address = call.form.get("NetworkInterface.1.PrivateIpAddress")
        if subnet is None or address is None:
            return
        network = ipaddress.ip_network(subnet.cidr_block)
        if ipaddress.ip_address(address) not in network:
            raise RefusedError(
                "InvalidParameterValue", f"Address {address} does not fall within the subnet's range"
            )
        if ipaddress.ip_address(address) in {*(network[n] for n in range(4)), network[-1]}:
            raise RefusedError(
                "InvalidParameterValue", f"Address {address} is in subnet's reserved address range"
            )
        for instance in _living(backend, self._moving):
            if instance.private_ip == address and instance.subnet_id == subnet.id:
                raise RefusedError("InvalidIPAddress.InUse", f"Address {address} is in use.")

    def _check_disks(self, call: Call) -> None:
        """Refuse a disk that is smaller than the snapshot of the image.

        https://docs.aws.amazon.com/ebs/latest/userguide/ebs-creating-volume.html
        https://github.com/scylladb/scylladb/issues/6999 has the message.
        """
        [image] = _backend(call).describe_images(ami_ids=[call.form["ImageId"]]) or [None]
        if image is None:
            return  # moto says so
        [mapping] = image.block_device_mappings
        for name, device in call.form.items():
            size = call.form.get(name.replace("DeviceName", "Ebs.VolumeSize"))
            needed, snapshot = mapping["Ebs"]["VolumeSize"], mapping["Ebs"]["SnapshotId"]
            is_root = name.startswith("BlockDeviceMapping") and device == image.root_device_name
            if is_root and size is not None and int(size) < needed:
                raise RefusedError(
                    "InvalidBlockDeviceMapping",
                    f"Volume of size {size}GB is smaller than snapshot '{snapshot}', expect size >= {needed}GB",
                )

    def check_state(self, call: Call) -> None:
        """Refuse a request that an instance can't take between two states.

        https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/ec2-instance-lifecycle.html
        """
        wanted = {"StartInstances": {"stopped", "running"}, "StopInstances": {"running", "stopped"},
                  "ModifyInstanceAttribute": {"stopped"}, "AssociateAddress": {"running", "stopped"}}  # fmt: skip
        for name, value in call.form.items():
            if not name.startswith("InstanceId"):
                continue
            state, _ = self._moving.get(value, ("", 0))
            state = state or next(
                (i.state for i in _instances(_backend(call)) if i.id == value), "terminated"
            )
            if state not in wanted[call.operation]:
                code = (
                    "InvalidInstanceID" if call.operation == "AssociateAddress" else "IncorrectInstanceState"
                )
                raise RefusedError(code, f"The instance '{value}' is {state}, and not in a state for this.")

    def check_subnet_free(self, call: Call) -> None:
        """Refuse to remove a subnet that something is in.

        https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DeleteSubnet.html
        """
        backend, subnet = _backend(call), call.form["SubnetId"]
        inside = [i.id for i in _living(backend, self._moving) if i.subnet_id == subnet]
        inside += [target.mount_target_id for target in _targets(call.region) if target.subnet_id == subnet]
        if inside:
            raise RefusedError(
                "DependencyViolation", f"The subnet '{subnet}' has dependencies and cannot be deleted."
            )

    def check_group_free(self, call: Call) -> None:
        """Refuse to remove a security group that something has.

        https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DeleteSecurityGroup.html
        """
        backend, group = _backend(call), call.form["GroupId"]
        users = [i.id for i in _living(backend, self._moving) if group in _groups_of(i)]
        users += [t.mount_target_id for t in _targets(call.region) if group in (t.security_groups or ())]
        if users:
            raise RefusedError("DependencyViolation", f"resource {group} has a dependent object")

    def check_gateway_free(self, call: Call) -> None:
        """Refuse to detach a gateway through which public addresses are reached.

        https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DetachInternetGateway.html
        """
        backend = _backend(call)
        mapped = [
            a.public_ip for a in backend.addresses
            if a.instance is not None and a.instance.vpc_id == call.form["VpcId"] and a.association_id
        ]  # fmt: skip
        if mapped:
            raise RefusedError("DependencyViolation", "Network has some mapped public address(es).")

    def check_vpc_free(self, call: Call) -> None:
        """Refuse to remove a VPC with security groups or subnets of its own.

        https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DeleteVpc.html
        """
        backend, vpc = _backend(call), call.form["VpcId"]
        groups = [g.id for g in backend.groups.get(vpc, {}).values() if g.name != "default"]
        subnets = [s.id for zones in backend.subnets.values() for s in zones.values() if s.vpc_id == vpc]
        if groups or subnets:
            raise RefusedError(
                "DependencyViolation", f"The vpc '{vpc}' has dependencies and cannot be deleted."
            )

    def check_address_free(self, call: Call) -> None:
        """Refuse to release an address that a host has.

        https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_ReleaseAddress.html
        """
        for address in _backend(call).addresses:
            if address.allocation_id == call.form["AllocationId"] and address.association_id:
                raise RefusedError("InvalidIPAddress.InUse", f"Address {address.public_ip} is in use.")

    def check_quota(self, call: Call) -> None:
        """Refuse more than the account may have.

        https://docs.aws.amazon.com/vpc/latest/userguide/amazon-vpc-limits.html
        """
        backend, quotas = _backend(call), self.settings.quotas
        if call.operation == "AllocateAddress" and len(backend.addresses) >= quotas["L-0263D0A3"]:
            raise RefusedError("AddressLimitExceeded", "The maximum number of addresses has been reached.")
        if call.operation == "CreateVpc" and len(backend.vpcs) >= quotas["L-F678F1CE"]:
            raise RefusedError("VpcLimitExceeded", "The maximum number of VPCs has been reached.")

    def check_zone_of_volume(self, call: Call) -> None:
        """Refuse to attach a volume of another zone.

        https://docs.aws.amazon.com/ebs/latest/userguide/ebs-attaching-volume.html
        """
        backend = _backend(call)
        volume = backend.get_volume(call.form["VolumeId"])
        instance = next(i for i in _instances(backend) if i.id == call.form["InstanceId"])
        if volume.zone.name != instance.availability_zone:
            raise RefusedError(
                "InvalidVolume.ZoneMismatch", "The volume is not in the same zone as the instance."
            )

    def check_growth(self, call: Call) -> None:
        """Refuse to make a volume smaller, or to change one that was changed a short while ago.

        https://docs.aws.amazon.com/ebs/latest/userguide/modify-volume-requirements.html
        """
        volume = _backend(call).get_volume(call.form["VolumeId"])
        if int(call.form.get("Size", volume.size)) < volume.size:
            raise RefusedError("InvalidParameterValue", "New size cannot be smaller than existing size")
        if volume.id in self._modified and not self.settings.is_rested:
            # https://docs.aws.amazon.com/ebs/latest/userguide/ebs-modify-volume.html
            raise RefusedError(
                "VolumeModificationRateExceeded",
                "You've reached the maximum modification rate per volume limit. Wait at least 6 hours between "
                "modifications per EBS volume.",
            )
        self._modified.add(volume.id)

    def check_ports(self, call: Call) -> None:
        """Refuse ports that there are not, and tcp or udp without them.

        https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_IpPermission.html
        """
        for name, protocol in call.form.items():
            if not name.endswith(".IpProtocol"):
                continue
            for end in ("FromPort", "ToPort"):
                port = call.form.get(name.replace("IpProtocol", end))
                if protocol in {"tcp", "udp"} and (port is None or not 0 <= int(port) <= _MAX_PORT):
                    raise RefusedError("InvalidParameterValue", f"Invalid value '{port}' for portRange.")

    # -- what is kept --------------------------------------------------------------------------------------------------

    def _note(self, call: Call, answer: bytes) -> bytes:
        """Remember the operation that a request began, and have the answer show it."""
        made = {found.group().decode() for found in _ID.finditer(answer)}
        if self.settings.lag and call.operation in _MAKES:
            new = {each for each in made if each.startswith(f"{_MAKES[call.operation]}-")}
            self._young |= dict.fromkeys(new, self.settings.lag)
        if self.settings.lag and call.operation == "AttachInternetGateway":
            # A route by it is refused for longer: InvalidGatewayID.NotFound.
            self._young[call.form["InternetGatewayId"]] = self.settings.lag
        if call.operation in _TRANSITIONS and self.settings.slow:
            moving = made if call.operation == "RunInstances" else set(call.form.values())
            for each in moving:
                if each.startswith("i-"):
                    self._moving[each] = (_TRANSITIONS[call.operation], self.settings.slow)
        if call.operation == "TerminateInstances":
            self._let_go(call)
        if call.service == "ec2" and call.operation.startswith(("Describe", "RunInstances")):
            answer = self._mended_listing(call, answer)
        if call.operation == "RunInstances" and "ClientToken" in call.form:
            self._tokens[call.form["ClientToken"]] = (json.dumps(sorted(call.form.items())), answer)
        return answer

    def _let_go(self, call: Call) -> None:
        """Take public addresses off instances that are gone, and disks that go with them, as Amazon does.

        https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/terminating-instances.html
        """
        backend = _backend(call)
        gone = {value for name, value in call.form.items() if name.startswith("InstanceId")}
        for address in backend.addresses:
            if address.instance is not None and address.instance.id in gone:
                address.instance = address.eni = address.association_id = None
        for instance in _instances(backend):
            if instance.id in gone:
                for nic in instance.nics.values():
                    backend.enis.pop(nic.id, None)
                subnet = backend.get_subnet(instance.subnet_id)
                # moto does so when Python's garbage is collected.
                for address in [ip for ip, owner in subnet._subnet_ips.items() if owner is instance]:
                    subnet.del_subnet_ip(address)

    def _mended_listing(self, call: Call, answer: bytes) -> bytes:
        """Leave out things that are too young to be listed, and show states that take a while."""
        if not (self._young or self._moving):
            return answer
        ET.register_namespace("", _NAMESPACE)
        root = ET.fromstring(answer)  # noqa: S314 - moto's own
        for listed in root:
            for item in list(listed):
                young = [e.text for e in item.iter() if e.text and self._young.get(e.text, 0) > 0]
                own = next((e.text for e in item.iter() if e.tag.endswith("Id") and e.text in young), None)
                if own is not None and _is_of(call.operation, own):
                    self._young[own] -= 1
                    listed.remove(item)
        if call.operation in {"DescribeInstances", "RunInstances"}:
            for item in root.iter(f"{{{_NAMESPACE}}}item"):
                identifier = item.findtext(f"{{{_NAMESPACE}}}instanceId")
                state = item.find(f"{{{_NAMESPACE}}}instanceState")
                if identifier is None or state is None:
                    continue
                moving, left = self._moving.get(identifier, ("", 0))
                if left > 0:
                    self._moving[identifier] = (moving, left - (call.operation == "DescribeInstances"))
                    _show(state, moving)
                else:
                    self._moving.pop(identifier, None)
        return ET.tostring(root)


def _show(state: ET.Element, name: str) -> None:
    """Have the description of an instance show a state."""
    for part, text in (("code", _CODES[name]), ("name", name)):
        found = state.find(f"{{{_NAMESPACE}}}{part}")
        if found is not None:
            found.text = text


RULES: dict[str, tuple[Callable[[Strict, Call], None], ...]] = {
    "AllocateAddress": (Strict.check_quota,),
    "AssociateAddress": (Strict.check_state,),
    "AttachVolume": (Strict.check_zone_of_volume,),
    "AuthorizeSecurityGroupIngress": (Strict.check_ports,),
    "CreateVpc": (Strict.check_quota,),
    "DeleteSecurityGroup": (Strict.check_group_free,),
    "DeleteSubnet": (Strict.check_subnet_free,),
    "DeleteVpc": (Strict.check_vpc_free,),
    "DetachInternetGateway": (Strict.check_gateway_free,),
    "ModifyInstanceAttribute": (Strict.check_state,),
    "ModifyVolume": (Strict.check_growth,),
    "ReleaseAddress": (Strict.check_address_free,),
    "RevokeSecurityGroupIngress": (Strict.check_ports,),
    "RunInstances": (Strict.check_room,),
    "StartInstances": (Strict.check_state,),
    "StopInstances": (Strict.check_state,),
}


@cache
def _documented_actions() -> tuple[str, ...]:
    """Return the actions that the policy in docs/providers.md allows."""
    text = (Path(__file__).resolve().parents[3] / "docs" / "providers.md").read_text()
    [policy] = re.findall(r"```json\n(\{\n  \"Version\".*?\n)```", text, re.DOTALL)
    return tuple(action for one in json.loads(policy)["Statement"] for action in one["Action"])


def _actions_of(call: Call) -> Iterator[str]:
    """Yield the actions that a call needs; `GetCallerIdentity` needs none."""
    if call.service == "sts":
        return
    yield f"{call.service}:{call.operation}"
    if any(name.startswith("TagSpecification") for name in call.form):
        yield "ec2:CreateTags"
    if call.operation == "CreateFileSystem" and b'"Tags"' in call.body:
        yield "elasticfilesystem:TagResource"
    more = {
        "CreateMountTarget": ("DescribeSubnets", "DescribeNetworkInterfaces", "CreateNetworkInterface"),
        "DeleteMountTarget": ("DeleteNetworkInterface",),
    }
    for operation in more.get(call.operation, ()):
        yield f"ec2:{operation}"


def _check_demands(call: Call) -> None:
    """Deny what lacks a tag of ours, an instance without IMDSv2, and disks that are not encrypted.

    https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/ExamplePolicies_EC2.html
    """
    denied = RefusedError(
        "UnauthorizedOperation",
        "You are not authorized to perform this operation. with an explicit deny in a service control policy",
        403,
    )
    if call.operation in _MAKES and "skep.site" not in call.form.values():
        raise denied
    if call.operation == "RunInstances":
        sizes = [name for name in call.form if name.endswith(".Ebs.VolumeSize")]
        encrypted = [call.form.get(name.replace("VolumeSize", "Encrypted")) for name in sizes]
        if (
            call.form.get("MetadataOptions.HttpTokens") != "required"
            or not encrypted
            or set(encrypted) != {"true"}
        ):
            raise denied


class _Body:
    """A request's body that can be read."""

    def __init__(self, data: bytes) -> None:
        self.data, self._left = data, data

    def read(self, size: int = -1) -> bytes:
        """Return the next bytes."""
        size = len(self._left) if size < 0 else size
        taken, self._left = self._left[:size], self._left[size:]
        return taken


def _call(environ: dict[str, Any], body: bytes) -> Call:
    """Return the operation and parameters of a request."""
    found = re.search(r"Credential=[^/]+/\d+/([^/]+)/([^/]+)/", environ.get("HTTP_AUTHORIZATION", ""))
    region, service = found.groups() if found else ("", "")
    form = (
        dict(parse_qsl(body.decode(errors="replace"), keep_blank_values=True)) if b"Action=" in body else {}
    )
    operation = form.get("Action") or environ.get("HTTP_X_AMZ_TARGET", "").rpartition(".")[2]
    return Call(service, operation or _rest_operation(environ), region, form, body)


def _rest_operation(environ: dict[str, Any]) -> str:
    """Return the operation of EFS's REST protocol, by botocore's model."""
    for name, shape in _model("efs")["operations"].items():
        pattern = re.sub(r"\{[^}]+\}", "[^/]+", shape["http"]["requestUri"].split("?")[0])
        path = environ["PATH_INFO"].rstrip("/")
        if environ["REQUEST_METHOD"] == shape["http"]["method"] and re.fullmatch(pattern.rstrip("/"), path):
            return str(name)
    return f"{environ['REQUEST_METHOD']} {environ['PATH_INFO']}"


_models: dict[str, Any] = {}


def _model(service: str) -> Any:
    """Return botocore's description of a service."""
    if service not in _models:
        import botocore.loaders

        _models[service] = botocore.loaders.Loader().load_service_model(service, "service-2")
    return _models[service]


def check_model(call: Call) -> None:
    """Refuse parameters that the service's own model does not know, that are missing, or whose values it does not have.

    https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html
    """
    model = _model("ec2")
    tree: dict[str, Any] = {}
    for name, value in call.form.items():
        if name in {"Action", "Version"}:
            continue
        at = tree
        *path, last = name.split(".")
        for part in path:
            at = at.setdefault(part, {})
        at[last] = value
    shape = model["operations"][call.operation].get("input")
    if shape is not None:
        _check_shape(model["shapes"], shape["shape"], tree, "")


def _check_shape(shapes: dict[str, Any], name: str, value: Any, path: str) -> None:
    """Check a value against a shape of the model."""
    shape = shapes[name]
    if shape["type"] == "structure":
        known = {_wire_name(member, said): said for member, said in shape["members"].items()}
        for key, inner in value.items():
            if key not in known:
                raise RefusedError("UnknownParameter", f"The parameter {path}{key} is not recognized")
            _check_shape(shapes, known[key]["shape"], inner, f"{path}{key}.")
        for member in shape.get("required", ()):
            if _wire_name(member, shape["members"][member]) not in value:
                raise RefusedError(
                    "MissingParameter", f"The request must contain the parameter {path}{member}"
                )
    elif shape["type"] == "list":
        for index, inner in value.items():
            if not index.isdigit():
                raise RefusedError("InvalidParameterValue", f"{path}{index} is no index of a list")
            _check_shape(shapes, shape["member"]["shape"], inner, f"{path}{index}.")
    elif (
        ("enum" in shape and value not in shape["enum"])
        or (shape["type"] in {"integer", "long"} and not re.fullmatch(r"-?\d+", value))
        or (shape["type"] == "boolean" and value not in {"true", "false"})
    ):
        raise RefusedError("InvalidParameterValue", f"Value ({value}) for parameter {path} is invalid.")


def _wire_name(member: str, said: dict[str, Any]) -> str:
    """Return how the query protocol of EC2 calls a member."""
    if "queryName" in said:
        return str(said["queryName"])
    name = str(said.get("locationName", member))
    return name[0].upper() + name[1:]


def _check_json(call: Call) -> None:
    """Refuse a body of EFS whose members or values its model does not have.

    https://docs.aws.amazon.com/efs/latest/ug/API_CreateFileSystem.html
    """
    model = _model("efs")
    shapes, shape = model["shapes"], model["operations"].get(call.operation, {}).get("input")
    if shape is None or not call.body:
        return
    members = shapes[shape["shape"]]["members"]
    for name, value in json.loads(call.body).items():
        if name not in members:
            raise RefusedError("BadRequest", f"unknown member {name}")
        said = shapes[members[name]["shape"]]
        if "enum" in said and value not in said["enum"]:
            raise RefusedError("BadRequest", f"invalid {name}")
        if "max" in said and isinstance(value, str | list) and len(value) > said["max"]:
            raise RefusedError("BadRequest", f"{name} is too long")


def _check_tags(call: Call) -> None:
    """Refuse tags that are Amazon's own, too long or too many.

    https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/Using_Tags.html
    """
    keys = [value for name, value in call.form.items() if re.search(r"\.?Tag\.\d+\.Key$", name)]
    values = [value for name, value in call.form.items() if re.search(r"\.?Tag\.\d+\.Value$", name)]
    for key in keys:
        if key.lower().startswith("aws:"):
            raise RefusedError("InvalidParameterValue", f"Tag keys starting with 'aws:' are reserved: {key}")
    if any(len(key) > 128 for key in keys) or any(len(value) > 256 for value in values):
        raise RefusedError("InvalidParameterValue", "Tag key or value exceeds the maximum length")


def _check_credentials(call: Call, environ: dict[str, Any]) -> None:
    """Refuse an access key that is called `wrong` or `expired`.

    https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html
    """
    said = environ.get("HTTP_AUTHORIZATION", "")
    if "Credential=wrong/" in said:
        code = "AuthFailure" if call.service == "ec2" else "InvalidClientTokenId"
        raise RefusedError(code, "AWS was not able to validate the provided access credentials", 401)
    if "Credential=expired/" in said:
        code = "RequestExpired" if call.service == "ec2" else "ExpiredToken"
        raise RefusedError(code, "The security token included in the request is expired", 400)


def _mended_request(call: Call) -> bytes:
    """Return the request as moto can take it: it wants ports of ESP, and ends with a 500 without them."""
    form = dict(call.form)
    for name, value in call.form.items():
        if name.endswith(".IpProtocol") and value not in {"tcp", "udp", "icmp", "-1"}:
            for end in ("FromPort", "ToPort"):
                form.setdefault(name.replace("IpProtocol", end), "-1")
    return urlencode(form).encode() if form != call.form else call.body


def _refusal(call: Call, error: RefusedError) -> tuple[str, list[tuple[str, str]], bytes]:
    """Return an error as the service's protocol has it."""
    request = "11111111-2222-3333-4444-555555555555"
    status = f"{error.status} Error"
    if call.service in {"elasticfilesystem", "servicequotas"}:
        said = {"__type": error.code, "ErrorCode": error.code, "message": error.said, "Message": error.said}
        headers = [
            ("x-amzn-ErrorType", error.code),
            ("x-amzn-RequestId", request),
            ("Content-Type", "application/json"),
        ]
        return status, headers, json.dumps(said).encode()
    if call.service == "sts":
        inner = f"<Error><Code>{error.code}</Code><Message>{error.said}</Message></Error>"
        text = f"<ErrorResponse>{inner}<RequestId>{request}</RequestId></ErrorResponse>"
    else:
        inner = f"<Error><Code>{error.code}</Code><Message>{error.said}</Message></Error>"
        text = f"<Response><Errors>{inner}</Errors><RequestID>{request}</RequestID></Response>"
    return status, [("Content-Type", "text/xml")], text.encode()


def _ok(answer: bytes) -> tuple[str, list[tuple[str, str]], bytes]:
    """Return an answer that was given before."""
    return "200 OK", [("Content-Type", "text/xml"), ("Content-Length", str(len(answer)))], answer


def _is_of(operation: str, identifier: str) -> bool:
    """Return whether a listing is of the kind of thing that has an id."""
    kinds = {
        "DescribeVpcs": "vpc", "DescribeSubnets": "subnet", "DescribeSecurityGroups": "sg",
        "DescribeInternetGateways": "igw", "DescribeInstances": "i", "DescribeAddresses": "eipalloc",
    }  # fmt: skip
    return kinds.get(operation) == identifier.partition("-")[0]


# -- moto's memory -----------------------------------------------------------------------------------------------------


def _backend(call: Call) -> Any:
    """Return moto's memory of EC2 in a region."""
    from moto.ec2.models import ec2_backends

    return ec2_backends[ACCOUNT][call.region]


def _instances(backend: Any) -> list[Any]:
    """Return all instances that moto knows."""
    return [i for reservation in backend.reservations.values() for i in reservation.instances]


def _living(backend: Any, moving: dict[str, tuple[str, int]]) -> list[Any]:
    """Return the instances that have an address: the dead keep theirs until they are wholly gone."""
    return [i for i in _instances(backend) if i.state != "terminated" or i.id in moving]


def _groups_of(instance: Any) -> set[str]:
    """Return the security groups of an instance."""
    return {group.id for nic in instance.nics.values() for group in nic.group_set}


def _targets(region: str) -> list[Any]:
    """Return the mount targets of all file systems."""
    from moto.efs.models import efs_backends

    systems = efs_backends[ACCOUNT][region].file_systems_by_id.values()
    return [target for system in systems for target in system.iter_mount_targets()]


def things(region: str) -> Iterator[str]:
    """Yield all things in a region that a new account does not have, as `kind id name`."""
    from moto.ec2.models import ec2_backends
    from moto.efs.models import efs_backends

    backend = ec2_backends[ACCOUNT][region]

    def name(thing: Any) -> str:
        tags = backend.tags.get(thing.id, {}) if hasattr(backend, "tags") else {}
        return str(tags.get("skep.name", ""))

    vpcs = {vpc.id: vpc for vpc in backend.vpcs.values() if vpc.cidr_block != _DEFAULT_VPC}
    kinds: dict[str, list[Any]] = {
        "vpc": list(vpcs.values()),
        "subnet": [s for zones in backend.subnets.values() for s in zones.values() if s.vpc_id in vpcs],
        "gateway": list(backend.internet_gateways.values()),
        "group": [g for of in backend.groups.values() for g in of.values() if g.name != "default"],
        "address": backend.addresses,
        "volume": list(backend.volumes.values()),
    }
    for kind, found in kinds.items():
        yield from (f"{kind} {thing.id} {name(thing)}" for thing in found)
    for instance in _instances(backend):
        if instance.state != "terminated":
            yield f"{name(instance)} {instance.id} {instance.state}"
    for system in efs_backends[ACCOUNT][region].file_systems_by_id.values():
        yield f"system {system.file_system_id} nfs"
    for target in _targets(region):
        yield f"target {target.mount_target_id} nfs"
