//! A stateful fake.
