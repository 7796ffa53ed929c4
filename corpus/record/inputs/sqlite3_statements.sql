-- Writes the statements that sqlite3 is recorded with: a shop's day, one statement a line. Random
-- numbers are a hash of the line's number, so that they are the same everywhere.
.mode list
.headers off
CREATE TEMP TABLE line AS
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 6000)
SELECT i, (i * 2654435761) % 4294967296 / 7 AS x, (i * 40503 + 977) % 65536 AS y FROM n;

SELECT CASE
WHEN i % 20 < 8 THEN printf(
    'INSERT INTO sale(customer, item, amount, note) VALUES (%d, %d, %d.%02d, ''%s'');',
    x % 1500, y % 400, x % 900, y % 100, substr('paid in cash, wrapped, no bag; ', 1, x % 31))
WHEN i % 20 < 11 THEN printf(
    'INSERT INTO customer(name, town, card) VALUES (''%s %s'', ''%s'', x''%s'');',
    substr('AdaBobCleDanEveFayGusHal', 1 + 3 * (x % 8), 3), substr('abcdefghijklmnopqrstuvwxyz', 1 + y % 20, 2 + x % 6),
    substr('Delft Genoa Lviv  Porto Turku ', 1 + 6 * (y % 5), 6), substr(hex(x * y) || hex(y * 977), 1, 2 * (1 + x % 8)))
WHEN i % 20 < 13 THEN printf(
    'INSERT INTO document(title, body) VALUES (''d%d'', zeroblob(%d));', i, 200 + (x % 997) * (y % 61))
WHEN i % 20 < 15 THEN printf('UPDATE sale SET amount = amount * 1.1, note = note || ''; again'' WHERE item = %d;', y % 400)
WHEN i % 20 < 16 THEN printf('DELETE FROM document WHERE rowid %% 97 = %d AND length(body) > %d;', x % 97, y % 2000)
WHEN i % 20 < 17 THEN printf(
    'SELECT c.town, count(*), round(sum(s.amount), 2) FROM sale s JOIN customer c ON c.id = s.customer WHERE s.item BETWEEN %d AND %d GROUP BY c.town ORDER BY 3 DESC;',
    y % 300, y % 300 + x % 60)
WHEN i % 200 = 17 THEN printf(
    'SELECT name, amount, rank() OVER (PARTITION BY town ORDER BY amount DESC), sum(amount) OVER (ORDER BY s.id ROWS 20 PRECEDING) FROM sale s JOIN customer c ON c.id = s.customer WHERE s.id %% 40 = %d;',
    x % 40)
WHEN i % 200 = 37 THEN printf(
    'SELECT item, group_concat(DISTINCT substr(note, 1, %d)) FROM sale GROUP BY item HAVING count(*) > %d;', 2 + x % 9, y % 4)
WHEN i % 200 = 57 THEN printf(
    'WITH best AS (SELECT item, sum(amount) AS total FROM sale GROUP BY item ORDER BY total DESC LIMIT %d) SELECT upper(c.name), b.total FROM best b JOIN sale s ON s.item = b.item LEFT JOIN customer c ON c.id = s.customer WHERE c.name LIKE ''%%%s%%'';',
    1 + x % 12, substr('aeiou', 1 + y % 5, 1))
WHEN i % 200 = 77 THEN 'CREATE TABLE IF NOT EXISTS old' || i || ' AS SELECT * FROM sale WHERE id % 90 = ' || (x % 90) || ';'
WHEN i % 200 = 97 THEN 'DROP TABLE IF EXISTS old' || (i - 20) || ';'
WHEN i % 200 = 117 THEN 'BEGIN; UPDATE customer SET town = lower(town) WHERE id % 3 = ' || (y % 3) || '; ROLLBACK;'
ELSE printf('SELECT name, printf(''%%10.2f|%%s'', %d * 1.5, hex(card)) FROM customer WHERE id IN (%d, %d, %d);', x % 999, y % 900, x % 900, y % 77)
END FROM line ORDER BY i;
