DROP TABLE diagnostic_results, diagnostic_requests;
