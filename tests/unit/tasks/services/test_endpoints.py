"""The addresses that a run shows at its end."""

from collections.abc import Iterable
from pathlib import Path

import pytest

from tasks.services import endpoints
from tests import made as rig


@pytest.mark.parametrize(
    ("open_to", "note"),
    [
        ("", ""),
        (', open_to = "stage"', "  # only from the stage's hosts"),
        (', open_to = ["192.0.2.0/24", "stage"]', "  # only from 192.0.2.0/24, the stage's hosts"),
    ],
)
def test_a_port_that_is_closed_here_is_not_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, open_to: str, note: str
) -> None:
    """It would not answer from this machine though all is well; the line says whom it is open to."""
    made = rig.new(tmp_path)
    port = f'{{ target_port = 80, published_port = 80, mode = "host"{open_to} }}'
    made.edit('image = "web"', f'image = "web"\nports = [{port}]')
    made.make()
    made.look("hive0", services={"web": 1})
    asked: list[str] = []

    def ask(commands: Iterable[str]) -> dict[str, str]:
        asked.extend(commands)
        return {}

    monkeypatch.setattr(endpoints, "ask", ask)
    monkeypatch.setattr(endpoints._Running, "on", lambda _self, _host: {"web"})
    run = made.run()
    run.progress.deployed = True

    assert endpoints.lines(run)[1] == f"  web  curl http://10.0.0.10/{note}"
    assert asked == ([] if note else ["curl http://10.0.0.10/"])
