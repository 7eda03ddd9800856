//! Callers who come by a provider outside.

use control_plane::model::ids::{ProviderId, TenantId, UserId};
use control_plane::model::role::Role;
use serde_json::json;
use sqlx::PgConnection;

use crate::http::World;
use crate::http::foreign_tokens::{FOR_THE_PLATFORM, for_tenant, knows, on_loopback, provider, token};
use crate::outside::nasty::{Key, Nasty};
use crate::outside::tls::vouched_for;

/// For whom tokens of a provider are that is disabled.
const DISABLED: &str = "https://freehold.example/disabled";

/// What kind of provider, and of a token of it. Each is for an owner of the tenant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Foreign {
    /// The platform's.
    Platforms,
    /// The tenant's own.
    Homes,
    /// Another tenant's, who belong there, too.
    Aways,
    /// A disabled one's.
    Disabled,
    /// Signed by somebody else.
    Forged,
    /// For another audience.
    Elsewhere,
}

impl Foreign {
    pub(super) const ALL: [Self; 6] =
        [Self::Platforms, Self::Homes, Self::Aways, Self::Disabled, Self::Forged, Self::Elsewhere];

    pub(super) fn is_refused(self) -> bool {
        matches!(self, Self::Disabled | Self::Forged | Self::Elsewhere)
    }
}

/// Providers outside, all of them one by its address.
pub(super) struct Providers {
    nasty: Nasty,
    key: Key,
    platforms: ProviderId,
    disabled: ProviderId,
}

impl Providers {
    /// A world with them.
    pub(super) async fn world() -> (World, Self) {
        let key = Key::ed25519("one");
        let (nasty, authority) = vouched_for(&[&key]).await;
        let world = World::start_with(|settings| on_loopback(settings, &authority)).await;
        let platforms = provider(&world, &nasty, None, |_| {}).await;
        let disabled = provider(&world, &nasty, None, |record| {
            record.enabled = false;
            record.bearer_audience = Some(DISABLED.to_owned());
        })
        .await;
        (world, Self { nasty, key, platforms, disabled })
    }

    /// A token of this kind for an owner of the first of two tenants, who is a member of the other.
    pub(super) async fn token(
        &self,
        world: &World,
        sql: &mut PgConnection,
        foreign: Foreign,
        (home, away): (TenantId, TenantId),
    ) -> String {
        let (user, subject) = (UserId::random(), UserId::random().to_string());
        sqlx::query(
            "insert into freehold.users (id, email, name, verified_at) values ($1, $2, 'Somebody', now())",
        )
        .bind(user.0)
        .bind(format!("{user}@example.com"))
        .execute(&mut *sql)
        .await
        .expect("a user");
        for (tenant, role) in [(home, Role::Owner), (away, Role::Member)] {
            sqlx::query("insert into freehold.memberships (tenant_id, user_id, role) values ($1, $2, $3)")
                .bind(tenant.0)
                .bind(user.0)
                .bind(role.as_str())
                .execute(&mut *sql)
                .await
                .expect("a member");
        }
        let (by, audience) = match foreign {
            Foreign::Homes => (provider(world, &self.nasty, Some(home), |_| {}).await, for_tenant(home)),
            Foreign::Aways => (provider(world, &self.nasty, Some(away), |_| {}).await, for_tenant(away)),
            Foreign::Disabled => (self.disabled, DISABLED.to_owned()),
            Foreign::Elsewhere => (self.platforms, "https://elsewhere.example".to_owned()),
            Foreign::Platforms | Foreign::Forged => (self.platforms, FOR_THE_PLATFORM.to_owned()),
        };
        knows(world, by, &subject, user).await;
        let forger = Key::ed25519(&self.key.id);
        let key = if foreign == Foreign::Forged { &forger } else { &self.key };
        token(key, &self.nasty, &audience, &subject, &json!({}))
    }
}
