-- Where each device stands in the synchronisation.
CREATE TABLE sync_state (
    device     text PRIMARY KEY,
    position   bigint NOT NULL DEFAULT 0,
    synced_at  timestamptz NOT NULL DEFAULT now()
);
