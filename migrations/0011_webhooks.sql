-- Webhooks: who wants to hear what, and an outbox of what has to be told. Events are written by
-- triggers, in the transaction of what happened, however it came about.

CREATE TABLE webhook_subscriptions (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    name varchar(255) NOT NULL CHECK (name <> ''),
    url_encrypted bytea NOT NULL,
    auth_header_encrypted bytea,
    signing_secret_encrypted bytea NOT NULL,
    event_types text[] NOT NULL,
    filters jsonb,
    target_labels text[],
    enabled boolean NOT NULL DEFAULT true,
    max_retries integer NOT NULL DEFAULT 5 CHECK (max_retries >= 0),
    timeout_seconds integer NOT NULL DEFAULT 30 CHECK (timeout_seconds > 0),
    created_by varchar(255)
);
CREATE INDEX webhook_subscriptions_created_at_id ON webhook_subscriptions (created_at, id);
CREATE TRIGGER webhook_subscriptions_touch BEFORE UPDATE ON webhook_subscriptions
    FOR EACH ROW EXECUTE FUNCTION brokkr_touch();

CREATE TABLE webhook_deliveries (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    subscription_id uuid NOT NULL REFERENCES webhook_subscriptions (id) ON DELETE CASCADE,
    event_type varchar(100) NOT NULL,
    event_id uuid NOT NULL,
    payload text NOT NULL,
    target_labels text[],
    status varchar(20) NOT NULL DEFAULT 'pending' CONSTRAINT webhook_deliveries_status
        CHECK (status IN ('pending', 'acquired', 'success', 'failed', 'dead')),
    acquired_by uuid REFERENCES agents (id) ON DELETE SET NULL,
    acquired_until timestamptz,
    attempts integer NOT NULL DEFAULT 0,
    last_attempt_at timestamptz,
    next_retry_at timestamptz,
    last_error text,
    created_at timestamptz NOT NULL DEFAULT now(),
    completed_at timestamptz
) WITH (fillfactor = 70);
CREATE INDEX webhook_deliveries_due ON webhook_deliveries (subscription_id, coalesce(next_retry_at, created_at))
    WHERE status IN ('pending', 'failed');
CREATE INDEX webhook_deliveries_acquired ON webhook_deliveries (acquired_until) WHERE status = 'acquired';
CREATE INDEX webhook_deliveries_created_at ON webhook_deliveries (created_at);
CREATE INDEX webhook_deliveries_subscription_id_created_at_id
    ON webhook_deliveries (subscription_id, created_at DESC, id DESC);

