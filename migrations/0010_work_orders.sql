-- One-time work: a queue, who may take from it, and the log of what became of it.

CREATE TABLE work_orders (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    work_type varchar(50) NOT NULL CHECK (work_type <> ''),
    yaml_content text NOT NULL CHECK (yaml_content <> ''),
    status varchar(20) NOT NULL DEFAULT 'PENDING'
        CONSTRAINT work_orders_status CHECK (status IN ('PENDING', 'CLAIMED', 'RETRY_PENDING')),
    claimed_by uuid CONSTRAINT work_orders_claimed_by_fkey REFERENCES agents (id) ON DELETE SET NULL,
    claimed_at timestamptz,
    claim_timeout_seconds integer NOT NULL DEFAULT 3600 CHECK (claim_timeout_seconds > 0),
    max_retries integer NOT NULL DEFAULT 3 CHECK (max_retries >= 0),
    retry_count integer NOT NULL DEFAULT 0,
    backoff_seconds integer NOT NULL DEFAULT 60 CHECK (backoff_seconds > 0),
    next_retry_after timestamptz,
    last_error text,
    last_error_at timestamptz,
    -- Fencing: every claim has the next number, and what a claimant says must carry its own.
    attempt integer NOT NULL DEFAULT 0,
    failed_by uuid,
    failed_attempt integer,
    CONSTRAINT work_orders_retries CHECK (retry_count BETWEEN 0 AND max_retries),
    CONSTRAINT work_orders_claim CHECK (status <> 'CLAIMED' OR (claimed_by IS NOT NULL AND claimed_at IS NOT NULL))
) WITH (fillfactor = 80);
CREATE INDEX work_orders_created_at_id ON work_orders (created_at DESC, id DESC);
CREATE INDEX work_orders_due ON work_orders (next_retry_after) WHERE status = 'RETRY_PENDING';
CREATE INDEX work_orders_claimed ON work_orders (claimed_at) WHERE status = 'CLAIMED';
CREATE TRIGGER work_orders_touch BEFORE UPDATE ON work_orders
    FOR EACH ROW EXECUTE FUNCTION brokkr_touch();

CREATE TABLE work_order_targets (
    work_order_id uuid NOT NULL REFERENCES work_orders (id) ON DELETE CASCADE,
    agent_id uuid NOT NULL
        CONSTRAINT work_order_targets_agent_id_fkey REFERENCES agents (id) ON DELETE CASCADE,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (agent_id, work_order_id)
);
CREATE INDEX work_order_targets_work_order_id ON work_order_targets (work_order_id);

CREATE TABLE work_order_labels (
    work_order_id uuid NOT NULL REFERENCES work_orders (id) ON DELETE CASCADE,
    label varchar(64) NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (label, work_order_id)
);
CREATE INDEX work_order_labels_work_order_id ON work_order_labels (work_order_id);

CREATE TABLE work_order_annotations (
    work_order_id uuid NOT NULL REFERENCES work_orders (id) ON DELETE CASCADE,
    key varchar(64) NOT NULL,
    value varchar(64) NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (key, value, work_order_id)
);
CREATE INDEX work_order_annotations_work_order_id ON work_order_annotations (work_order_id);

-- The one definition of "this agent may take this order".
CREATE VIEW agent_work_orders AS
    SELECT t.agent_id, t.work_order_id FROM work_order_targets t
    UNION
    SELECT al.agent_id, wl.work_order_id
      FROM agent_labels al JOIN work_order_labels wl ON wl.label = al.label
    UNION
    SELECT aa.agent_id, wa.work_order_id
      FROM agent_annotations aa JOIN work_order_annotations wa ON wa.key = aa.key AND wa.value = aa.value;

-- Kept for ever.
CREATE TABLE work_order_log (
    id uuid PRIMARY KEY,
    work_type varchar(50) NOT NULL,
    created_at timestamptz NOT NULL,
    claimed_at timestamptz,
    completed_at timestamptz NOT NULL DEFAULT now(),
    claimed_by uuid CONSTRAINT work_order_log_claimed_by_fkey REFERENCES agents (id) ON DELETE SET NULL,
    success boolean NOT NULL,
    retries_attempted integer NOT NULL DEFAULT 0 CHECK (retries_attempted >= 0),
    result_message text,
    yaml_content text NOT NULL,
    attempt integer NOT NULL
);
CREATE INDEX work_order_log_completed_at_id ON work_order_log (completed_at DESC, id DESC);
CREATE INDEX work_order_log_claimed_by ON work_order_log (claimed_by, completed_at DESC, id DESC);
