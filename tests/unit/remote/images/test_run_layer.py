"""Running a layer's role, and the traces of one that failed."""

import tarfile
from io import BytesIO
from types import SimpleNamespace

import pytest

from model.errors import BuildError
from model.secrets.secret import Secret
from remote.images.run_layer import forget_secrets, run_layer
from tests.unit.remote.images.test_layers import LAYER, layer


class Refusing:
    """A container that an engine without rights refuses to start."""

    def put_archive(self, path: str, data: bytes) -> bool:
        """Take anything."""
        del path, data
        return True

    def start(self) -> None:
        """Refuse."""
        from docker.errors import APIError

        raise APIError(
            "500", explanation="OCI runtime create failed: unable to apply caps: operation not permitted"
        )


def test_privileged_where_the_engine_refuses() -> None:
    """One line says which attribute asks for what this engine can't do."""
    with pytest.raises(
        BuildError, match="role web: the image has privileged = true, and the engine of hive3 can't"
    ):
        run_layer(Refusing(), layer(privileged=True), "hive3", print)


def test_secrets_are_emptied_in_what_is_kept() -> None:
    """Also where the role was killed, and could not remove them itself."""
    put: list[bytes] = []
    container = SimpleNamespace(put_archive=lambda _, data: put.append(data))

    forget_secrets(container, layer(secrets={"token": Secret("sesame")}))
    forget_secrets(container, LAYER)

    assert len(put) == 1
    with tarfile.open(fileobj=BytesIO(put[0])) as archive:
        assert archive.getmember(".skep/secrets/token").size == 0
