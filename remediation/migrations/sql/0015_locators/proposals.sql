ALTER TABLE remediation.target_kind ADD COLUMN escaped text[] NOT NULL DEFAULT '{}';

CREATE FUNCTION remediation.escaped_v1(value text) RETURNS text LANGUAGE sql STABLE STRICT
SET search_path = pg_catalog, pg_temp AS $$
  SELECT coalesce(string_agg(
           CASE WHEN b.byte BETWEEN 48 AND 57 OR b.byte BETWEEN 65 AND 90 OR b.byte BETWEEN 97 AND 122
                  OR b.byte IN (36, 45, 46, 95) THEN chr(b.byte)
                ELSE '%' || upper(lpad(to_hex(b.byte), 2, '0')) END, '' ORDER BY n.place), '')
    FROM (SELECT convert_to($1, 'UTF8') AS bytes) AS v
   CROSS JOIN LATERAL generate_series(0, octet_length(v.bytes) - 1) AS n(place)
   CROSS JOIN LATERAL (SELECT get_byte(v.bytes, n.place) AS byte) AS b
$$;

REVOKE EXECUTE ON FUNCTION remediation.escaped_v1(text) FROM PUBLIC;

CREATE OR REPLACE FUNCTION remediation.locator_v1(target jsonb) RETURNS text LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp AS $$
  SELECT CASE WHEN bool_and(p.value IS NOT NULL) THEN string_agg(p.value, '' ORDER BY p.place) END
    FROM (SELECT m.place, CASE
                   WHEN m.part[1] IS NULL THEN m.part[2]
                   WHEN m.part[1] = ANY (k.escaped) THEN remediation.escaped_v1($1 ->> m.part[1])
                   ELSE $1 ->> m.part[1] END AS value
            FROM remediation.target_kind k
           CROSS JOIN LATERAL regexp_matches(k.locator, '\{([a-z0-9_]+)\}|([^{}]+)', 'g')
                 WITH ORDINALITY AS m(part, place)
           WHERE k.kind = $1 ->> 'kind') AS p
$$;
