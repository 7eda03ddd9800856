//! Freehold gives every tenant of a SaaS product its own house: its own PostgreSQL server, app containers, network and
//! subdomain. `docs/architecture.md` follows one request through all rooms.
//!
//! Who may use whom, each also what stands below what it uses; a test reads the `use` lines:
//!
//! ```text
//! cli ─► platform, http, gateway, worker
//! http ─► app, render, socket        gateway ─► app, render, socket
//! platform, worker ─► planner, store, engine, database, edge, identity, render
//! app ─► store, identity
//! planner, store, engine, database, edge, identity, render ─► model
//! model, socket ─► nothing of ours   config, telemetry: usable by all but model and planner
//! ```

/// Use cases: what a caller may ask for, and its rules.
pub mod app;
/// The command line, one file per command.
pub mod cli;
/// Settings by section, from file, environment and flags.
pub mod config;
/// The tenant's PostgreSQL: roles, grants, migrations, facts.
pub mod database;
/// nginx in front: live routes, set, read back and proven.
pub mod edge;
/// What runs containers: the trait, Docker, and a fake for tests.
pub mod engine;
/// Our own proxy behind the edge, for tenants that are not awake yet.
pub mod gateway;
/// The HTTP API and its pages.
pub mod http;
/// Passwords, keys, tokens, the vault, and providers outside.
pub mod identity;
/// Pure types that every room shares.
pub mod model;
/// Desired × observed → steps: pure.
pub mod planner;
/// Bringing Freehold itself up and down.
pub mod platform;
/// Tera: one typed context per template.
pub mod render;
/// HTTP on a unix socket that one process takes over from another.
pub mod socket;
/// All SQL of the registry.
pub mod store;
/// Logs.
pub mod telemetry;
/// Leases, the reconcile loop, the runner of steps, sweeps.
pub mod worker;
