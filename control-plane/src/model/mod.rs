//! Pure types that every room shares: what a tenant, a house and a release are, and what may be said of them.

pub mod api_key;
pub mod colour;
pub mod desired;
pub mod email;
pub mod hostname;
pub mod ids;
pub mod image;
pub mod invitation;
pub mod letter;
pub mod observed;
pub mod operation;
pub mod plan;
pub mod provider;
pub mod release;
pub mod role;
pub mod secret;
pub mod signing_key;
pub mod signup;
pub mod slug;
pub mod stack;
pub mod tenant;
