-- What each table of the ledger is made of, one line a part, and what this role may do with it. The
-- owner and grants to others are left out: those do not touch the ledger.
SELECT c.relname, pg_catalog.has_schema_privilege(n.oid, 'USAGE')
       AND pg_catalog.has_table_privilege(c.oid, 'SELECT'),
  concat_ws(E'\n',
    'kind ' || c.relkind::text || c.relpersistence::text,
    'row-security ' || c.relrowsecurity || c.relforcerowsecurity,
    (SELECT string_agg('columns ' || concat_ws(' ', a.attname,
            pg_catalog.format_type(a.atttypid, a.atttypmod), a.attnotnull,
            a.attidentity, a.attgenerated, pg_catalog.pg_get_expr(d.adbin, d.adrelid)),
            E'\n' ORDER BY a.attname)
     FROM pg_catalog.pg_attribute a
     LEFT JOIN pg_catalog.pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
     WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped),
    (SELECT string_agg('keys ' || pg_catalog.pg_get_constraintdef(k.oid), E'\n' ORDER BY k.conname)
     FROM pg_catalog.pg_constraint k WHERE k.conrelid = c.oid AND k.contype IN ('p', 'u', 'c', 'f', 'x')),
    (SELECT string_agg('policies ' || concat_ws(' ', y.polname, y.polcmd, y.polpermissive,
            pg_catalog.pg_get_expr(y.polqual, y.polrelid), pg_catalog.pg_get_expr(y.polwithcheck, y.polrelid)),
            E'\n' ORDER BY y.polname)
     FROM pg_catalog.pg_policy y WHERE y.polrelid = c.oid AND c.relrowsecurity),
    (SELECT string_agg('triggers ' || t.tgname || ' ' || t.tgenabled::text, E'\n' ORDER BY t.tgname)
     FROM pg_catalog.pg_trigger t WHERE t.tgrelid = c.oid AND NOT t.tgisinternal),
    (SELECT string_agg('rules ' || r.rulename || ' ' || r.ev_enabled::text, E'\n' ORDER BY r.rulename)
     FROM pg_catalog.pg_rewrite r WHERE r.ev_class = c.oid),
    (SELECT string_agg('heirs ' || i.inhrelid::pg_catalog.regclass::text, E'\n' ORDER BY i.inhrelid)
     FROM pg_catalog.pg_inherits i WHERE c.oid IN (i.inhrelid, i.inhparent)),
    (SELECT string_agg('rights ' || p, E'\n' ORDER BY p)
     FROM pg_catalog.unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE']) p
     WHERE pg_catalog.has_schema_privilege(n.oid, 'USAGE')
       AND pg_catalog.has_table_privilege(c.oid, p))
  )
FROM pg_catalog.pg_namespace n JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid
WHERE n.nspname = 'templedb' AND c.relkind = 'r'
  AND c.relname = ANY ('{meta,migration,event,run,command,approval,lock,object,slot}'::pg_catalog.name[])
