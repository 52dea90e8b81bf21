"""Answers of the live state that say more than "not as recorded". A plain text says that alone."""


class Missing(str):
    """The real thing is not there at all."""

    __slots__ = ()


class Unknown(str):
    """The state of the real thing can't be observed, since the host or manager that it is on does not answer."""

    __slots__ = ()
