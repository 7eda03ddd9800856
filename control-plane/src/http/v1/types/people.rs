//! What goes over the wire about users. Types that hold a secret cannot be printed.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Deserializer, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::identity::permissions::Permission;
use crate::model::role::Role;
use crate::model::signup::SignupMode;

/// Somebody who wants an account.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Register {
    #[schema(example = "ada@example.com", max_length = 254)]
    pub email: String,
    /// What people call them: 1 to 120 characters on one line.
    #[schema(example = "Ada Lovelace", max_length = 120)]
    pub name: String,
    /// 10 characters at least, and hard to guess.
    #[schema(format = Password, min_length = 10, max_length = 1024)]
    pub password: String,
    /// The version of the terms that they accept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 64)]
    pub terms: Option<String>,
}

/// An address that mail is asked for.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Address {
    #[schema(example = "ada@example.com", max_length = 254)]
    pub email: String,
}

/// Said of everything that goes on by mail, whether or not there is an account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Accepted {
    pub message: String,
}

/// What stood behind `?token=` in a link that was mailed.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MailedToken {
    #[schema(format = Password)]
    pub token: String,
}

/// A new password, by what was mailed.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ResetPassword {
    #[schema(format = Password)]
    pub token: String,
    /// 10 characters at least, and hard to guess.
    #[schema(format = Password, min_length = 10, max_length = 1024)]
    pub password: String,
}

/// A new password, by the one before.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ChangePassword {
    #[schema(format = Password, max_length = 1024)]
    pub current_password: String,
    /// 10 characters at least, and hard to guess.
    #[schema(format = Password, min_length = 10, max_length = 1024)]
    pub password: String,
}

/// Email and password of a user.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LogIn {
    #[schema(example = "ada@example.com", max_length = 254)]
    pub email: String,
    #[schema(format = Password, max_length = 1024)]
    pub password: String,
    /// Whether the device shall be remembered: the session then lasts longer without being used.
    #[serde(default)]
    pub remember: bool,
    /// A code of the authenticator app, or a recovery code, where one is asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(format = Password, max_length = 64)]
    pub second_factor: Option<String>,
}

/// The refresh token that was given last.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Refresh {
    #[schema(format = Password)]
    pub refresh_token: String,
}

/// What a signed-in user holds.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
pub struct Tokens {
    pub user_id: Uuid,
    pub session_id: Uuid,
    /// Sent as `Authorization: Bearer <token>` with each request.
    pub access_token: String,
    #[schema(example = "Bearer")]
    pub token_type: String,
    /// When the access token ends.
    pub expires_at: DateTime<Utc>,
    /// Good once, for the next pair of tokens.
    pub refresh_token: String,
    /// When the session ends unless it is used.
    pub session_expires_at: DateTime<Utc>,
}

/// What an authenticator app needs. It is told this once.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
pub struct Enrolment {
    /// In base 32, for those who type it.
    pub secret: String,
    /// The same as a link, to be shown as a QR code.
    #[schema(example = "otpauth://totp/freehold.localhost:ada%40example.com?secret=…")]
    pub uri: String,
}

/// A code of the authenticator app.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Code {
    #[schema(format = Password, max_length = 64)]
    pub code: String,
}

/// The password, and a code of the authenticator app or a recovery code.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PasswordAndCode {
    #[schema(format = Password, max_length = 1024)]
    pub password: String,
    #[schema(format = Password, max_length = 64)]
    pub code: String,
}

/// The password, asked for once more.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PasswordOnly {
    #[schema(format = Password, max_length = 1024)]
    pub password: String,
}

/// Codes for when the authenticator app is lost, each good once.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
pub struct RecoveryCodes {
    pub codes: Vec<String>,
}

/// A value that was given, if only as null: what was left out is told from it.
pub fn given<'de, T: Deserialize<'de>, D: Deserializer<'de>>(text: D) -> Result<Option<T>, D::Error> {
    T::deserialize(text).map(Some)
}

