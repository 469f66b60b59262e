DROP VIEW agent_work_orders;
DROP TABLE work_order_log, work_order_annotations, work_order_labels, work_order_targets, work_orders;
