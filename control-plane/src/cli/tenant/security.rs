//! `freehold tenant security` and `set-security`: what a tenant asks of people.

use clap::Args;
use serde_json::Value;
use uuid::Uuid;

use super::path;
use crate::cli::client::{Call, Client, read};
use crate::cli::{Error, Session, output};
use crate::http::v1::types::Page;
use crate::http::v1::types::people::{Security, SecurityChange};
use crate::http::v1::types::providers::Provider;
use crate::model::signup::SignupMode;

/// Options of `freehold tenant set-security`.
#[derive(Debug, Args)]
#[command(after_help = "\
What is not given stays. Who is no platform admin requires of others only what they did themselves when they signed in.

Examples:
  freehold tenant set-security acme --provider entra
  freehold tenant set-security acme --no-provider --second-factor --signups manual")]
pub struct Arguments {
    /// Its slug or id
    tenant: String,
    /// The provider by which people must sign in: the name of one of the tenant's, or else of the platform's
    #[arg(long, value_name = "NAME")]
    provider: Option<String>,
    /// People sign in as they like
    #[arg(long, conflicts_with = "provider")]
    no_provider: bool,
    /// Nobody is let in without a second factor
    #[arg(long)]
    second_factor: bool,
    /// People are let in without one, too
    #[arg(long, conflicts_with = "second_factor")]
    no_second_factor: bool,
    /// How people join who were not invited
    #[arg(long)]
    signups: Option<SignupMode>,
}

impl From<Arguments> for SecurityChange {
    fn from(given: Arguments) -> Self {
        Self {
            require_second_factor: (given.second_factor || given.no_second_factor)
                .then_some(given.second_factor),
            required_provider: if given.no_provider { Some(None) } else { given.provider.map(Some) },
            signups: given.signups,
        }
    }
}

pub(super) async fn get(tenant: &str, client: &Client<'_>, session: &Session) -> Result<(), Error> {
    let answer = client.send(Call::get(place(tenant))).await?;
    show(tenant, client, session, answer).await
}

pub(super) async fn set(given: Arguments, client: &Client<'_>, session: &Session) -> Result<(), Error> {
    let tenant = given.tenant.clone();
    let change = SecurityChange::from(given);
    if change == SecurityChange::default() {
        return Err(Error::usage(
            "nothing to change: give --provider or --no-provider, --second-factor or --no-second-factor, or --signups",
        ));
    }
    let answer = client.send(Call::patch(place(&tenant)).body(&change)?).await?;
    show(&tenant, client, session, answer).await
}

fn place(tenant: &str) -> String {
    format!("{}/security", path(tenant))
}

async fn show(tenant: &str, client: &Client<'_>, session: &Session, answer: Value) -> Result<(), Error> {
    if session.global.json {
        return output::json(&answer);
    }
    let rules: Security = read(answer)?;
    let provider = match rules.required_provider {
        Some(id) => format!("{}, required", name(tenant, client, id).await),
        None => "as people like".to_owned(),
    };
    let second_factor = if rules.require_second_factor { "required" } else { "as people like" };
    output::details(&[
        ("provider", Some(provider)),
        ("second factor", Some(second_factor.to_owned())),
        ("signups", Some(rules.signups.to_string())),
    ]);
    Ok(())
}

/// What a provider is called, if whoever asks may know; else its id.
async fn name(tenant: &str, client: &Client<'_>, id: Uuid) -> String {
    for providers in [format!("{}/providers", path(tenant)), "providers".to_owned()] {
        // The platform's are listed to its admins alone.
        let page = client.fetch::<Page<Provider>>(Call::get(providers)).await;
        if let Some(one) = page.ok().and_then(|page| page.items.into_iter().find(|one| one.id == id)) {
            return one.name;
        }
    }
    id.to_string()
}
