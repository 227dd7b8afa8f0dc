CREATE FUNCTION twice(n int) RETURNS int LANGUAGE plpgsql AS $body$
BEGIN
    -- BEGIN; COMMIT; are words here
    PERFORM $$ ; $$;
    RETURN n * 2;
END;
$body$;
CREATE FUNCTION atomic(n int) RETURNS int LANGUAGE sql BEGIN ATOMIC SELECT n; SELECT n + 1; END;
DO $$ BEGIN INSERT INTO users (id) VALUES (twice(5)); END $$;

---- create above / drop below ----
DROP FUNCTION twice(int);
DROP FUNCTION atomic(int);
DELETE FROM users WHERE id = 10;
