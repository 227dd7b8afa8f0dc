DROP TABLE in_public;
