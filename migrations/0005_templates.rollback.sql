DROP TRIGGER generators_delete_templates ON generators;
DROP FUNCTION brokkr_delete_templates_of_generator();
DROP TABLE rendered_deployment_objects, template_annotations, template_labels, stack_templates;
