-- What tells that a transaction had to do with the ledger's tables: their identity, their files, their
-- rows in the catalog, and the counts of rows that this session wrote. It reads no row of the ledger.
SELECT pg_catalog.concat(pg_catalog.current_setting('track_counts'), ' ',
    pg_catalog.string_agg(pg_catalog.concat_ws(':',
        c.relname, c.oid, c.xmin, n.xmin, pg_catalog.pg_relation_filenode(c.oid),
        pg_catalog.pg_stat_get_xact_tuples_inserted(c.oid),
        pg_catalog.pg_stat_get_xact_tuples_updated(c.oid),
        pg_catalog.pg_stat_get_xact_tuples_deleted(c.oid),
        (SELECT pg_catalog.count(*) FROM pg_catalog.pg_attribute a
         WHERE a.attrelid OPERATOR(pg_catalog.=) c.oid
           AND pg_catalog.age(a.xmin) OPERATOR(pg_catalog.<=) 0),
        (SELECT pg_catalog.count(*) FROM pg_catalog.pg_index i
         WHERE i.indrelid OPERATOR(pg_catalog.=) c.oid)
    ), ',' ORDER BY c.oid), ' ',
    (SELECT pg_catalog.string_agg(pg_catalog.pg_sequence_last_value(q.oid)::pg_catalog.text, ' ' ORDER BY q.oid)
     FROM pg_catalog.pg_class q JOIN pg_catalog.pg_namespace s ON s.oid OPERATOR(pg_catalog.=) q.relnamespace
     WHERE s.nspname OPERATOR(pg_catalog.=) 'templedb' AND q.relkind OPERATOR(pg_catalog.=) 'S'
       AND q.relname OPERATOR(pg_catalog.=) ANY ('{migration_seq,event_id_seq}'::pg_catalog.name[])))
FROM pg_catalog.pg_namespace n
JOIN pg_catalog.pg_class c ON c.relnamespace OPERATOR(pg_catalog.=) n.oid
WHERE n.nspname OPERATOR(pg_catalog.=) 'templedb' AND c.relkind OPERATOR(pg_catalog.=) 'r'
  AND c.relname OPERATOR(pg_catalog.=) ANY
      ('{meta,migration,event,run,command,approval,lock,object,slot}'::pg_catalog.name[])
