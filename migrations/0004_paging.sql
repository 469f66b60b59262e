-- Lists are read page by page, each page one range of an index.

CREATE INDEX agents_created_at_id ON agents (created_at, id) WHERE deleted_at IS NULL;
CREATE INDEX generators_created_at_id ON generators (created_at, id) WHERE deleted_at IS NULL;
CREATE INDEX stacks_created_at_id ON stacks (created_at, id) WHERE deleted_at IS NULL;
CREATE INDEX stacks_generator_id_created_at_id ON stacks (generator_id, created_at, id)
    WHERE deleted_at IS NULL;
DROP INDEX stacks_generator_id;

CREATE INDEX agent_events_created_at_id ON agent_events (created_at DESC, id DESC)
    WHERE deleted_at IS NULL;
CREATE INDEX agent_events_agent_id_created_at_id ON agent_events (agent_id, created_at DESC, id DESC)
    WHERE deleted_at IS NULL;
DROP INDEX agent_events_created_at;
DROP INDEX agent_events_agent_id_created_at;
