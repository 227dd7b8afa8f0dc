-- What else makes a ledger of format 1, 2 or 3 one of format 4, behind its tables, in the same
-- transaction: what the runs of an earlier templedb were, as far as migrations and commands tell.

UPDATE templedb.run AS r SET kind = CASE
    WHEN EXISTS (FROM templedb.command c WHERE c.run = r.id)
      OR EXISTS (FROM templedb.migration m WHERE m.run = r.id
                 AND m.kind IN ('run', 'repeatable') AND m.state <> 'reverted') THEN 'deploy'
    WHEN EXISTS (FROM templedb.migration m JOIN templedb.event e ON e.attempt_id = m.attempt_id
                 WHERE m.run = r.id AND m.state = 'reverted' AND e.what = 'reverted') THEN 'down'
    WHEN EXISTS (FROM templedb.migration m WHERE m.run = r.id
                 AND (m.kind = 'marked' OR m.state = 'reverted')) THEN 'amend'
    ELSE '' END
WHERE kind = '';
UPDATE templedb.meta SET v = '4' WHERE k = 'format';
