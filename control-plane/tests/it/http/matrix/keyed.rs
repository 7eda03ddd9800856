//! Keys of every kind, and what each may.

use control_plane::identity::api_keys::ApiKey;
use control_plane::identity::permissions::{Permission, allows, for_keys};
use control_plane::model::ids::{TenantId, UserId};
use control_plane::model::role::Role;
use secrecy::ExposeSecret;
use sqlx::PgConnection;

/// What kind of key. Those that are good were made by owners, unless said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keyed {
    /// The tenant's, for reading.
    Reads,
    /// The tenant's, with every scope that there is.
    All,
    /// The same, whose maker is a viewer by now.
    OfViewer,
    /// An owner's own, with every scope.
    Own,
    /// The tenant's, with this scope alone.
    Only(Permission),
    /// The tenant's, with every scope but this.
    AllBut(Permission),
    /// Another tenant's, with every scope.
    Away,
    Revoked,
    Expired,
    /// Whose place another took a while ago.
    Replaced,
    /// That nobody made.
    Forged,
}

impl Keyed {
    pub const ALL: [Self; 9] = [
        Self::Reads,
        Self::All,
        Self::OfViewer,
        Self::Own,
        Self::Away,
        Self::Revoked,
        Self::Expired,
        Self::Replaced,
        Self::Forged,
    ];

    pub fn is_refused(self) -> bool {
        matches!(self, Self::Revoked | Self::Expired | Self::Replaced | Self::Forged)
    }

    fn has(self, scope: Permission) -> bool {
        match self {
            Self::Reads => {
                [Permission::TenantRead, Permission::MembersRead, Permission::AuditRead].contains(&scope)
            }
            Self::Only(one) => scope == one,
            Self::AllBut(one) => scope != one,
            _ => true,
        }
    }

    /// What its maker is.
    pub fn role(self) -> Role {
        if self == Self::OfViewer { Role::Viewer } else { Role::Owner }
    }

    pub fn may(self, permission: Permission) -> bool {
        self.has(permission) && allows(self.role(), permission) && for_keys(permission)
    }
}

/// A key of this kind, put into the registry as it is; its secret.
pub async fn key(sql: &mut PgConnection, keyed: Keyed, maker: UserId, tenant: TenantId) -> String {
    let key = ApiKey::generate();
    let secret = key.text.expose_secret().to_owned();
    if keyed == Keyed::Forged {
        return secret;
    }
    let scopes = Permission::ALL.iter().filter(|scope| keyed.has(**scope));
    let scopes: Vec<&str> = scopes.map(|scope| scope.as_str()).collect();
    let own = keyed == Keyed::Own;
    let put = "insert into freehold.api_keys (id, prefix, kind, tenant_id, user_id, name, scopes, per_minute,
                   second_factor, hash, expires_at, replaced_by, revoked_at, revoked_because)
               values ($1, $2, $3, $4, $5, 'x', $6, 600, false, $7,
                       now() + case when $8 then interval '-1 minute' else interval '1 day' end,
                       case when $9 then $1 end, case when $10 then now() end, case when $10 then 'a test' end)";
    sqlx::query(put)
        .bind(uuid::Uuid::new_v4())
        .bind(key.prefix.as_str())
        .bind(if own { "user" } else { "tenant" })
        .bind((!own).then_some(tenant.0))
        .bind(maker.0)
        .bind(scopes)
        .bind(key.hash().as_slice())
        .bind(matches!(keyed, Keyed::Expired | Keyed::Replaced))
        .bind(keyed == Keyed::Replaced)
        .bind(keyed == Keyed::Revoked)
        .execute(sql)
        .await
        .expect("a key");
    secret
}
