-- Every object of a DuckDB file, a row each: a name that tells it from others of all kinds, and its
-- definition as text. Left out: what DuckDB brings, temporary objects, values of sequences, the ledger.
WITH object (kind, space, name, definition) AS (
    SELECT 'schema', schema_name, '', '' FROM duckdb_schemas() WHERE NOT internal AND database_name = current_database()
  UNION ALL
    SELECT 'table', schema_name, table_name, sql FROM duckdb_tables()
    WHERE NOT internal AND NOT temporary AND database_name = current_database()
  UNION ALL
    SELECT 'view', schema_name, view_name, sql FROM duckdb_views()
    WHERE NOT internal AND NOT temporary AND database_name = current_database()
  UNION ALL
    SELECT 'index', schema_name, index_name, sql FROM duckdb_indexes() WHERE database_name = current_database()
  UNION ALL
    SELECT 'sequence', schema_name, sequence_name, format('start {}, by {}, from {} to {}{}', start_value, increment_by, min_value, max_value, CASE WHEN "cycle" THEN ', cycles' ELSE '' END)
    FROM duckdb_sequences() WHERE NOT temporary AND database_name = current_database()
  UNION ALL
    SELECT 'type', schema_name, type_name, NULL FROM duckdb_types() WHERE NOT internal AND database_name = current_database()
  UNION ALL
    SELECT 'macro', schema_name, function_name, string_agg(format('({}) {} {}', array_to_string(parameters, ', '), replace(function_type, '_', ' '), macro_definition), chr(10) ORDER BY len(parameters), parameters)
    FROM duckdb_functions() WHERE NOT internal AND macro_definition IS NOT NULL AND database_name = current_database() GROUP BY ALL
  UNION ALL
    SELECT 'comment on table', schema_name, table_name, comment FROM duckdb_tables() WHERE NOT temporary AND database_name = current_database() AND comment IS NOT NULL
  UNION ALL
    SELECT 'comment on column', schema_name, table_name || '.' || column_name, comment FROM duckdb_columns() WHERE database_name = current_database() AND comment IS NOT NULL
  UNION ALL
    SELECT 'comment on view', schema_name, view_name, comment FROM duckdb_views() WHERE NOT internal AND NOT temporary AND database_name = current_database() AND comment IS NOT NULL
  UNION ALL
    SELECT 'comment on index', schema_name, index_name, comment FROM duckdb_indexes() WHERE database_name = current_database() AND comment IS NOT NULL
  UNION ALL
    SELECT 'comment on sequence', schema_name, sequence_name, comment FROM duckdb_sequences() WHERE NOT temporary AND database_name = current_database() AND comment IS NOT NULL
  UNION ALL
    SELECT 'comment on type', schema_name, type_name, comment FROM duckdb_types() WHERE NOT internal AND database_name = current_database() AND comment IS NOT NULL
  UNION ALL
    SELECT 'comment on macro', schema_name, function_name, any_value(comment) FROM duckdb_functions()
    WHERE NOT internal AND macro_definition IS NOT NULL AND database_name = current_database() AND comment IS NOT NULL GROUP BY ALL
)
SELECT kind || ' ' || space || CASE WHEN name = '' THEN '' ELSE '.' || name END, definition, space, name
FROM object WHERE space <> 'templedb' ORDER BY 1
