--! Previous: sha1:24936b26d2fe2cfc4db10bb86d177fa83428cee7
--! Hash: sha1:9108069889770730fe297fda8eede2b99b57fbbc
--! Message: dollars

CREATE FUNCTION twice(n int) RETURNS int LANGUAGE plpgsql AS $body$
BEGIN
    -- BEGIN; COMMIT; are words here
    PERFORM $$ ; $$;
    RETURN n * 2;
END;
$body$;
CREATE FUNCTION atomic(n int) RETURNS int LANGUAGE sql BEGIN ATOMIC SELECT n; SELECT n + 1; END;
DO $$ BEGIN INSERT INTO users (id) VALUES (twice(5)); END $$;
