//! Signing people in to tenants' apps: OpenID Connect, with each tenant as one confidential client.

mod authorize;
mod clients;
mod end_session;
pub mod error;
mod introspect;
mod redeem;
mod refresh;
mod request;
mod revoke;
mod standing;
mod userinfo;

pub use crate::store::oauth_clients::ClientRecord as Client;
pub use authorize::{Authorized, LONGEST_WAY, PATH};
pub use end_session::Ended;
pub use error::{Code, Refused};
pub use introspect::Introspected;
pub(super) use request::signed_in_after;
pub use standing::Tokens;
pub use userinfo::UserInfo;

use super::App;
