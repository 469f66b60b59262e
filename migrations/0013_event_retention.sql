-- Events of deleted agents, for whoever clears them away.
CREATE INDEX agent_events_deleted ON agent_events (created_at) WHERE deleted_at IS NOT NULL;
