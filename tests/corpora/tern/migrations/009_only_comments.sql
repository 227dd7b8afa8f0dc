-- nothing happens here;
/* nor /* here */ ; */

