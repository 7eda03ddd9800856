//! What several tests need.

pub mod house;
pub mod nginx;
pub mod visitor;
//! What tests of several rooms share.

pub mod postgres;
