//! Freehold's own bring-up.

pub mod images;
