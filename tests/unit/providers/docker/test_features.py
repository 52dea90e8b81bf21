"""An engine's abilities."""

from providers.docker.features import nameservers


class TestNameServers:
    """Which name servers a host gets."""

    def test_the_mothers(self) -> None:
        """Those that the engine gives to containers."""
        assert nameservers("search x\nnameserver 10.0.0.2\nnameserver 10.0.0.3\n") == [
            "10.0.0.2",
            "10.0.0.3",
        ]

    def test_a_mother_whose_resolver_is_a_loopback_address(self) -> None:
        """Docker's own resolver first, which can ask it, and the fallback for the containers in the host."""
        text = "nameserver 8.8.8.8\nnameserver 8.8.4.4\n"

        assert nameservers(text) == ["127.0.0.11", "8.8.8.8", "8.8.4.4"]
