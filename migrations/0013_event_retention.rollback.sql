DROP INDEX agent_events_deleted;
