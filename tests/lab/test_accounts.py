from __future__ import annotations

from serialfix.lab.accounts import Accounts


def test_azure_renames_the_built_in_administrator() -> None:
    accounts = Accounts("de", "azureadmin", "Secret-1", "renamed")
    admin = accounts.user("AzureAdmin")
    assert admin is not None
    assert (admin.rid, admin.active) == (500, True)
    assert accounts.user("Administrator") is None
    assert accounts.administrators == "Administratoren"


def test_elsewhere_it_is_disabled() -> None:
    accounts = Accounts("fr", "azureadmin", "Secret-1", "disabled")
    builtin = accounts.user("administrateur")
    assert builtin is not None
    assert (builtin.rid, builtin.active) == (500, False)


def test_who_may_log_on_to_a_channel() -> None:
    accounts = Accounts("en", "azureadmin", "Secret-1", "renamed")
    assert accounts.logs_on("AZUREADMIN", "Secret-1")
    assert not accounts.logs_on("azureadmin", "secret-1")
    accounts.add("helper", "Secret-2")
    assert not accounts.logs_on("helper", "Secret-2")  # no administrator
    admin = accounts.user("azureadmin")
    assert admin is not None
    admin.active = False
    assert not accounts.logs_on("azureadmin", "Secret-1")


def test_a_picture_tells_that_a_password_changed_and_not_what_it_is() -> None:
    accounts = Accounts("en", "azureadmin", "Secret-1", "renamed")
    before = accounts.snapshot()
    accounts.set_password("azureadmin", "Secret-3")
    assert accounts.snapshot() != before
    assert "Secret" not in repr(accounts.snapshot())


def test_which_accounts_services_start_with() -> None:
    accounts = Accounts("en", "azureadmin", "Secret-1", "renamed")
    assert accounts.runs_services(r"NT Authority\NetworkService")
    assert accounts.runs_services("localSystem")
    assert accounts.runs_services(r".\azureadmin") is False
    assert accounts.runs_services(r"CONTOSO\nobody") is None