/// What a tenant asks of people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Security {
    /// Whether nobody is let in without a second factor.
    pub require_second_factor: bool,
    /// The provider by which people must sign in. None: as they like.
    #[serde(default)]
    pub required_provider: Option<Uuid>,
    /// How people join who were not invited.
    pub signups: SignupMode,
}

/// What shall be different. What is left out stays as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SecurityChange {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub require_second_factor: Option<bool>,
    /// The provider by which people must sign in: its id, or the name of one of the tenant's or else of the platform's.
    /// null: as they like.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub required_provider: Option<Option<String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signups: Option<SignupMode>,
}

/// A user, as platform admins see them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct User {
    pub id: Uuid,
    pub email: String,
    pub name: String,
    /// When it was proven that the address is theirs.
    #[serde(default)]
    pub verified_at: Option<DateTime<Utc>>,
    /// Since when they are let in nowhere.
    #[serde(default)]
    pub suspended_at: Option<DateTime<Utc>>,
    pub created_at: DateTime<Utc>,
}

/// A user with where they belong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct UserDetail {
    #[serde(flatten)]
    pub user: User,
    pub memberships: Vec<UserMembership>,
}

/// What a user is in one tenant, as platform admins see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct UserMembership {
    pub tenant_id: Uuid,
    pub slug: String,
    pub role: Role,
    pub suspended: bool,
}

/// A user, as they see themselves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Me {
    pub id: Uuid,
    pub email: String,
    pub name: String,
    pub session_id: Uuid,
    /// Whether they have a second factor.
    pub has_second_factor: bool,
    /// Whether they gave it for this session.
    pub second_factor: bool,
    /// The provider that they came by. None: by password.
    #[serde(default)]
    pub provider: Option<Uuid>,
    /// The one tenant that this session is good in, as it came by that tenant's own provider. None: all.
    #[serde(default)]
    pub only_tenant: Option<Uuid>,
    /// Where they belong and this session is good.
    pub memberships: Vec<MyMembership>,
}

/// What a user is in one tenant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct MyMembership {
    pub tenant_id: Uuid,
    pub slug: String,
    /// Where people reach the tenant.
    #[schema(example = "http://acme.freehold.localhost:8080")]
    pub url: String,
    pub role: Role,
    /// What the role allows.
    pub permissions: Vec<Permission>,
    /// Whether the tenant's admins let them in at the moment.
    pub suspended: bool,
    /// Whether the tenant lets nobody in without a second factor.
    pub second_factor_required: bool,
    /// The provider by which the tenant has its people sign in. None: as they like.
    #[serde(default)]
    pub required_provider: Option<Uuid>,
}

/// Somebody, as a provider outside knows them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Identity {
    pub provider_id: Uuid,
    #[schema(example = "acme-sso")]
    pub name: String,
    /// What people are shown.
    #[schema(example = "Acme SSO")]
    pub title: String,
    /// Whose provider it is; none for the platform's.
    pub tenant_id: Option<Uuid>,
    /// The address that the provider told last; it proves nothing.
    pub email: Option<String>,
    pub linked_at: DateTime<Utc>,
    pub last_used_at: DateTime<Utc>,
}

/// Being signed in on one device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct MySession {
    pub id: Uuid,
    /// Whether it is the one that asks.
    pub current: bool,
    #[schema(example = "Firefox on Linux")]
    pub device: String,
    /// Where it was begun or refreshed from last.
    pub address: String,
    pub remembered: bool,
    pub second_factor: bool,
    /// By which provider, as people are shown it; none for a password.
    #[schema(example = "Acme SSO")]
    pub by: Option<String>,
    /// The one tenant that it is good in; none: all of mine.
    pub only_tenant: Option<Uuid>,
    pub created_at: DateTime<Utc>,
    /// Exact to a minute.
    pub last_used_at: DateTime<Utc>,
    pub expires_at: DateTime<Utc>,
}
