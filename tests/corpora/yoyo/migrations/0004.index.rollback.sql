DROP VIEW indexed_names; DROP TABLE indexed;
