//! Whose request is this? The container's environment says first, a token second, the name third.
//! They must agree: whatever names another tenant is refused, and there is no tenant by default.

pub mod jwks;
pub mod names;
#[cfg(test)]
pub(crate) mod samples;
pub mod token;
