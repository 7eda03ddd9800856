//! Freehold gives every tenant of a SaaS product its own house.

pub mod database;
pub mod engine;
pub mod model;
