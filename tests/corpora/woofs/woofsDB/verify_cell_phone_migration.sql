DO $$
BEGIN
    IF EXISTS (SELECT FROM contacts WHERE cell_phone IS NULL) THEN
        RAISE EXCEPTION 'a contact has no cell phone';
    END IF;
END
$$;
