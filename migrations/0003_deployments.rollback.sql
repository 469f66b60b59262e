DROP FUNCTION agent_wanted(uuid, boolean);
DROP TRIGGER agents_delete ON agents;
DROP TRIGGER stacks_delete ON stacks;
DROP TABLE stack_removals, agent_objects, agent_events, deployment_objects;
DROP FUNCTION brokkr_delete_agent(), brokkr_delete_stack(), brokkr_keep_deployment_object();
