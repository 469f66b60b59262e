-- Templates: one row a version, with the labels and annotations that say which stacks it fits.

CREATE TABLE stack_templates (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    deleted_at timestamptz,
    generator_id uuid CONSTRAINT stack_templates_generator_id_fkey REFERENCES generators (id) ON DELETE CASCADE,
    name varchar(255) NOT NULL CHECK (name <> ''),
    description text,
    version integer NOT NULL DEFAULT 1 CHECK (version >= 1),
    template_content text NOT NULL CHECK (template_content <> ''),
    parameters_schema text NOT NULL CHECK (parameters_schema <> ''),
    checksum varchar(64) NOT NULL
);

-- Over deleted versions as well: a number names one text for ever.
CREATE UNIQUE INDEX stack_templates_name_version ON stack_templates
    (coalesce(generator_id, '00000000-0000-0000-0000-000000000000'), name, version);
CREATE INDEX stack_templates_created_at_id ON stack_templates (created_at, id)
    WHERE deleted_at IS NULL;
CREATE INDEX stack_templates_generator_id_created_at_id ON stack_templates (generator_id, created_at, id)
    WHERE deleted_at IS NULL;
CREATE TRIGGER stack_templates_touch BEFORE UPDATE ON stack_templates
    FOR EACH ROW EXECUTE FUNCTION brokkr_touch();

CREATE TABLE template_labels (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    template_id uuid NOT NULL
        CONSTRAINT template_labels_template_id_fkey REFERENCES stack_templates (id) ON DELETE CASCADE,
    label varchar(64) NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT template_labels_template_id_label UNIQUE (template_id, label)
);

CREATE TABLE template_annotations (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    template_id uuid NOT NULL
        CONSTRAINT template_annotations_template_id_fkey REFERENCES stack_templates (id) ON DELETE CASCADE,
    key varchar(64) NOT NULL,
    value varchar(64) NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT template_annotations_template_id_key UNIQUE (template_id, key)
);

-- Which template, version and parameters a deployment object was made from.
CREATE TABLE rendered_deployment_objects (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    deployment_object_id uuid NOT NULL
        CONSTRAINT rendered_deployment_objects_deployment_object_id UNIQUE
        REFERENCES deployment_objects (id) ON DELETE CASCADE,
    template_id uuid NOT NULL REFERENCES stack_templates (id),
    template_version integer NOT NULL,
    template_parameters text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE FUNCTION brokkr_delete_templates_of_generator() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE stack_templates SET deleted_at = NEW.deleted_at
     WHERE generator_id = NEW.id AND deleted_at IS NULL;
    RETURN NULL;
END $$;

CREATE TRIGGER generators_delete_templates AFTER UPDATE OF deleted_at ON generators
    FOR EACH ROW WHEN (OLD.deleted_at IS NULL AND NEW.deleted_at IS NOT NULL)
    EXECUTE FUNCTION brokkr_delete_templates_of_generator();
