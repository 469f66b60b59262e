-- The newest word of an agent on the health of a deployment object.

CREATE TABLE deployment_health (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    agent_id uuid NOT NULL
        CONSTRAINT deployment_health_agent_id_fkey REFERENCES agents (id) ON DELETE CASCADE,
    deployment_object_id uuid NOT NULL CONSTRAINT deployment_health_deployment_object_id_fkey
        REFERENCES deployment_objects (id) ON DELETE CASCADE,
    status varchar(20) NOT NULL
        CONSTRAINT deployment_health_status CHECK (status IN ('healthy', 'degraded', 'failing', 'unknown')),
    summary text,
    checked_at timestamptz NOT NULL,
    CONSTRAINT deployment_health_agent_id_deployment_object_id UNIQUE (agent_id, deployment_object_id)
) WITH (fillfactor = 80);
CREATE INDEX deployment_health_deployment_object_id ON deployment_health (deployment_object_id);
CREATE TRIGGER deployment_health_touch BEFORE UPDATE ON deployment_health
    FOR EACH ROW EXECUTE FUNCTION brokkr_touch();
