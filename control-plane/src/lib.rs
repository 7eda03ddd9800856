//! Freehold gives every tenant of a SaaS product its own house.

pub mod app;
pub mod cli;
pub mod config;
pub mod database;
pub mod edge;
pub mod engine;
pub mod gateway;
pub mod http;
pub mod identity;
pub mod model;
pub mod planner;
pub mod platform;
pub mod render;
pub mod store;
pub mod telemetry;
pub mod worker;
