-- Who may speak to the broker: the admin, agents and generators.

CREATE FUNCTION brokkr_touch() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.updated_at := now();
    RETURN NEW;
END $$;

-- Tells every broker that a key is no longer what its cache says. The channel is per schema.
CREATE FUNCTION brokkr_forget_key() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.pak_hash <> '' THEN
        PERFORM pg_notify('brokkr_' || TG_TABLE_SCHEMA, 'key:' || OLD.pak_hash);
    END IF;
    RETURN NULL;
END $$;

CREATE TABLE app_initialization (
    id boolean PRIMARY KEY DEFAULT true CHECK (id),
    initialized_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE admin_role (
    id boolean PRIMARY KEY DEFAULT true CHECK (id),
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    pak_hash text NOT NULL,
    pak_short text NOT NULL DEFAULT ''
);

CREATE FUNCTION brokkr_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% on % is refused', TG_OP, TG_TABLE_NAME;
END $$;

CREATE TRIGGER admin_role_stays BEFORE DELETE ON admin_role
    FOR EACH ROW EXECUTE FUNCTION brokkr_refuse();
CREATE TRIGGER admin_role_touch BEFORE UPDATE ON admin_role
    FOR EACH ROW EXECUTE FUNCTION brokkr_touch();
CREATE TRIGGER admin_role_forget_key AFTER UPDATE OF pak_hash ON admin_role
    FOR EACH ROW EXECUTE FUNCTION brokkr_forget_key();

CREATE TABLE agents (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    deleted_at timestamptz,
    name varchar(255) NOT NULL CHECK (name <> ''),
    cluster_name varchar(255) NOT NULL CHECK (cluster_name <> ''),
    last_heartbeat timestamptz,
    status varchar(50) NOT NULL DEFAULT 'INACTIVE',
    pak_hash text NOT NULL DEFAULT '',
    pak_short text NOT NULL DEFAULT ''
) WITH (fillfactor = 70);

CREATE UNIQUE INDEX agents_name_cluster_name ON agents (name, cluster_name) WHERE deleted_at IS NULL;
CREATE UNIQUE INDEX agents_pak_hash ON agents (pak_hash) WHERE deleted_at IS NULL AND pak_hash <> '';

-- A heartbeat is no change of the agent: it leaves updated_at alone.
CREATE TRIGGER agents_touch BEFORE UPDATE OF name, cluster_name, status, pak_hash, deleted_at ON agents
    FOR EACH ROW EXECUTE FUNCTION brokkr_touch();
CREATE TRIGGER agents_forget_key AFTER UPDATE OF pak_hash, deleted_at ON agents
    FOR EACH ROW EXECUTE FUNCTION brokkr_forget_key();

CREATE TABLE generators (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    deleted_at timestamptz,
    name varchar(255) NOT NULL CHECK (name <> ''),
    description text,
    last_active_at timestamptz,
    is_active boolean NOT NULL DEFAULT true,
    pak_hash text NOT NULL DEFAULT '',
    pak_short text NOT NULL DEFAULT ''
);

CREATE UNIQUE INDEX generators_name ON generators (name) WHERE deleted_at IS NULL;
CREATE UNIQUE INDEX generators_pak_hash ON generators (pak_hash)
    WHERE deleted_at IS NULL AND pak_hash <> '';

CREATE TRIGGER generators_touch BEFORE UPDATE ON generators
    FOR EACH ROW EXECUTE FUNCTION brokkr_touch();
CREATE TRIGGER generators_forget_key AFTER UPDATE OF pak_hash, deleted_at, is_active ON generators
    FOR EACH ROW EXECUTE FUNCTION brokkr_forget_key();
