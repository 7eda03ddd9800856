//! What the type of a setting does not say.

use std::ops::RangeInclusive;

use super::{Argon2Config, Config};

/// The first setting that cannot work: its key and why.
pub(super) fn check(config: &Config) -> Result<(), (String, String)> {
    plans(config)?;
    network(config)?;
    let worker = &config.worker;
    between("worker.concurrency", worker.concurrency.into(), 1..=256)?;
    between("worker.lease_seconds", worker.lease_seconds.into(), 5..=600)?;
    between("worker.sweep_seconds", worker.sweep_seconds.into(), 1..=3600)?;
    between("worker.retention_days", worker.retention_days.into(), 0..=3650)?;
    between("worker.storage_seconds", worker.storage_seconds.into(), 1..=86_400)?;
    let gateway = &config.gateway;
    between("gateway.hold_seconds", gateway.hold_seconds.into(), 1..=300)?;
    between("gateway.holds_per_address", gateway.holds_per_address.into(), 1..=100_000)?;
    between("gateway.holds_per_tenant", gateway.holds_per_tenant.into(), 1..=100_000)?;
    between("gateway.holds", gateway.holds.into(), 1..=100_000)?;
    between("gateway.wakes_per_minute", gateway.wakes_per_minute.into(), 1..=100_000)?;
    edge(config)?;
    people(config)?;
    api_keys(config)?;
    between("signing_keys.lead_seconds", config.signing_keys.lead_seconds.into(), 1..=86_400)?;
    between("token_minutes", config.token_minutes.into(), 1..=525_600)?;
    domains(config)?;
    let email = &config.admin.email;
    let parts = email.split_once('@');
    if parts.is_none_or(|(user, host)| user.is_empty() || host.is_empty())
        || email.chars().any(|c| c.is_whitespace() || c.is_control())
    {
        return wrong("admin.email", format!("{email:?} is not an e-mail address"));
    }
    config.mail.check()?;
    config.providers.check(config.network.pool)?;
    limits(config)?;
    let base = &config.images.base;
    if base.is_empty() || base.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return wrong("images.base", "an image's name without spaces is expected".to_owned());
    }
    if let Err(error) = config.log.filter.parse::<tracing_subscriber::EnvFilter>() {
        return wrong("log.filter", error.to_string());
    }
    Ok(())
}

fn wrong(key: &str, message: String) -> Result<(), (String, String)> {
    Err((key.to_owned(), message))
}

fn between(key: &str, value: u64, range: RangeInclusive<u64>) -> Result<(), (String, String)> {
    if range.contains(&value) {
        return Ok(());
    }
    wrong(key, format!("{value} is not between {} and {}", range.start(), range.end()))
}

fn edge(config: &Config) -> Result<(), (String, String)> {
    let edge = &config.edge;
    between("edge.port", edge.port.into(), 1..=65_535)?;
    between("edge.body_mib", edge.body_mib.into(), 1..=65_536)?;
    between("edge.connections_per_host", edge.connections_per_host.into(), 1..=65_536)?;
    between("edge.requests_per_second", edge.requests_per_second.into(), 1..=1_000_000)?;
    // Whom the gateway holds hears nothing meanwhile.
    let held = u64::from(config.gateway.hold_seconds);
    between("edge.silence_seconds", edge.silence_seconds.into(), held + 5..=86_400)
}

fn people(config: &Config) -> Result<(), (String, String)> {
    let people = &config.people;
    between("people.argon2.memory_kib", people.argon2.memory_kib.into(), 1..=1_048_576)?;
    between("people.argon2.iterations", people.argon2.iterations.into(), 1..=100)?;
    between("people.argon2.parallelism", people.argon2.parallelism.into(), 1..=16)?;
    if !people.argon2.is_enough() {
        let least = Argon2Config::LEAST.map(|(memory, passes)| format!("{memory} with {passes}"));
        return wrong(
            "people.argon2",
            format!(
                "{} KiB with {} iterations is less than OWASP recommends, which is one of: {}",
                people.argon2.memory_kib,
                people.argon2.iterations,
                least.join(", ")
            ),
        );
    }
    between("people.password_strength", people.password_strength.into(), 0..=4)?;
    between("people.access_minutes", people.access_minutes.into(), 1..=60)?;
    between("people.session_days", people.session_days.into(), 1..=90)?;
    between("people.remembered_days", people.remembered_days.into(), people.session_days.into()..=90)?;
    between("people.provider_session_hours", people.provider_session_hours.into(), 1..=90 * 24)?;
    between("people.tenants_max", people.tenants_max.into(), 0..=1_000_000)?;
    between("people.tenants_per_person", people.tenants_per_person.into(), 0..=1_000_000)
}

