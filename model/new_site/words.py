"""The words `name=value` of `doit init`. Pure."""

from collections.abc import Mapping

from model.new_site.ci_files import CIS
from model.new_site.stage_tables import PROVIDERS

COMPOSE = "compose"
INIT_WORDS: Mapping[str, tuple[str, ...]] = {
    "provider": PROVIDERS,
    "from": (COMPOSE,),
    "ci": CIS,
    "site": (),
}
"""The words, each with its values, if only some will do."""
