CREATE TABLE profiles (
    id         uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    email      text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE FUNCTION normalise_email() RETURNS trigger LANGUAGE plpgsql AS $body$
BEGIN
    NEW.email := lower(trim(NEW.email));  -- "a;b" stays as it is
    RETURN NEW;
END;
$body$;

CREATE TRIGGER profiles_email BEFORE INSERT OR UPDATE ON profiles
    FOR EACH ROW EXECUTE FUNCTION normalise_email();
