-- What each customer has brought in, for the monthly report.
CREATE VIEW revenue AS
SELECT customers.name, count(*) AS orders, sum(orders.cents) AS cents
FROM orders
JOIN customers ON customers.id = orders.customer
GROUP BY customers.name;
