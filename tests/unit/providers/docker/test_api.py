"""The engine's refusals."""

import pytest

from model.reasons import plain
from providers.docker.api import translate_errors


class TestErrors:
    """The engine's refusals as messages."""

    @pytest.mark.parametrize(
        ("text", "advice"),
        [
            ("('Connection aborted.', PermissionError(13, 'Permission denied'))", "join the group docker"),
            ("('Connection aborted.', FileNotFoundError(2, 'No such file or directory'))", "start it"),
            ("write /var/lib/docker/x: no space left on device", "disk is full"),
            ("Error response from daemon: Address already in use", "ip_address_list"),
            ("driver failed: Bind for 127.0.0.1:49154 failed: port is already allocated", "publish = false"),
            ("pull access denied for nothing", "debootstrap:<suite>"),
            ("Get https://registry-1.docker.io/v2/: dial tcp: i/o timeout", "debootstrap:<suite>"),
            ("UnixHTTPConnectionPool: Read timed out. (read timeout=60)", "does not answer"),
        ],
    )
    def test_way_out(self, text: str, advice: str) -> None:
        """Each known refusal keeps the engine's words and has the way out."""
        said = str(translate_errors(RuntimeError(text)))

        assert plain(text) in said
        assert "Error(" not in said
        assert advice in said
