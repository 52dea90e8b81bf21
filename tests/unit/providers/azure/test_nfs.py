"""Azure's storage accounts."""

from providers.azure.nfs import account_name
from tests.doubles.azure.cloud import stage_of


def test_names_of_accounts_are_ones() -> None:
    """A storage account's name has at most 24 letters and digits, and is the stage's own."""
    name = account_name(stage_of(), "sub")

    assert (len(name), name.isalnum(), name.islower()) == (24, True, True)
    assert name != account_name(stage_of(), "other")
