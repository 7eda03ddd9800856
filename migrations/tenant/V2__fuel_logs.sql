-- One row per fill-up. Volumes are whole millilitres and costs whole cents, so that sums stay exact.
CREATE TABLE app.fuel_logs (
    id          uuid PRIMARY KEY,
    vehicle_id  uuid NOT NULL REFERENCES app.vehicles (id) ON DELETE CASCADE,
    filled_on   date NOT NULL,
    odometer_km integer NOT NULL,
    millilitres integer NOT NULL,
    cost_cents  bigint,
    full_tank   boolean NOT NULL,
    note        text,
    created_at  timestamptz NOT NULL DEFAULT now(),
    updated_at  timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT fuel_logs_date_fits CHECK (filled_on BETWEEN DATE '1886-01-01' AND DATE '2100-12-31'),
    CONSTRAINT fuel_logs_odometer_fits CHECK (odometer_km BETWEEN 0 AND 9999999),
    CONSTRAINT fuel_logs_volume_fits CHECK (millilitres BETWEEN 1 AND 2000000),
    CONSTRAINT fuel_logs_cost_fits CHECK (cost_cents BETWEEN 0 AND 100000000),
    CONSTRAINT fuel_logs_note_fits CHECK (char_length(note) <= 500),
    -- Also the index that a vehicle's fill-ups are read by, in the order they were made.
    CONSTRAINT fuel_logs_reading_once UNIQUE (vehicle_id, odometer_km)
);
