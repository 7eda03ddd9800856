-- The vehicles of one tenant. The schema `app` is there before the first migration runs, and what the
-- owner makes in it gives row rights (select, insert, update, delete) to the app's role by default.
CREATE TABLE app.vehicles (
    id         uuid PRIMARY KEY,
    name       text NOT NULL,
    make       text,
    model      text,
    year       integer,
    plate      text,
    fuel       text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT vehicles_name_fits CHECK (btrim(name) <> '' AND char_length(name) <= 80),
    CONSTRAINT vehicles_make_fits CHECK (char_length(make) <= 60),
    CONSTRAINT vehicles_model_fits CHECK (char_length(model) <= 60),
    CONSTRAINT vehicles_year_fits CHECK (year BETWEEN 1886 AND 2100),
    CONSTRAINT vehicles_plate_fits CHECK (char_length(plate) <= 16),
    CONSTRAINT vehicles_fuel_known CHECK (fuel IN ('petrol', 'diesel', 'lpg', 'ethanol', 'other'))
);

-- Serves the list: by name, with the id to make the order total.
CREATE INDEX vehicles_by_name ON app.vehicles (lower(name), id);

-- A plate is one vehicle's, however it is typed.
CREATE UNIQUE INDEX vehicles_plate_once ON app.vehicles (upper(replace(replace(plate, ' ', ''), '-', '')));
