"""Write `forms.json`, the form of requests as the models of Azure's older SDK have it; nothing else needs those.

    pip install --target OLD azure-mgmt-compute==34.1.0 azure-mgmt-network==30.2.0 azure-mgmt-resource==25.0.0 \
        azure-mgmt-storage==22.2.0
    PYTHONPATH=OLD python -m tests.doubles.azure.extract

The packages are under the MIT license.
"""

import enum
import importlib
import inspect
import json
import re
from typing import Any

from tests.doubles.azure.published import FORMS, Forms
from tests.doubles.azure.rules import GROUP_MODEL, RUN_COMMAND_MODEL, TYPES

_DOT = re.compile(r"(?<!\\)\.")
_WORD = re.compile(r"\w+")


def add(forms: Forms, where: str) -> None:
    """Add a model, and all that it has inside."""
    if where in forms:
        return
    home, _, name = where.partition(":")
    models = importlib.import_module(home)
    model: Any = getattr(models, name)
    enums = _enums(model, models)
    form = forms[where] = {}
    for attribute, entry in sorted(model._attribute_map.items()):
        words = [word.replace("\\.", ".") for word in _DOT.split(entry["key"])]
        rules = {
            rule: limit for rule, limit in model._validation.get(attribute, {}).items() if limit is not False
        }
        one = {"type": entry["type"], **({"rules": rules} if rules else {})}
        form["\t".join(words)] = {**one, **({"values": enums[attribute]} if attribute in enums else {})}
        if rules.get("readonly"):
            continue
        for inner in _WORD.findall(entry["type"]):
            if hasattr(getattr(models, inner, None), "_attribute_map"):
                add(forms, f"{home}:{inner}")


def _enums(model: Any, models: Any) -> dict[str, list[str]]:
    """Return the values that arguments of a model's constructor may have, for those that have an enum."""
    found: dict[str, list[str]] = {}
    for name, parameter in inspect.signature(model.__init__).parameters.items():
        for word in re.findall(r"_models\.(\w+)", str(parameter.annotation)):
            kind = getattr(models, word, None)
            if inspect.isclass(kind) and issubclass(kind, enum.Enum):
                found[name] = [str(one.value) for one in kind]
    return found


if __name__ == "__main__":
    made: Forms = {}
    for kind in TYPES.values():
        for root in filter(None, (kind.model, kind.update)):
            add(made, root)
    for root in (GROUP_MODEL, RUN_COMMAND_MODEL):
        add(made, root)
    FORMS.write_text(json.dumps(made, indent=0, sort_keys=True) + "\n")
