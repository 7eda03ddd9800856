//! Whole lives of houses: the real binary, engine, PostgreSQL and nginx, each test in an installation of its own.

mod apart;
mod installation;
mod isolation;
mod life;
mod objects;
mod repair;
mod tenants;
mod trouble;
mod visitor;
mod wait;
