-- send --
-- To every broker of this schema, ours included.
SELECT pg_notify('brokkr_' || current_schema(), $1 || ':' || $2);
