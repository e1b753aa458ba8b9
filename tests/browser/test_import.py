"""An import in Chromium: files in, the diff read, the box ticked, the inventory changed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import expect

from remediation import models as m
from tests.browser.chromium import Visitor
from tests.browser.people import account, come_in
from tests.domain.intake.files import GRAPHS
from tests.domain.intake.test_readers import EDGES, IDENTITIES, SERVICES
from tests.flows.world import World

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "auditor"])


def hand_in(visitor: Visitor, title: str, paths: list[Path], cluster: str = "") -> None:
    page = visitor.open("/admin/remediation/service/import/")
    page.get_by_label("Format:").select_option(label=title)
    page.get_by_label("Files:").set_input_files(paths)
    page.get_by_label("Cluster:").fill(cluster)
    page.get_by_label("Complete:").select_option("no")
    page.get_by_role("button", name="Show what would change").click()


def test_files_become_inventory_in_the_browser(
    world: World, visit: Callable[[], Visitor], tmp_path: Path
) -> None:
    ed, user = visit(), account("irene-b", "staff", "inventory_editor")
    come_in(ed, user)
    page = ed.open("/admin/remediation/service/")
    page.get_by_role("link", name="Import").click()
    page.wait_for_url("**/service/import/")
    ed.shoot("import")
    for width in (360, 1440):
        page.set_viewport_size({"width": width, "height": 900})
        assert not ed.overflows()

    shop = [GRAPHS / "online-boutique" / "kubernetes-manifests.yaml"]
    hand_in(ed, "Kubernetes manifests", shop, "shop-eu1")
    expect(page.get_by_text("New: 12 services, 23 identities, 39 dependencies")).to_be_visible()
    ed.shoot("import-new")
    page.get_by_role("button", name="Change the inventory").click()
    expect(page.get_by_text("Imported. New: 12 services")).to_be_visible()
    assert m.Service.objects.filter(name="paymentservice").exists()

    tables = {
        "services.csv": SERVICES
        + "frontend,storefront,production,high,yes,no,\nemailservice,mail,staging,low,no,no,\n"
        + "paymentservice,payments,production,critical,,,\nledger,payments,,,,,\n",
        "dependencies.csv": EDGES
        + "paymentservice,ledger,,\ncheckoutservice,emailservice,,no\n"
        + "ledger,,postgres.role:ledger/app,\n",
        "identities.csv": IDENTITIES + "postgres.role:ledger/app,ledger,payments,production,\n",
    }
    for name, text in tables.items():
        (tmp_path / name).write_text(text)
    hand_in(ed, "CSV tables", [tmp_path / name for name in tables])
    expect(page.get_by_role("heading", name="Less strict than before")).to_be_visible()
    ed.shoot("import-diff")
    for width in (360, 1440):
        page.set_viewport_size({"width": width, "height": 900})
        assert not ed.overflows()
    # Unticked, the browser itself does not send it.
    page.get_by_role("button", name="Change the inventory").click()
    assert page.get_by_label("Yes, make the inventory less strict").is_visible()
    page.get_by_label("Yes, make the inventory less strict").check()
    page.get_by_role("button", name="Change the inventory").click()
    expect(page.get_by_text("Imported.")).to_be_visible()
    assert m.ServiceVersion.objects.filter(service__name="emailservice").count() == 2


def test_a_bad_file_is_named_in_the_browser(
    world: World, visit: Callable[[], Visitor], tmp_path: Path
) -> None:
    ed, user = visit(), account("irene-c", "staff", "inventory_editor")
    come_in(ed, user)
    bad = tmp_path / "catalog-info.yaml"
    bad.write_text("apiVersion: backstage.io/v1alpha1\nkind: Component\nmetadata: {name: [a]}\n")
    hand_in(ed, "Backstage catalogue (catalog-info.yaml)", [bad])
    expect(ed.page.get_by_role("alert")).to_contain_text(
        "catalog-info.yaml, document 1, metadata.name: not text"
    )
    ed.shoot("import-bad")
