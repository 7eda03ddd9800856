//! The reference app of a Freehold tenant: vehicles and fuel logs, in one tenant's own database.
//!
//! It knows nothing of the control plane: what it gets and what it must do is said in
//! `docs/tenant-app-contract.md`, and any app in any language that keeps to it can take its place.
//!
//! * [`settings`] reads the container's environment, once, at the start
//! * [`tenant`] tells whose request this is: environment, then token, then name
//! * [`people`] tells who asks and what they may: sign-in at the platform, sessions, rights
//! * [`database`] is the pool, the schema's version and what database errors mean
//! * [`records`] is what the app is about: vehicles, fuel logs, consumption
//! * [`api`] and [`pages`] are its two faces, [`web`] what they share
//! * [`server`] puts it together, [`logs`] writes what happened

pub mod api;
pub mod database;
pub mod logs;
pub mod pages;
pub mod people;
pub mod records;
pub mod server;
pub mod settings;
pub mod tenant;
pub mod web;
