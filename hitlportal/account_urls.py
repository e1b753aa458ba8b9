"""Sign-in addresses: an allow-list of allauth's views.

What is not here does not exist: signing up, e-mail addresses, resetting a password by mail,
sign-in codes, and re-authentication by password alone. A lost passkey or password is answered by
an operator's new one-time code (`manage.py invite`).
"""

from __future__ import annotations

from allauth.account import views as account
from allauth.mfa.base import views as mfa
from django.urls import path

urlpatterns = [
    path("login/", account.login, name="account_login"),
    path("logout/", account.logout, name="account_logout"),
    path("inactive/", account.account_inactive, name="account_inactive"),
    path("password/", account.password_change, name="account_change_password"),
    path("passkey/", mfa.authenticate, name="mfa_authenticate"),
]
