-- A vehicle may belong to a project of the tenant. Projects are the platform's: this is the id, and the
-- name as the platform told it when the vehicle was last written.
ALTER TABLE app.vehicles
    ADD COLUMN project_id uuid,
    ADD COLUMN project    text,
    ADD CONSTRAINT vehicles_project_whole CHECK ((project_id IS NULL) = (project IS NULL)),
    ADD CONSTRAINT vehicles_project_fits CHECK (char_length(project) BETWEEN 1 AND 63);

-- Serves those who see some projects only, and the list of projects that have vehicles.
CREATE INDEX vehicles_by_project ON app.vehicles (project_id, project);
