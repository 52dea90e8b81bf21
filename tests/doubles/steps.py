"""A step without a phase of its own: a resource that a test makes up, by functions."""

from collections.abc import Callable

from model.keys.digest import Inputs
from model.keys.record import Record
from tasks.step import Step, Work


class MadeUpStep(Step):
    """A resource.

    Args:
        phase: The phase's name.
        name: The resource's name.
        ensure: Makes it.
        inputs: Returns its inputs.
        real: Returns why it is not as recorded, given its key; None if it is.
        needs: Tasks whose records it is made from.

    """

    def __init__(
        self,
        phase: str,
        name: str,
        ensure: Callable[[Work], Record],
        inputs: Callable[[], Inputs],
        real: Callable[[str], str | None] = lambda _key: None,
        needs: tuple[str, ...] = (),
    ) -> None:
        self.task, self.needs = f"{phase}:{name}", needs
        self._ensure, self._inputs, self._real = ensure, inputs, real

    def inputs(self) -> Inputs:
        """Return its inputs."""
        return self._inputs()

    def ensure(self, work: Work) -> Record:
        """Make it."""
        return self._ensure(work)

    def real(self, key: str) -> str | None:
        """Return why it is not as recorded."""
        return self._real(key)
