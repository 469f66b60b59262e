CREATE INDEX agent_events_agent_id_created_at ON agent_events (agent_id, created_at DESC);
CREATE INDEX agent_events_created_at ON agent_events (created_at DESC);
CREATE INDEX stacks_generator_id ON stacks (generator_id) WHERE deleted_at IS NULL;
DROP INDEX agent_events_agent_id_created_at_id, agent_events_created_at_id,
    stacks_generator_id_created_at_id, stacks_created_at_id, generators_created_at_id,
    agents_created_at_id;
