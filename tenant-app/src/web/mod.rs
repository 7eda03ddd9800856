//! What the API and the pages share: state, guards, extractors, problems.

pub mod colour;
pub mod extract;
pub mod guards;
pub mod health;
pub mod problem;
pub mod state;
pub mod who;
