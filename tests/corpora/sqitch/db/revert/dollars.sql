DROP FUNCTION twice(int);
DROP FUNCTION atomic(int);
DELETE FROM users WHERE id = 10;
