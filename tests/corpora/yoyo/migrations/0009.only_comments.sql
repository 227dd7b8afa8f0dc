-- depends: 0008.dollars
-- nothing happens here;
/* nor /* here */ ; */
