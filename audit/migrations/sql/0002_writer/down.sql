DROP TRIGGER writer ON audit.entry;
DROP FUNCTION audit.writer_v1();
DROP TABLE audit.author;
