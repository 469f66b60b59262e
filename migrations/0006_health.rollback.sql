DROP TABLE deployment_health;
