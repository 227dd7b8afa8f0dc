-- migrate:up
-- nothing happens here;
/* nor /* here */ ; */

-- migrate:down
