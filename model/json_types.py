"""The type of JSON objects that APIs send and take."""

from typing import Any

Json = dict[str, Any]
"""An object of a JSON document: names to values that only the API's own documentation can tell."""
