"""Define the sign-in addresses: an allow-list of allauth's views.

There is no sign-up, no e-mail address, no password reset by mail, no sign-in code and no
re-authentication by password alone. After a lost passkey or password an operator makes a new
one-time code (`hitlportal invite`).
"""

from __future__ import annotations

from allauth.account import views as account
from django.urls import path

from hitlportal import passkey_login

urlpatterns = [
    path("login/", account.login, name="account_login"),
    path("logout/", account.logout, name="account_logout"),
    path("inactive/", account.account_inactive, name="account_inactive"),
    path("password/", account.password_change, name="account_change_password"),
    path("passkey/", passkey_login.authenticate, name="mfa_authenticate"),
    path("login/passkey/", passkey_login.login_webauthn, name="mfa_login_webauthn"),
]
