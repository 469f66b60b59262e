DROP TABLE generators, agents, admin_role, app_initialization;
DROP FUNCTION brokkr_touch(), brokkr_forget_key(), brokkr_refuse();
