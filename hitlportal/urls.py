"""Mount the portal's addresses."""

from __future__ import annotations

from django.contrib import admin
from django.urls import include, path

urlpatterns = [
    path("admin/", admin.site.urls),
    path("account/", include("hitlportal.account_urls")),
    path("audit/", include("audit.urls")),
    path("api/v1/", include("remediation.api.urls")),
    path("", include("remediation.urls")),
]

handler500 = "remediation.views.errors.server_error"
