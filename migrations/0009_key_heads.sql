-- pak_short holds all that stands before the long token, so a key is known by its whole head.

UPDATE admin_role SET pak_short = 'brokkr_BR' || pak_short WHERE pak_short <> '';
UPDATE agents SET pak_short = 'brokkr_BR' || pak_short WHERE pak_short <> '';
UPDATE generators SET pak_short = 'brokkr_BR' || pak_short WHERE pak_short <> '';
