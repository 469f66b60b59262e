-- Who has to hear that something changed, whatever changed it. A notice is a hint: who misses it
-- finds out by asking. `stack:<id>` is for all who serve that stack, `agents:<kinds>:<id>,<id>…`
-- for these. New versions and events are told by the broker that stored them.

CREATE FUNCTION brokkr_wake(kinds text, agents uuid[]) RETURNS void LANGUAGE sql AS $$
    SELECT pg_notify('brokkr_' || current_schema(), 'agents:' || kinds || ':' || string_agg(id::text, ','))
      FROM (SELECT id, (row_number() OVER () - 1) / 200 AS chunk
              FROM (SELECT DISTINCT unnest(agents) AS id) d) numbered
     GROUP BY chunk
$$;

CREATE FUNCTION brokkr_wake_stacks(stacks uuid[]) RETURNS void LANGUAGE sql AS $$
    SELECT pg_notify('brokkr_' || current_schema(), 'stack:' || id)
      FROM (SELECT DISTINCT unnest(stacks) AS id) d
$$;

-- Rows that name the agent themselves. The argument says what is new for it.
CREATE FUNCTION brokkr_wake_named() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM brokkr_wake(TG_ARGV[0], (SELECT array_agg(agent_id) FROM changed));
    RETURN NULL;
END $$;
CREATE TRIGGER agent_targets_wake_insert AFTER INSERT ON agent_targets
    REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION brokkr_wake_named('state');
CREATE TRIGGER agent_targets_wake_delete AFTER DELETE ON agent_targets
    REFERENCING OLD TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION brokkr_wake_named('state');
CREATE TRIGGER agent_labels_wake_insert AFTER INSERT ON agent_labels
    REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION brokkr_wake_named('state+work+webhook');
CREATE TRIGGER agent_labels_wake_delete AFTER DELETE ON agent_labels
    REFERENCING OLD TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION brokkr_wake_named('state');
CREATE TRIGGER agent_annotations_wake_insert AFTER INSERT ON agent_annotations
    REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION brokkr_wake_named('state+work');
CREATE TRIGGER agent_annotations_wake_delete AFTER DELETE ON agent_annotations
    REFERENCING OLD TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION brokkr_wake_named('state');
CREATE TRIGGER stack_removals_wake AFTER INSERT ON stack_removals
    REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION brokkr_wake_named('state');
CREATE TRIGGER diagnostic_requests_wake AFTER INSERT ON diagnostic_requests
    REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION brokkr_wake_named('diagnostic');
CREATE TRIGGER work_order_targets_wake AFTER INSERT ON work_order_targets
    REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION brokkr_wake_named('work');

-- Rows that name a stack.
CREATE FUNCTION brokkr_wake_stack() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM brokkr_wake_stacks((SELECT array_agg(stack_id) FROM changed));
    RETURN NULL;
END $$;
CREATE TRIGGER stack_labels_wake_insert AFTER INSERT ON stack_labels
    REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION brokkr_wake_stack();
CREATE TRIGGER stack_annotations_wake_insert AFTER INSERT ON stack_annotations
    REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION brokkr_wake_stack();

CREATE FUNCTION brokkr_wake_renamed_stack() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM brokkr_wake_stacks(ARRAY[NEW.id]);
    RETURN NULL;
END $$;
CREATE TRIGGER stacks_wake AFTER UPDATE OF name ON stacks
    FOR EACH ROW WHEN (OLD.name <> NEW.name) EXECUTE FUNCTION brokkr_wake_renamed_stack();

-- Rows that name what agents carry. Whoever lost a stack by them is served by it no more.
CREATE FUNCTION brokkr_wake_labelled() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM brokkr_wake(TG_ARGV[0], (SELECT array_agg(a.agent_id) FROM changed
                                       JOIN agent_labels a ON a.label = changed.label));
    RETURN NULL;
END $$;
CREATE TRIGGER stack_labels_wake_delete AFTER DELETE ON stack_labels
    REFERENCING OLD TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION brokkr_wake_labelled('state');
CREATE TRIGGER work_order_labels_wake AFTER INSERT ON work_order_labels
    REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION brokkr_wake_labelled('work');

CREATE FUNCTION brokkr_wake_annotated() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM brokkr_wake(TG_ARGV[0], (SELECT array_agg(a.agent_id) FROM changed
                                       JOIN agent_annotations a
                                         ON a.key = changed.key AND a.value = changed.value));
    RETURN NULL;
END $$;
CREATE TRIGGER stack_annotations_wake_delete AFTER DELETE ON stack_annotations
    REFERENCING OLD TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION brokkr_wake_annotated('state');
CREATE TRIGGER work_order_annotations_wake AFTER INSERT ON work_order_annotations
    REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION brokkr_wake_annotated('work');

-- Work that may be taken again; work that is taken away from its claimant.
CREATE FUNCTION brokkr_wake_work() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM brokkr_wake('work', (SELECT array_agg(a.agent_id)
                                   FROM new_rows n
                                   JOIN old_rows o ON o.id = n.id AND o.status <> 'PENDING'
                                   JOIN agent_work_orders a ON a.work_order_id = n.id
                                  WHERE n.status = 'PENDING'));
    PERFORM brokkr_wake('work', (SELECT array_agg(o.claimed_by)
                                   FROM new_rows n
                                   JOIN old_rows o ON o.id = n.id AND o.status = 'CLAIMED'
                                  WHERE n.claimed_by IS DISTINCT FROM o.claimed_by));
    RETURN NULL;
END $$;
CREATE TRIGGER work_orders_wake_update AFTER UPDATE ON work_orders
    REFERENCING NEW TABLE AS new_rows OLD TABLE AS old_rows
    FOR EACH STATEMENT EXECUTE FUNCTION brokkr_wake_work();

CREATE FUNCTION brokkr_wake_claimant() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM brokkr_wake('work', (SELECT array_agg(claimed_by) FROM changed WHERE status = 'CLAIMED'));
    RETURN NULL;
END $$;
CREATE TRIGGER work_orders_wake_delete AFTER DELETE ON work_orders
    REFERENCING OLD TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION brokkr_wake_claimant();

-- Deliveries for agents that carry all their labels.
CREATE FUNCTION brokkr_wake_deliverers() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM brokkr_wake('webhook', (
        SELECT array_agg(l.agent_id)
          FROM (SELECT DISTINCT target_labels FROM changed WHERE cardinality(target_labels) > 0) w
          JOIN agent_labels l ON l.label = w.target_labels[1]
         WHERE NOT EXISTS (SELECT unnest(w.target_labels)
                           EXCEPT
                           SELECT label FROM agent_labels WHERE agent_id = l.agent_id)));
    RETURN NULL;
END $$;
CREATE TRIGGER webhook_deliveries_wake AFTER INSERT ON webhook_deliveries
    REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION brokkr_wake_deliverers();

-- Paused, or active again.
CREATE FUNCTION brokkr_wake_agent() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM brokkr_wake('agent', ARRAY[NEW.id]);
    RETURN NULL;
END $$;
CREATE TRIGGER agents_wake AFTER UPDATE OF status ON agents
    FOR EACH ROW WHEN (OLD.status <> NEW.status) EXECUTE FUNCTION brokkr_wake_agent();
