"""Amazon on this machine: moto's server behind the strict layer, in a process of its own on a port of the loopback.

    python -m tests.doubles.aws.server DIRECTORY

prints the port that it listens on. DIRECTORY is for the files that it writes. Held against: see `strict.py`.
"""

import json
import logging
import os
import sys
from pathlib import Path
from typing import Any

IMAGES = [
    (
        "ami-00000000000debian",
        "debian-12-amd64-20250101-1",
        "136693071363",
        "x86_64",
        "2025-01-01T00:00:00.000Z",
    ),
    (
        "ami-0000000000debian2",
        "debian-12-amd64-20250601-2",
        "136693071363",
        "x86_64",
        "2025-06-01T00:00:00.000Z",
    ),
    (
        "ami-000000000debianarm",
        "debian-12-arm64-20250601-2",
        "136693071363",
        "arm64",
        "2025-06-01T00:00:00.000Z",
    ),
    (
        "ami-0000000000foreign",
        "debian-12-amd64-20990101-1",
        "999999999999",
        "x86_64",
        "2099-01-01T00:00:00.000Z",
    ),
]
"""Id, name, owner, architecture and date of the images that there are: the last one is somebody's who only says so."""
_ARM_SIZE = 25
"""GiB of the snapshot of an image for Arm; all of moto's have 15."""


def _grow_images() -> None:
    """Have moto's images for Arm be larger."""
    from moto.ec2.models.amis import Ami

    mappings: Any = vars(Ami)["block_device_mappings"]

    def larger(ami: Any) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = mappings.fget(ami)
        if ami.architecture == "arm64":
            found[0]["Ebs"]["VolumeSize"] = _ARM_SIZE
        return found

    Ami.block_device_mappings = property(larger)  # type: ignore[assignment]


def main(directory: Path) -> None:
    """Serve until killed."""
    images = directory / "images.json"
    images.write_text(
        json.dumps(
            [
                {
                    "ami_id": identifier,
                    "name": name,
                    "owner_id": owner,
                    "architecture": architecture,
                    "creation_date": date,
                    "description": name,
                    "hypervisor": "xen",
                    "image_location": f"{owner}/{name}",
                    "image_type": "machine",
                    "public": True,
                    "root_device_name": "/dev/xvda",
                    "root_device_type": "ebs",
                    "sriov": "simple",
                    "state": "available",
                    "virtualization_type": "hvm",
                }
                for identifier, name, owner, architecture, date in IMAGES
            ]
        )
    )
    os.environ |= {
        "MOTO_AMIS_PATH": str(images),
        "MOTO_EC2_ENABLE_INSTANCE_TYPE_VALIDATION": "1",
        "MOTO_ENABLE_AMI_VALIDATION": "1",
        "MOTO_ENABLE_KEYPAIR_VALIDATION": "1",
    }
    from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
    from werkzeug.serving import make_server

    from tests.doubles.aws.strict import Strict

    _grow_images()
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = make_server(
        "127.0.0.1", 0, Strict(DomainDispatcherApplication(create_backend_app)), threaded=True
    )
    sys.stdout.write(f"{server.server_port}\n")
    sys.stdout.flush()
    server.serve_forever()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
