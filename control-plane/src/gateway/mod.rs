//! The gateway: behind the edge, in front of every tenant that has no live route.
//!
//! It wakes who is asleep and holds the request meanwhile, serves who has no route yet, and answers in place of
//! tenants that are not there. It asks the registry and changes nothing in it but a wish to be woken.
//!
//! Only the edge can reach its socket. So the host and the forwarding headers of a request are the edge's word,
//! and are passed on to the tenant of that host and to nobody else.

mod answer;
mod door;
mod holds;
mod proxy;
mod registry;
mod serve;
mod tunnel;
mod visit;

use std::time::Duration;

pub use door::{Door, DoorState, Doors, DoorsError};
pub use serve::serve;

/// How much the gateway takes upon itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GatewaySettings {
    /// How long one request waits for its tenant before it gets a page that retries.
    pub hold: Duration,
    /// Requests held at a time for one visitor's address (an IPv6 /64 counts as one).
    pub holds_per_address: u32,
    /// Requests held at a time for one tenant.
    pub holds_per_tenant: u32,
    /// Requests held at a time in all.
    pub holds: u32,
    /// Tenants that one visitor's address may wake in a minute.
    pub wakes_per_minute: u32,
    /// How long what is under way may go on after the gateway was told to stop.
    pub drain: Duration,
}

impl Default for GatewaySettings {
    fn default() -> Self {
        Self {
            hold: Duration::from_secs(30),
            holds_per_address: 16,
            holds_per_tenant: 64,
            holds: 1024,
            wakes_per_minute: 30,
            drain: Duration::from_secs(40),
        }
    }
}
