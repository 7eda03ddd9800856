//! Freehold gives every tenant of a SaaS product its own house.

pub mod engine;
pub mod model;
