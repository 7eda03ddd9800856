//! The table: whom each route is open to, and what is sent to it.

use axum::http::Method;
use control_plane::identity::permissions::Permission;
use serde_json::Value;

/// Whom a route is open to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Open {
    /// Whoever asks; a token is not looked at.
    Everybody,
    /// Whoever asks; a token that is sent must be good.
    Either,
    /// Whoever is known.
    SignedIn,
    /// Users and platform admins, for what is their own.
    People,
    /// Users, for what is their own.
    Users,
    /// The same, also in a session that is good in one tenant alone.
    UsersAnyhow,
    /// Users for what is their own, and whoever sends no token.
    UsersOrNobody,
    /// Platform admins.
    Admins,
    /// Members of the tenant in the path whose role has this permission, and platform admins.
    Members(Permission),
    /// The same without platform admins.
    MembersOnly(Permission),
    /// Platform admins; its members may know that it is there.
    AdminsInTenant,
}

/// A route of the document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    pub method: Method,
    pub path: String,
}

/// The route, whom it is open to, and a body that it can read.
pub const TABLE: &[(&str, Open, &str)] = &[
    ("POST /api/v1/admin/sessions", Open::Everybody, r#"{"email":"nobody@example.com","password":"wrong"}"#),
    (
        "POST /api/v1/auth/register",
        Open::Everybody,
        r#"{"email":"new@example.com","name":"-","password":"correct horse battery staple"}"#,
    ),
    ("POST /api/v1/auth/login", Open::Everybody, r#"{"email":"nobody@example.com","password":"wrong"}"#),
    ("POST /api/v1/auth/refresh", Open::Everybody, r#"{"refresh_token":"none"}"#),
    ("POST /api/v1/auth/logout", Open::UsersAnyhow, ""),
    ("POST /api/v1/auth/verify-email", Open::Everybody, r#"{"token":"none"}"#),
    ("POST /api/v1/auth/resend-verification", Open::Everybody, r#"{"email":"nobody@example.com"}"#),
    ("POST /api/v1/auth/forgot-password", Open::Everybody, r#"{"email":"nobody@example.com"}"#),
    ("POST /api/v1/auth/reset-password", Open::Everybody, r#"{"token":"none","password":"-"}"#),
    ("GET /api/v1/me", Open::UsersAnyhow, ""),
    ("POST /api/v1/me/password", Open::Users, r#"{"current_password":"-","password":"-"}"#),
    ("GET /api/v1/me/sessions", Open::Users, ""),
    ("DELETE /api/v1/me/sessions", Open::Users, ""),
    ("DELETE /api/v1/me/sessions/{session}", Open::Users, ""),
    ("GET /api/v1/me/identities", Open::Users, ""),
    ("DELETE /api/v1/me/identities/{provider}", Open::Users, ""),
    ("POST /api/v1/me/second-factor", Open::People, ""),
    ("POST /api/v1/me/second-factor/confirm", Open::People, r#"{"code":"-"}"#),
    ("DELETE /api/v1/me/second-factor", Open::People, r#"{"password":"-","code":"-"}"#),
    ("POST /api/v1/me/recovery-codes", Open::People, r#"{"password":"-"}"#),
    ("GET /api/v1/signing-keys", Open::Admins, ""),
    ("POST /api/v1/signing-keys", Open::Admins, "{}"),
    ("POST /api/v1/signing-keys/{kid}/withdraw", Open::Admins, ""),
    ("GET /api/v1/tenants/{tenant}/security", Open::Members(Permission::SecurityUpdate), ""),
    (
        "PATCH /api/v1/tenants/{tenant}/security",
        Open::Members(Permission::SecurityUpdate),
        r#"{"signups":"closed"}"#,
    ),
    ("POST /api/v1/users", Open::Admins, r#"{"email":"-","name":"-","password":"-"}"#),
    ("GET /api/v1/users", Open::Admins, ""),
    ("GET /api/v1/users/{user}", Open::Admins, ""),
    ("POST /api/v1/users/{user}/suspend", Open::Admins, ""),
    ("POST /api/v1/users/{user}/resume", Open::Admins, ""),
    ("GET /api/v1/users/{user}/identities", Open::Admins, ""),
    ("DELETE /api/v1/users/{user}/identities/{provider}", Open::Admins, ""),
    ("GET /api/v1/tenants", Open::Admins, ""),
    ("POST /api/v1/tenants", Open::Admins, r#"{"name":"-"}"#),
    ("GET /api/v1/tenants/{tenant}", Open::Members(Permission::TenantRead), ""),
    ("PATCH /api/v1/tenants/{tenant}", Open::Members(Permission::TenantUpdate), r#"{"name":"Another"}"#),
    ("DELETE /api/v1/tenants/{tenant}", Open::AdminsInTenant, ""),
    ("POST /api/v1/tenants/{tenant}/suspend", Open::AdminsInTenant, ""),
    ("POST /api/v1/tenants/{tenant}/resume", Open::AdminsInTenant, ""),
    ("POST /api/v1/tenants/{tenant}/sleep", Open::AdminsInTenant, ""),
    ("POST /api/v1/tenants/{tenant}/wake", Open::AdminsInTenant, ""),
    ("POST /api/v1/tenants/{tenant}/restore", Open::AdminsInTenant, ""),
    ("POST /api/v1/tenants/{tenant}/retry", Open::AdminsInTenant, ""),
    ("GET /api/v1/tenants/{tenant}/members", Open::Members(Permission::MembersRead), ""),
    (
        "POST /api/v1/tenants/{tenant}/members",
        Open::AdminsInTenant,
        r#"{"email":"nobody@example.com","role":"viewer"}"#,
    ),
    ("GET /api/v1/tenants/{tenant}/members/{user}", Open::Members(Permission::MembersRead), ""),
    (
        "PATCH /api/v1/tenants/{tenant}/members/{user}",
        Open::Members(Permission::MembersUpdate),
        r#"{"role":"viewer"}"#,
    ),
    ("DELETE /api/v1/tenants/{tenant}/members/{user}", Open::Members(Permission::MembersRemove), ""),
    (
        "POST /api/v1/tenants/{tenant}/ownership",
        Open::Members(Permission::OwnershipHandOver),
        r#"{"user":"nobody@example.com"}"#,
    ),
    ("GET /api/v1/me/keys", Open::Users, ""),
    ("POST /api/v1/me/keys", Open::Users, r#"{"name":"-","scopes":[]}"#),
    ("GET /api/v1/me/keys/{key}", Open::Users, ""),
    ("DELETE /api/v1/me/keys/{key}", Open::Users, ""),
    ("POST /api/v1/me/keys/{key}/rotate", Open::Users, "{}"),
    ("GET /api/v1/tenants/{tenant}/keys", Open::Members(Permission::KeysRead), ""),
    (
        "POST /api/v1/tenants/{tenant}/keys",
        Open::MembersOnly(Permission::KeysManage),
        r#"{"name":"deploy","scopes":["tenant.read"]}"#,
    ),
    ("GET /api/v1/tenants/{tenant}/keys/{key}", Open::Members(Permission::KeysRead), ""),
    ("DELETE /api/v1/tenants/{tenant}/keys/{key}", Open::Members(Permission::KeysManage), ""),
    ("POST /api/v1/tenants/{tenant}/keys/{key}/rotate", Open::MembersOnly(Permission::KeysManage), "{}"),
    ("GET /api/v1/providers", Open::Admins, ""),
    ("POST /api/v1/providers", Open::Admins, r#"{"name":"-","issuer":"-","client_id":"-"}"#),
    ("GET /api/v1/providers/{provider}", Open::Admins, ""),
    ("PATCH /api/v1/providers/{provider}", Open::Admins, "{}"),
    ("DELETE /api/v1/providers/{provider}", Open::Admins, ""),
    ("POST /api/v1/providers/{provider}/check", Open::Admins, ""),
    ("GET /api/v1/tenants/{tenant}/providers", Open::Members(Permission::ProvidersRead), ""),
    (
        "POST /api/v1/tenants/{tenant}/providers",
        Open::Members(Permission::ProvidersManage),
        r#"{"name":"-","issuer":"-","client_id":"-"}"#,
    ),
    ("GET /api/v1/tenants/{tenant}/providers/{provider}", Open::Members(Permission::ProvidersRead), ""),
    ("PATCH /api/v1/tenants/{tenant}/providers/{provider}", Open::Members(Permission::ProvidersManage), "{}"),
    ("DELETE /api/v1/tenants/{tenant}/providers/{provider}", Open::Members(Permission::ProvidersManage), ""),
    (
        "POST /api/v1/tenants/{tenant}/providers/{provider}/check",
        Open::Members(Permission::ProvidersManage),
        "",
    ),
    ("GET /api/v1/tenants/{tenant}/projects", Open::Members(Permission::TenantRead), ""),
    (
        "POST /api/v1/tenants/{tenant}/projects",
        Open::Members(Permission::ProjectsCreate),
        r#"{"name":"Depot","slug":"depot"}"#,
    ),
    // Which of them they see, and what they may do in those, is told by the tests of projects.
    ("GET /api/v1/tenants/{tenant}/projects/{project}", Open::Members(Permission::TenantRead), ""),
    (
        "PATCH /api/v1/tenants/{tenant}/projects/{project}",
        Open::Members(Permission::TenantRead),
        r#"{"name":"Depot"}"#,
    ),
    ("DELETE /api/v1/tenants/{tenant}/projects/{project}", Open::Members(Permission::TenantRead), ""),
    ("GET /api/v1/tenants/{tenant}/projects/{project}/members", Open::Members(Permission::TenantRead), ""),
    (
        "PUT /api/v1/tenants/{tenant}/projects/{project}/members/{user}",
        Open::Members(Permission::TenantRead),
        r#"{"role":"viewer"}"#,
    ),
    (
        "DELETE /api/v1/tenants/{tenant}/projects/{project}/members/{user}",
        Open::Members(Permission::TenantRead),
        "",
    ),
    ("GET /api/v1/tenants/{tenant}/invitations", Open::Members(Permission::MembersInvite), ""),
    (
        "POST /api/v1/tenants/{tenant}/invitations",
        Open::Members(Permission::MembersInvite),
        r#"{"email":"nobody@example.com","role":"viewer"}"#,
    ),
    (
        "POST /api/v1/tenants/{tenant}/invitations/{invitation}/resend",
        Open::Members(Permission::MembersInvite),
        "",
    ),
    (
        "DELETE /api/v1/tenants/{tenant}/invitations/{invitation}",
        Open::Members(Permission::MembersInvite),
        "",
    ),
    ("POST /api/v1/invitations/preview", Open::Everybody, r#"{"token":"none"}"#),
    ("POST /api/v1/invitations/accept", Open::Either, r#"{"token":"none"}"#),
    ("POST /api/v1/tenants/{tenant}/signups", Open::UsersOrNobody, "{}"),
    ("GET /api/v1/tenants/{tenant}/signups", Open::Members(Permission::SignupsDecide), ""),
    (
        "POST /api/v1/tenants/{tenant}/signups/{signup}/approve",
        Open::Members(Permission::SignupsDecide),
        "{}",
    ),
    (
        "POST /api/v1/tenants/{tenant}/signups/{signup}/reject",
        Open::Members(Permission::SignupsDecide),
        r#"{"reason":"no"}"#,
    ),
    ("POST /api/v1/signups", Open::UsersOrNobody, r#"{"name":"Depot","slug":"depot"}"#),
    ("GET /api/v1/signups", Open::Admins, ""),
    ("POST /api/v1/signups/{signup}/approve", Open::Admins, "{}"),
    ("POST /api/v1/signups/{signup}/reject", Open::Admins, r#"{"reason":"no"}"#),
    ("GET /api/v1/me/signups", Open::Users, ""),
    ("GET /api/v1/operations", Open::Members(Permission::TenantRead), ""),
    ("GET /api/v1/operations/{operation}", Open::Members(Permission::TenantRead), ""),
    ("POST /api/v1/operations/{operation}/cancel", Open::AdminsInTenant, ""),
    ("GET /api/v1/operations/{operation}/events", Open::Members(Permission::TenantRead), ""),
    ("GET /api/v1/plans", Open::SignedIn, ""),
    ("GET /api/v1/releases", Open::Admins, ""),
    ("GET /api/v1/releases/{release}", Open::Admins, ""),
    ("GET /api/v1/audit", Open::Admins, ""),
    ("GET /api/v1/audit/export", Open::Admins, ""),
    ("GET /api/v1/audit/verification", Open::Admins, ""),
    ("GET /api/v1/tenants/{tenant}/audit", Open::Members(Permission::AuditRead), ""),
    ("GET /api/v1/tenants/{tenant}/audit/export", Open::Members(Permission::AuditRead), ""),
    ("GET /api/v1/mails", Open::Admins, ""),
    ("GET /api/v1/mails/{mail}", Open::Admins, ""),
    ("POST /api/v1/mails/{mail}/retry", Open::Admins, ""),
    ("GET /api/v1/status", Open::Admins, ""),
];

impl Route {
    fn entry(&self) -> Option<&'static (&'static str, Open, &'static str)> {
        let name = self.to_string();
        TABLE.iter().find(|(known, ..)| *known == name)
    }

    pub fn open(&self) -> Option<Open> {
        self.entry().map(|(_, open, _)| *open)
    }

    pub fn body(&self) -> Option<Value> {
        let (_, _, body) = self.entry()?;
        if body.is_empty() { None } else { Some(serde_json::from_str(body).expect("JSON")) }
    }

    /// What must be asked besides.
    pub fn query(&self) -> Option<&'static str> {
        (self.to_string() == "GET /api/v1/operations").then_some("tenant={tenant}")
    }

    /// Statuses that would be a refusal elsewhere and are an answer here.
    pub fn answers(&self, status: u16) -> bool {
        // wrong credentials
        let signing_in = ["/api/v1/admin/sessions", "/api/v1/auth/login", "/api/v1/auth/refresh"]
            .contains(&self.path.as_str());
        status == 401 && signing_in
    }
}
