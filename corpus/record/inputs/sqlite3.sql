-- The tables of the shop; sqlite3_statements.sql writes what happens in it.
PRAGMA foreign_keys = ON;
CREATE TABLE customer(id INTEGER PRIMARY KEY, name TEXT NOT NULL, town TEXT, card BLOB);
CREATE TABLE sale(id INTEGER PRIMARY KEY, customer INTEGER, item INTEGER, amount REAL, note TEXT);
CREATE TABLE document(title TEXT UNIQUE, body BLOB);
CREATE INDEX sale_item ON sale(item);
CREATE INDEX sale_customer ON sale(customer, amount);
CREATE INDEX customer_town ON customer(town, name);
CREATE VIEW large AS SELECT * FROM sale WHERE amount > 500;
CREATE TRIGGER gone AFTER DELETE ON document BEGIN
    INSERT INTO sale(customer, item, amount, note) VALUES (0, 0, 0, old.title || ' is gone');
END;
