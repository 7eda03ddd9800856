//! What the use cases need of the configuration.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::TimeDelta;
use ipnet::Ipv4Net;

use crate::config::{ApiKeysConfig, Config, PeopleConfig};
use crate::identity::outside::OutsideSettings;
use crate::model::hostname::HostName;
use crate::model::plan::{Plan, PlanName};

/// How long an ID token is good, in seconds: it is looked at once, when it arrives.
pub(super) const ID_SECONDS: i64 = 300;
/// By how much clocks of those who check tokens may differ from ours.
const CLOCKS: TimeDelta = TimeDelta::minutes(1);

/// The part of the configuration that rules what callers may ask for.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The apex: landing page and API.
    pub domain: HostName,
    /// Tenants are `<slug>.<this>`.
    pub tenants_domain: HostName,
    /// The port that people reach the edge at.
    pub port: u16,
    pub plans: BTreeMap<PlanName, Plan>,
    pub default_plan: PlanName,
    /// Where tenants' subnets are cut from.
    pub pool: Ipv4Net,
    /// How long a deleted tenant can be restored.
    pub retention: Duration,
    /// How people sign in.
    pub people: PeopleConfig,
    /// Whether platform admins may do nothing without a second factor but set one up.
    pub admins_need_second_factor: bool,
    /// How long keys are good, and how many there may be.
    pub api_keys: ApiKeysConfig,
    /// How OpenID providers outside are talked to.
    pub providers: OutsideSettings,
    /// How long a platform admin's token is valid.
    pub token_minutes: u32,
    /// How long new keys are published before they sign.
    pub signing_lead: TimeDelta,
}

impl From<&Config> for Settings {
    fn from(config: &Config) -> Self {
        Self {
            domain: config.domain.clone(),
            tenants_domain: config.tenants_domain().clone(),
            port: config.edge.port,
            plans: config.plans.clone(),
            default_plan: config.default_plan.clone(),
            pool: config.network.pool,
            retention: Duration::from_secs(u64::from(config.worker.retention_days) * 86_400),
            people: config.people.clone(),
            admins_need_second_factor: config.admin.require_second_factor,
            api_keys: config.api_keys.clone(),
            providers: OutsideSettings::from(&config.providers),
            token_minutes: config.token_minutes,
            signing_lead: TimeDelta::seconds(config.signing_keys.lead_seconds.into()),
        }
    }
}

impl Settings {
    /// How long a token may be good for that is signed now, with what clocks may differ by.
    #[must_use]
    pub fn longest_token(&self) -> TimeDelta {
        let minutes = self.token_minutes.max(self.people.access_minutes);
        TimeDelta::minutes(minutes.into()).max(TimeDelta::seconds(ID_SECONDS)) + CLOCKS
    }

    /// The host name of the console.
    #[must_use]
    pub fn admin_host(&self) -> String {
        format!("admin.{}", self.domain)
    }

    /// The public address of a host name: scheme, name, and the port unless it is the scheme's own.
    #[must_use]
    pub fn url_of(&self, host: &str) -> String {
        match self.port {
            80 => format!("http://{host}"),
            port => format!("http://{host}:{port}"),
        }
    }
}
