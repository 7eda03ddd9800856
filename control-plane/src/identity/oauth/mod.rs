//! The parts of OAuth 2.0 and OpenID Connect that are pure: what parameters, codes, clients and tokens are.

pub mod claims;
pub mod client;
pub mod code;
pub mod params;
pub mod pkce;
pub mod scopes;
pub mod verifier;
