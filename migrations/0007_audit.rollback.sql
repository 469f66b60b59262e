DROP TABLE audit_logs;
DROP FUNCTION brokkr_keep_audit();