fn api_keys(config: &Config) -> Result<(), (String, String)> {
    let keys = &config.api_keys;
    between("api_keys.max_days", keys.max_days.into(), 1..=3650)?;
    between("api_keys.default_days", keys.default_days.into(), 1..=keys.max_days.into())?;
    between("api_keys.overlap_hours", keys.overlap_hours.into(), 0..=168)?;
    between("api_keys.per_user", keys.per_user.into(), 0..=10_000)?;
    between("api_keys.per_tenant", keys.per_tenant.into(), 0..=10_000)?;
    between("api_keys.per_minute", keys.per_minute.into(), 1..=1_000_000)
}

fn limits(config: &Config) -> Result<(), (String, String)> {
    let limits = &config.limits;
    for (key, value) in [
        ("sign_in_per_minute", limits.sign_in_per_minute),
        ("address_per_minute", limits.address_per_minute),
        ("user_per_minute", limits.user_per_minute),
        ("tenant_per_minute", limits.tenant_per_minute),
        ("client_per_minute", limits.client_per_minute),
    ] {
        between(&format!("limits.{key}"), value.into(), 1..=100_000_000)?;
    }
    Ok(())
}

fn plans(config: &Config) -> Result<(), (String, String)> {
    for (name, plan) in &config.plans {
        let key = |field: &str| format!("plans.{name}.{field}");
        between(&key("memory_mib"), plan.memory_mib.into(), 64..=4_194_304)?;
        between(&key("cpu_millis"), plan.cpu_millis.into(), 50..=1_024_000)?;
        between(&key("pids"), plan.pids.into(), 32..=1_000_000)?;
        between(&key("connections"), plan.connections.into(), 1..=100)?;
        between(&key("storage_mib"), plan.storage_mib.into(), 32..=1_073_741_824)?;
        between(&key("members"), plan.members.unwrap_or(1).into(), 1..=1_000_000)?;
    }
    if !config.plans.contains_key(&config.default_plan) {
        let names: Vec<&str> = config.plans.keys().map(|name| name.as_str()).collect();
        let names = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
        return wrong(
            "default_plan",
            format!("there is no plan {}; there are: {names}", config.default_plan),
        );
    }
    Ok(())
}

fn network(config: &Config) -> Result<(), (String, String)> {
    let pool = config.network.pool;
    if !(8..=24).contains(&pool.prefix_len()) {
        return wrong("network.pool", format!("{pool} is not between a /8 and a /24"));
    }
    if pool.trunc() != pool {
        return wrong("network.pool", format!("{pool} does not begin at a block; {} does", pool.trunc()));
    }
    if !pool.network().is_private() || !pool.broadcast().is_private() {
        return wrong(
            "network.pool",
            format!("{pool} is not private: choose within 10.0.0.0/8, 172.16.0.0/12 or 192.168.0.0/16"),
        );
    }
    Ok(())
}

fn domains(config: &Config) -> Result<(), (String, String)> {
    // The longest slug and its dot must still fit into a DNS name.
    for (key, domain) in [("domain", &config.domain), ("tenants_domain", config.tenants_domain())] {
        if domain.as_str().len() > 253 - 64 {
            return wrong(key, "longer than 189 characters: no room is left for tenants' names".to_owned());
        }
        if domain.as_str().parse::<std::net::Ipv4Addr>().is_ok() {
            return wrong(
                key,
                format!("{domain} is an address; a name is expected, since tenants are names under it"),
            );
        }
    }
    Ok(())
}
