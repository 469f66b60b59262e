-- The immutable versions of a stack's YAML, and what agents said of them.

CREATE TABLE deployment_objects (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    deleted_at timestamptz,
    sequence_id bigserial NOT NULL CONSTRAINT deployment_objects_sequence_id UNIQUE,
    stack_id uuid NOT NULL
        CONSTRAINT deployment_objects_stack_id_fkey REFERENCES stacks (id) ON DELETE CASCADE,
    yaml_content text NOT NULL,
    yaml_checksum text NOT NULL,
    submitted_at timestamptz NOT NULL DEFAULT now(),
    is_deletion_marker boolean NOT NULL DEFAULT false
);
CREATE INDEX deployment_objects_stack_id_sequence_id ON deployment_objects (stack_id, sequence_id DESC);

CREATE FUNCTION brokkr_keep_deployment_object() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (NEW.id, NEW.created_at, NEW.sequence_id, NEW.stack_id, NEW.yaml_content, NEW.yaml_checksum,
        NEW.submitted_at, NEW.is_deletion_marker)
       IS DISTINCT FROM
       (OLD.id, OLD.created_at, OLD.sequence_id, OLD.stack_id, OLD.yaml_content, OLD.yaml_checksum,
        OLD.submitted_at, OLD.is_deletion_marker) THEN
        RAISE EXCEPTION 'a deployment object is immutable';
    END IF;
    NEW.updated_at := now();
    RETURN NEW;
END $$;

CREATE TRIGGER deployment_objects_immutable BEFORE UPDATE ON deployment_objects
    FOR EACH ROW EXECUTE FUNCTION brokkr_keep_deployment_object();

CREATE TABLE agent_events (
    id uuid PRIMARY KEY,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    deleted_at timestamptz,
    agent_id uuid NOT NULL CONSTRAINT agent_events_agent_id_fkey REFERENCES agents (id) ON DELETE CASCADE,
    deployment_object_id uuid NOT NULL
        CONSTRAINT agent_events_deployment_object_id_fkey REFERENCES deployment_objects (id) ON DELETE CASCADE,
    event_type varchar(50) NOT NULL,
    status varchar(10) NOT NULL,
    message text
);
CREATE INDEX agent_events_agent_id_created_at ON agent_events (agent_id, created_at DESC);
CREATE INDEX agent_events_created_at ON agent_events (created_at DESC);
CREATE INDEX agent_events_deployment_object_id ON agent_events (deployment_object_id);

-- The newest word of an agent on an object: target state reads this, never the history.
CREATE TABLE agent_objects (
    agent_id uuid NOT NULL REFERENCES agents (id) ON DELETE CASCADE,
    deployment_object_id uuid NOT NULL REFERENCES deployment_objects (id) ON DELETE CASCADE,
    stack_id uuid NOT NULL REFERENCES stacks (id) ON DELETE CASCADE,
    status varchar(10) NOT NULL,
    reported_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (agent_id, deployment_object_id)
) WITH (fillfactor = 80);
CREATE INDEX agent_objects_stack_id ON agent_objects (stack_id);

-- Agents that have to remove a deleted stack, and the marker that tells them. A row outlives the
-- targeting that the deletion took away.
CREATE TABLE stack_removals (
    agent_id uuid NOT NULL REFERENCES agents (id) ON DELETE CASCADE,
    stack_id uuid NOT NULL REFERENCES stacks (id) ON DELETE CASCADE,
    deployment_object_id uuid NOT NULL REFERENCES deployment_objects (id) ON DELETE CASCADE,
    PRIMARY KEY (agent_id, stack_id)
);

CREATE FUNCTION brokkr_delete_stack() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    marker uuid;
BEGIN
    UPDATE deployment_objects SET deleted_at = NEW.deleted_at
     WHERE stack_id = NEW.id AND deleted_at IS NULL;
    INSERT INTO deployment_objects (stack_id, yaml_content, yaml_checksum, submitted_at, is_deletion_marker)
    VALUES (NEW.id, '', encode(sha256(''), 'hex'), NEW.deleted_at, true)
    RETURNING id INTO marker;
    INSERT INTO stack_removals (agent_id, stack_id, deployment_object_id)
    SELECT served.agent_id, NEW.id, marker
      FROM (SELECT agent_id FROM agent_stacks WHERE stack_id = NEW.id
            UNION
            SELECT agent_id FROM agent_objects WHERE stack_id = NEW.id) served
      JOIN agents a ON a.id = served.agent_id AND a.deleted_at IS NULL;
    RETURN NULL;
END $$;

CREATE TRIGGER stacks_delete AFTER UPDATE OF deleted_at ON stacks
    FOR EACH ROW WHEN (OLD.deleted_at IS NULL AND NEW.deleted_at IS NOT NULL)
    EXECUTE FUNCTION brokkr_delete_stack();

CREATE FUNCTION brokkr_delete_agent() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE agent_events SET deleted_at = NEW.deleted_at WHERE agent_id = NEW.id AND deleted_at IS NULL;
    RETURN NULL;
END $$;

CREATE TRIGGER agents_delete AFTER UPDATE OF deleted_at ON agents
    FOR EACH ROW WHEN (OLD.deleted_at IS NULL AND NEW.deleted_at IS NOT NULL)
    EXECUTE FUNCTION brokkr_delete_agent();

-- What an agent should run: the newest object of each stack it serves and the markers of deleted
-- stacks, less the markers that it reported as done; `without_applied`: less everything that it
-- reported as applied. Each LIMIT 1 is one index look-up, whatever the history.
CREATE FUNCTION agent_wanted(agent uuid, without_applied boolean)
RETURNS TABLE (id uuid, sequence_id bigint, stack_name text) LANGUAGE sql STABLE AS $$
    SELECT d.id, d.sequence_id, d.stack_name
      FROM (SELECT newest.id, newest.sequence_id, newest.is_deletion_marker, newest.stack_name
              FROM agent_stacks served
             CROSS JOIN LATERAL (SELECT o.id, o.sequence_id, o.is_deletion_marker,
                                        s.name::text AS stack_name
                                   FROM stacks s
                                   JOIN deployment_objects o ON o.stack_id = s.id
                                  WHERE s.id = served.stack_id AND s.deleted_at IS NULL
                                    AND o.deleted_at IS NULL
                                  ORDER BY o.sequence_id DESC
                                  LIMIT 1) newest
             WHERE served.agent_id = agent
             UNION ALL
            SELECT marker.id, marker.sequence_id, true, marker.stack_name
              FROM stack_removals r
             CROSS JOIN LATERAL (SELECT m.id, m.sequence_id, s.name::text AS stack_name
                                   FROM deployment_objects m
                                   JOIN stacks s ON s.id = m.stack_id
                                  WHERE m.id = r.deployment_object_id
                                  LIMIT 1) marker
             WHERE r.agent_id = agent) d
      LEFT JOIN LATERAL (SELECT true AS done
                           FROM agent_objects a
                          WHERE a.agent_id = agent AND a.deployment_object_id = d.id
                            AND a.status = 'SUCCESS'
                          LIMIT 1) reported ON true
     WHERE reported.done IS NULL OR NOT (d.is_deletion_marker OR without_applied)
$$;
