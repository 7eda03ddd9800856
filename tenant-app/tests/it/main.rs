//! The app on a real PostgreSQL server. Each test has a server of its own, and asks much of it.

#![allow(clippy::unwrap_used)] // helpers of tests are tests too

mod outage;
mod rights;
mod schema;
mod serving;
mod sessions;
mod sign_in;
mod support;
