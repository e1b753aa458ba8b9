import time, pytest
from django.db import connection
from remediation.services import scope as scopes
from tests import factories
pytestmark = pytest.mark.django_db
def test_big():
    identity = factories.identity("test.target:t")
    with connection.cursor() as c:
        for t in ("service","serviceversion","dependency","dependencyversion"):
            c.execute("SET CONSTRAINTS ALL IMMEDIATE")
            c.execute(f"ALTER TABLE remediation_{t} DISABLE TRIGGER a_fact")
        c.execute("INSERT INTO remediation_service (name, entry, recorded_at) SELECT 'bulk' || n, 0, now() FROM generate_series(1, 50000) n")
        c.execute("INSERT INTO remediation_serviceversion (service_id, owner_team, environment, criticality, payment_path, external_partner, retired, author, entry, recorded_at) SELECT s.id, 'x','production','low',false,false,false,'a',0, now() - (n*30 || ' days')::interval FROM remediation_service s, generate_series(1,3) n ORDER BY n DESC")
        # each service depends on 3 lower-numbered ones, tree-like: parent n/10, plus random ones nearby
        c.execute("""INSERT INTO remediation_dependency (source_id, service_id, entry, recorded_at)
          SELECT DISTINCT a.id, b.id, 0, now() FROM (SELECT id, row_number() over (order by id) n FROM remediation_service) a
          CROSS JOIN LATERAL (VALUES (a.n/10), (a.n*7919 % 50000), (a.n - 1 - a.n % 13)) x(k) JOIN (SELECT id, row_number() over (order by id) n FROM remediation_service) b ON b.n = x.k AND b.n<>a.n
          WHERE x.k = a.n/10 OR a.n > 25000""")
        c.execute("INSERT INTO remediation_dependencyversion (dependency_id, present, author, entry, recorded_at) SELECT id, true,'a',0, now() - interval '40 days' FROM remediation_dependency")
        c.execute("SELECT count(*) FROM remediation_dependency"); print("edges", c.fetchone())
        c.execute("INSERT INTO remediation_dependency (source_id, identity_id, entry, recorded_at) SELECT id, %s, 0, now() FROM remediation_service ORDER BY id OFFSET 30000 LIMIT 1 RETURNING id", [identity.pk]); d=c.fetchone()[0]
        c.execute("INSERT INTO remediation_dependencyversion (dependency_id, present, author, entry, recorded_at) VALUES (%s, true,'a',0, now())", [d])
        c.execute("ANALYZE")
        plan = factories.plan("t")
        for i in range(3):
            t=time.time(); s=scopes.scope_of(plan); print(len(s.services), s.unknown, max((x.depth for x in s.services), default=0), round((time.time()-t)*1000), "ms")
        # now hub at the root
        c.execute("INSERT INTO remediation_dependency (source_id, identity_id, entry, recorded_at) SELECT id, %s, 0, now() FROM remediation_service ORDER BY id LIMIT 1 RETURNING id", [identity.pk]); d=c.fetchone()[0]
        c.execute("INSERT INTO remediation_dependencyversion (dependency_id, present, author, entry, recorded_at) VALUES (%s, true,'a',0, now())", [d])
        for i in range(2):
            t=time.time(); s=scopes.scope_of(plan); print(len(s.services), s.unknown, max((x.depth for x in s.services), default=0), round((time.time()-t)*1000), "ms", len(s.body()))
        c.execute("EXPLAIN (ANALYZE) "+scopes._QUERY, {"locators": ["test.target:t"], "max_depth": 32, "limit": 5001})
        print("\n".join(x for (x,) in c.fetchall()))
