"""Texts of people's files: UTF-8, or a message with the line of the first byte that is none. Pure."""

import codecs

from model.errors import ConfigError

_BOM = "\ufeff"


def utf8_text(name: str, data: bytes, way_out: str = "save it as UTF-8") -> str:
    """Return a file's text, without the byte order mark that some editors begin it with.

    Args:
        name: The file, for the message.
        data: Its content.
        way_out: What to do where it is no UTF-8.

    Raises:
        ConfigError: It is no UTF-8.

    """
    try:
        return data.decode().removeprefix(_BOM)
    except UnicodeDecodeError as error:
        if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            raise ConfigError([f"{name}: is UTF-16: {way_out}"]) from None
        before = data[: error.start]
        line, column = before.count(b"\n") + 1, len(before.rpartition(b"\n")[2].decode()) + 1
        byte = f"0x{data[error.start]:02X}"
        # `from None`: the error holds the whole content.
        raise ConfigError([f"{name}: line {line}, column {column}: {byte} is not UTF-8: {way_out}"]) from None
