"""What an answer of the live look may mean beside "not as recorded". A plain text means that alone."""


class Missing(str):
    """The real thing is not there at all."""

    __slots__ = ()


class Unknown(str):
    """What the real thing is like can't be found out, since what it is on does not answer."""

    __slots__ = ()
