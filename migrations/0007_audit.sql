-- Who did what, when and from where. Rows are added and, when they are old, removed; never changed.

CREATE TABLE audit_logs (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    timestamp timestamptz NOT NULL DEFAULT now(),
    actor_type varchar(20) NOT NULL
        CONSTRAINT audit_logs_actor_type CHECK (actor_type IN ('admin', 'agent', 'generator', 'system')),
    actor_id uuid,
    action varchar(100) NOT NULL,
    resource_type varchar(50) NOT NULL,
    resource_id uuid,
    details jsonb,
    ip_address text,
    user_agent text,
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX audit_logs_timestamp ON audit_logs (timestamp DESC, id DESC);
CREATE INDEX audit_logs_actor ON audit_logs (actor_type, actor_id, timestamp DESC, id DESC);
CREATE INDEX audit_logs_resource ON audit_logs (resource_type, resource_id, timestamp DESC, id DESC);
CREATE INDEX audit_logs_action ON audit_logs (action, timestamp DESC, id DESC);
CREATE INDEX audit_logs_created_at ON audit_logs (created_at);

CREATE FUNCTION brokkr_keep_audit() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' AND OLD.created_at < now() - interval '1 day' THEN
        RETURN OLD;
    END IF;
    RAISE EXCEPTION 'audit rows are immutable: % is refused', TG_OP;
END $$;

CREATE TRIGGER audit_logs_immutable BEFORE UPDATE OR DELETE ON audit_logs
    FOR EACH ROW EXECUTE FUNCTION brokkr_keep_audit();
CREATE TRIGGER audit_logs_not_emptied BEFORE TRUNCATE ON audit_logs
    FOR EACH STATEMENT EXECUTE FUNCTION brokkr_keep_audit();
