//! Whole lives of houses: the real binary, engine, PostgreSQL and nginx, each test in an installation of its own.

mod apart;
mod bad_input;
mod crashes;
mod faults;
mod guest;
pub mod installation;
mod isolation;
mod life;
pub mod load;
mod mailed;
pub mod objects;
mod people;
mod providers;
mod repair;
mod replacement;
mod tenants;
mod trouble;
pub mod visitor;
mod wait;
mod way_in;
