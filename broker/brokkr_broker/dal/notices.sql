-- send --
-- To every broker of this schema, ours included.
SELECT pg_notify('brokkr_' || current_schema(), topic || ':' || notice)
  FROM unnest($1::text[], $2::text[]) AS n (topic, notice);
