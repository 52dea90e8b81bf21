"""The disks of a host at Amazon. Pure."""

from collections.abc import Iterable, Sequence

from model.json_types import Json
from providers.cloud.host import Disk, HostSpec, Machine

DATA_DEVICE = "/dev/sdf"
"""Of the extra disk; in the host it is called otherwise (`/dev/nvme1n1`)."""


def disk_sizes(spec: HostSpec, root_device: str, size: int) -> dict[str, int]:
    """Return the GiB of each disk by its device.

    Args:
        spec: The host.
        root_device: The device of the disk that it starts from.
        size: GiB of that disk.

    """
    sizes = {root_device: size}
    return {**sizes, DATA_DEVICE: spec.data_size} if spec.data_size else sizes


def disks_of(spec: HostSpec, machine: Machine, volumes: Iterable[Json]) -> list[Disk]:
    """Return the disks of an instance.

    Args:
        spec: The host.
        machine: The instance.
        volumes: Volumes, those of other instances among them.

    """
    root = machine.answer.get("RootDeviceName", "")
    found = []
    for volume in volumes:
        size = int(volume["Size"])
        sizes = disk_sizes(spec, root, spec.kept_size(size))
        found += [
            Disk(str(volume["VolumeId"]), size, sizes[at["Device"]])
            for at in volume.get("Attachments") or ()
            if at.get("InstanceId") == machine.id and at["Device"] in sizes
        ]
    return found


def data_paths(machine: Machine) -> Sequence[str]:
    """Return the paths of an instance's extra disk: on types with NVMe, and on those with Xen.

    With NVMe the serial number is the volume's id, of which udev makes the link. With Xen the kernel makes `xvdf` of
    `sdf`.
    https://docs.aws.amazon.com/ebs/latest/userguide/identify-nvme-ebs-device.html
    https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/device_naming.html
    """
    volumes = {
        mapping["DeviceName"]: str(mapping["Ebs"]["VolumeId"])
        for mapping in machine.answer.get("BlockDeviceMappings") or ()
    }
    volume = volumes.get(DATA_DEVICE, "vol…").replace("-", "")
    return f"/dev/disk/by-id/nvme-Amazon_Elastic_Block_Store_{volume}", "/dev/xvdf"


def attached_to(machine: Machine) -> list[Json]:
    """Return the filters that find the volumes of an instance."""
    return [{"Name": "attachment.instance-id", "Values": [machine.id]}]
