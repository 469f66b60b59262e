-- Looks into a cluster: somebody asks, the agent collects, the answer is kept for a while.

CREATE TABLE diagnostic_requests (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    agent_id uuid NOT NULL
        CONSTRAINT diagnostic_requests_agent_id_fkey REFERENCES agents (id) ON DELETE CASCADE,
    deployment_object_id uuid NOT NULL CONSTRAINT diagnostic_requests_deployment_object_id_fkey
        REFERENCES deployment_objects (id) ON DELETE CASCADE,
    status varchar(20) NOT NULL DEFAULT 'pending' CONSTRAINT diagnostic_requests_status
        CHECK (status IN ('pending', 'claimed', 'completed', 'failed', 'expired')),
    requested_by varchar(255),
    created_at timestamptz NOT NULL DEFAULT now(),
    claimed_at timestamptz,
    completed_at timestamptz,
    expires_at timestamptz NOT NULL
);
CREATE INDEX diagnostic_requests_agent_id_created_at_id ON diagnostic_requests (agent_id, created_at, id)
    WHERE status = 'pending';
CREATE INDEX diagnostic_requests_expires_at ON diagnostic_requests (expires_at)
    WHERE status IN ('pending', 'claimed');
CREATE INDEX diagnostic_requests_created_at ON diagnostic_requests (created_at)
    WHERE status IN ('completed', 'failed', 'expired');

CREATE TABLE diagnostic_results (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    request_id uuid NOT NULL CONSTRAINT diagnostic_results_request_id UNIQUE
        REFERENCES diagnostic_requests (id) ON DELETE CASCADE,
    pod_statuses text NOT NULL,
    events text NOT NULL,
    log_tails text,
    collected_at timestamptz NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);
