DROP TRIGGER work_order_log_emit ON work_order_log;
DROP TRIGGER work_orders_emit_claim ON work_orders;
DROP TRIGGER work_orders_emit_insert ON work_orders;
DROP TRIGGER agent_events_emit ON agent_events;
DROP TRIGGER deployment_objects_emit ON deployment_objects;
DROP TRIGGER stacks_emit_delete ON stacks;
DROP TRIGGER stacks_emit_insert ON stacks;
DROP TRIGGER agents_emit_delete ON agents;
DROP TRIGGER agents_emit_insert ON agents;
DROP FUNCTION brokkr_emit_work_order_end(), brokkr_emit_work_order(), brokkr_emit_events(),
    brokkr_emit_deployments(), brokkr_emit_stack(), brokkr_emit_agent(),
    brokkr_emit(text, uuid, uuid, json), brokkr_carries(uuid, uuid, text, text),
    brokkr_fits(text[], text), brokkr_moment(timestamptz);
DROP TABLE webhook_deliveries, webhook_subscriptions;
