//! What expressions in a stack file can name.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::model::hostname::HostName;
use crate::model::ids::TenantId;
use crate::model::plan::{Limits, PlanName};
use crate::model::slug::Slug;

/// Everything an expression can name. All of it is data: text in it is never read as YAML or Tera.
#[derive(Debug, Clone, Serialize)]
pub struct StackContext {
    pub tenant: TenantContext,
    /// The name of the tenant's plan.
    pub plan: PlanName,
    /// What the plan gives each container.
    pub limits: Limits,
    /// The tenant's host names, the first of them its main one.
    pub hosts: Vec<HostName>,
    /// The tenant's public address, without a slash at its end.
    pub url: String,
    /// The platform's apex.
    pub domain: HostName,
    /// The release's images: `postgres`, `app` and what else it brings.
    pub images: BTreeMap<String, String>,
    /// Where containers reach the platform: the back door, under `platform.internal`.
    pub platform_url: String,
    /// Where containers read the platform's public keys.
    pub jwks_url: String,
    /// Where containers read how to sign people in.
    pub discovery_url: String,
    /// The issuer that tokens of the platform name.
    pub issuer: String,
}

/// The tenant's part of the context.
#[derive(Debug, Clone, Serialize)]
pub struct TenantContext {
    pub id: TenantId,
    pub slug: Slug,
    /// The display name: any text.
    pub name: String,
    /// The tenant's own settings: any JSON object.
    pub settings: serde_json::Value,
}

impl StackContext {
    /// A tenant who has chosen nothing, to try a stack file with.
    #[must_use]
    #[allow(clippy::expect_used, reason = "constants, proven by the tests of this room")]
    pub fn sample() -> Self {
        let slug: Slug = "sample".parse().expect("a slug");
        let domain: HostName = "freehold.localhost".parse().expect("a host name");
        let image = |name: &str| (name.to_owned(), format!("freehold/{name}:sample"));
        Self {
            tenant: TenantContext {
                id: TenantId(uuid::Uuid::nil()),
                slug: slug.clone(),
                name: "Sample".to_owned(),
                settings: serde_json::json!({}),
            },
            plan: "starter".parse().expect("a plan's name"),
            limits: Limits { memory_mib: 256, cpu_millis: 500, pids: 128 },
            hosts: vec![HostName::of_tenant(&slug, &domain).expect("a host name")],
            url: "http://sample.freehold.localhost:8080".to_owned(),
            domain,
            images: [image("postgres"), image("app")].into(),
            platform_url: "http://platform.internal:8080".to_owned(),
            jwks_url: "http://platform.internal:8080/.well-known/jwks.json".to_owned(),
            discovery_url: "http://platform.internal:8080/.well-known/openid-configuration".to_owned(),
            issuer: "http://freehold.localhost:8080".to_owned(),
        }
    }
}
