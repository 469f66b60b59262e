UPDATE admin_role SET pak_short = regexp_replace(pak_short, '^brokkr_BR', '');
UPDATE agents SET pak_short = regexp_replace(pak_short, '^brokkr_BR', '');
UPDATE generators SET pak_short = regexp_replace(pak_short, '^brokkr_BR', '');
