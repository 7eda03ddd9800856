//! Tests of whole rooms, against the real engine, PostgreSQL and nginx where they have a part in it.

mod cli;
mod edge;
mod edge_moves;
mod engine;
mod gateway;
mod houses;
mod http;
mod layering;
mod mail;
mod outside;
mod platform;
mod stack;
mod store;
mod store_deletion;
mod store_leases;
mod store_providers;
mod store_scopes;
mod store_tenants;
mod support;