CREATE FUNCTION brokkr_moment(moment timestamptz) RETURNS text LANGUAGE sql STABLE AS $$
    SELECT to_char(moment AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')
$$;

-- Does one of the patterns (`stack.created`, `stack.*`, `*`) fit?
CREATE FUNCTION brokkr_fits(patterns text[], kind text) RETURNS boolean LANGUAGE sql IMMUTABLE AS $$
    SELECT EXISTS (SELECT FROM unnest(patterns) AS p (pattern)
                    WHERE pattern IN ('*', kind)
                       OR (right(pattern, 2) = '.*' AND starts_with(kind, left(pattern, -1))))
$$;

-- Does the stack or the agent carry this pair: as an annotation, or as a label `key=value`, `key:value`,
-- or, with an empty value, `key`?
CREATE FUNCTION brokkr_carries(agent uuid, stack uuid, wanted text, value text)
RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT EXISTS (SELECT FROM stack_annotations a
                    WHERE a.stack_id = stack AND a.key = wanted AND a.value = brokkr_carries.value)
        OR EXISTS (SELECT FROM agent_annotations a
                    WHERE a.agent_id = agent AND a.key = wanted AND a.value = brokkr_carries.value)
        OR EXISTS (SELECT FROM stack_labels l WHERE l.stack_id = stack AND l.label IN (
                       wanted || '=' || brokkr_carries.value, wanted || ':' || brokkr_carries.value,
                       CASE WHEN brokkr_carries.value = '' THEN wanted END))
        OR EXISTS (SELECT FROM agent_labels l WHERE l.agent_id = agent AND l.label IN (
                       wanted || '=' || brokkr_carries.value, wanted || ':' || brokkr_carries.value,
                       CASE WHEN brokkr_carries.value = '' THEN wanted END))
$$;

-- One event, for every subscription that wants it. All of them get it under one id.
CREATE FUNCTION brokkr_emit(kind text, agent uuid, stack uuid, data json)
RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    event uuid := gen_random_uuid();
    moment text := brokkr_moment(clock_timestamp());
BEGIN
    INSERT INTO webhook_deliveries (subscription_id, event_type, event_id, payload, target_labels)
    SELECT s.id, kind, event,
           json_build_object('id', event, 'event_type', kind, 'timestamp', moment, 'data', data)::text,
           s.target_labels
      FROM webhook_subscriptions s
     WHERE s.enabled AND brokkr_fits(s.event_types, kind)
       AND (s.filters ->> 'agent_id' IS NULL OR (s.filters ->> 'agent_id')::uuid = agent)
       AND (s.filters ->> 'stack_id' IS NULL OR (s.filters ->> 'stack_id')::uuid = stack)
       AND NOT EXISTS (SELECT FROM jsonb_each_text(coalesce(s.filters -> 'labels', '{}')) AS f (key, value)
                        WHERE NOT brokkr_carries(agent, stack, f.key, f.value));
    IF FOUND THEN
        PERFORM pg_notify('brokkr_' || current_schema(), 'webhook:');
    END IF;
END $$;

CREATE FUNCTION brokkr_emit_agent() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        PERFORM brokkr_emit('agent.registered', NEW.id, NULL, json_build_object(
            'agent_id', NEW.id, 'name', NEW.name, 'cluster_name', NEW.cluster_name,
            'cluster', NEW.cluster_name, 'status', NEW.status,
            'created_at', brokkr_moment(NEW.created_at)));
    ELSE
        PERFORM brokkr_emit('agent.deregistered', NEW.id, NULL, json_build_object(
            'agent_id', NEW.id, 'name', NEW.name, 'deleted_at', brokkr_moment(NEW.deleted_at)));
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER agents_emit_insert AFTER INSERT ON agents
    FOR EACH ROW EXECUTE FUNCTION brokkr_emit_agent();
CREATE TRIGGER agents_emit_delete AFTER UPDATE OF deleted_at ON agents
    FOR EACH ROW WHEN (OLD.deleted_at IS NULL AND NEW.deleted_at IS NOT NULL)
    EXECUTE FUNCTION brokkr_emit_agent();

-- The deletion of a stack takes its newest version away: that one is told.
CREATE FUNCTION brokkr_emit_stack() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    version uuid;
BEGIN
    IF TG_OP = 'INSERT' THEN
        PERFORM brokkr_emit('stack.created', NULL, NEW.id, json_build_object(
            'stack_id', NEW.id, 'name', NEW.name, 'description', NEW.description,
            'created_at', brokkr_moment(NEW.created_at)));
        RETURN NULL;
    END IF;
    PERFORM brokkr_emit('stack.deleted', NULL, NEW.id, json_build_object(
        'stack_id', NEW.id, 'name', NEW.name, 'deleted_at', brokkr_moment(NEW.deleted_at)));
    SELECT id INTO version FROM deployment_objects
     WHERE stack_id = NEW.id AND deleted_at = NEW.deleted_at ORDER BY sequence_id DESC LIMIT 1;
    IF version IS NOT NULL THEN
        PERFORM brokkr_emit('deployment.deleted', NULL, NEW.id, json_build_object(
            'deployment_object_id', version, 'stack_id', NEW.id,
            'deleted_at', brokkr_moment(NEW.deleted_at)));
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER stacks_emit_insert AFTER INSERT ON stacks
    FOR EACH ROW EXECUTE FUNCTION brokkr_emit_stack();
CREATE TRIGGER stacks_emit_delete AFTER UPDATE OF deleted_at ON stacks
    FOR EACH ROW WHEN (OLD.deleted_at IS NULL AND NEW.deleted_at IS NOT NULL)
    EXECUTE FUNCTION brokkr_emit_stack();

-- Per statement, and nothing where nobody listens: reports come by the hundred.
CREATE FUNCTION brokkr_emit_deployments() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM webhook_subscriptions WHERE enabled) THEN
        PERFORM brokkr_emit('deployment.created', NULL, d.stack_id, json_build_object(
                    'deployment_object_id', d.id, 'stack_id', d.stack_id, 'sequence_id', d.sequence_id,
                    'created_at', brokkr_moment(d.created_at)))
           FROM added d JOIN stacks s ON s.id = d.stack_id AND s.deleted_at IS NULL
          ORDER BY d.sequence_id;
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER deployment_objects_emit AFTER INSERT ON deployment_objects
    REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION brokkr_emit_deployments();

