-- +goose Up
-- nothing happens here;
/* nor /* here */ ; */

-- +goose Down
