DROP VIEW agent_stacks;
DROP TABLE stack_annotations, stack_labels, agent_annotations, agent_labels, agent_targets;
DROP TRIGGER generators_delete_stacks ON generators;
DROP TABLE stacks;
DROP FUNCTION brokkr_delete_stacks_of_generator();