CREATE FUNCTION brokkr_emit_events() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM webhook_subscriptions WHERE enabled) THEN
        PERFORM brokkr_emit(
                    CASE WHEN e.status = 'SUCCESS' THEN 'deployment.applied' ELSE 'deployment.failed' END,
                    e.agent_id, d.stack_id, json_build_object(
                        'agent_event_id', e.id, 'agent_id', e.agent_id,
                        'deployment_object_id', e.deployment_object_id, 'stack_id', d.stack_id,
                        'event_type', e.event_type, 'status', e.status, 'message', e.message,
                        'error', CASE WHEN e.status = 'SUCCESS' THEN NULL ELSE e.message END,
                        'created_at', brokkr_moment(e.created_at)))
           FROM added e JOIN deployment_objects d ON d.id = e.deployment_object_id;
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER agent_events_emit AFTER INSERT ON agent_events
    REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION brokkr_emit_events();

CREATE FUNCTION brokkr_emit_work_order() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        PERFORM brokkr_emit('workorder.created', NULL, NULL, json_build_object(
            'work_order_id', NEW.id, 'work_type', NEW.work_type, 'status', NEW.status,
            'created_at', brokkr_moment(NEW.created_at)));
    ELSE
        PERFORM brokkr_emit('workorder.claimed', NEW.claimed_by, NULL, json_build_object(
            'work_order_id', NEW.id, 'work_type', NEW.work_type, 'agent_id', NEW.claimed_by,
            'claimed_at', brokkr_moment(NEW.claimed_at), 'attempt', NEW.attempt));
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER work_orders_emit_insert AFTER INSERT ON work_orders
    FOR EACH ROW EXECUTE FUNCTION brokkr_emit_work_order();
CREATE TRIGGER work_orders_emit_claim AFTER UPDATE OF attempt ON work_orders
    FOR EACH ROW WHEN (NEW.attempt > OLD.attempt AND NEW.status = 'CLAIMED')
    EXECUTE FUNCTION brokkr_emit_work_order();

CREATE FUNCTION brokkr_emit_work_order_end() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM brokkr_emit(
        CASE WHEN NEW.success THEN 'workorder.completed' ELSE 'workorder.failed' END,
        NEW.claimed_by, NULL, json_build_object(
            'work_order_log_id', NEW.id, 'work_type', NEW.work_type, 'success', NEW.success,
            'result_message', NEW.result_message, 'agent_id', NEW.claimed_by,
            'completed_at', brokkr_moment(NEW.completed_at)));
    RETURN NULL;
END $$;
CREATE TRIGGER work_order_log_emit AFTER INSERT ON work_order_log
    FOR EACH ROW EXECUTE FUNCTION brokkr_emit_work_order_end();
