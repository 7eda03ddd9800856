//! What several tests need.

pub mod browser;
pub mod house;
pub mod nginx;
pub mod postgres;
mod template;
pub mod visitor;
