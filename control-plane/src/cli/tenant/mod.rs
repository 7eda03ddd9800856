//! `freehold tenant`: everything that is asked of tenants, by way of the API.

mod create;
mod delete;
mod list;
mod security;
mod settings;
mod update;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::client::{Call, Client, encode, read};
use super::follow::{self, Wait};
use super::{Error, Session, output};
use crate::http::v1::types::{Tenant, TenantChange, TenantChanged};
use crate::model::tenant::Status;

/// Commands under `freehold tenant`.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Give a new tenant its house
    Create(create::Arguments),
    /// List tenants
    List(list::Arguments),
    /// Show one tenant
    Show {
        /// Its slug or id
        tenant: String,
    },
    /// Serve a tenant no longer; its data stays
    Suspend(Move),
    /// Serve a suspended tenant again
    Resume(Move),
    /// Stop a tenant's containers until its first request
    Sleep(Move),
    /// Start a sleeping tenant
    Wake(Move),
    /// Change a tenant's plan
    #[command(after_help = "Examples:\n  freehold tenant set-plan acme team")]
    SetPlan {
        /// Its slug or id
        tenant: String,
        /// The plan; `freehold plan list` shows them
        plan: String,
        #[command(flatten)]
        wait: Wait,
    },
    /// Bring a tenant to a release
    #[command(after_help = "Examples:\n  freehold tenant set-release acme 20261121-1")]
    SetRelease {
        /// Its slug or id
        tenant: String,
        /// The release's version; `freehold release list` shows them
        release: String,
        #[command(flatten)]
        wait: Wait,
    },
    /// Change a tenant's name and settings
    Update(update::Arguments),
    /// Show what a tenant asks of those who sign in or want to join
    Security {
        /// Its slug or id
        tenant: String,
    },
    /// Change what a tenant asks of those who sign in or want to join
    SetSecurity(security::Arguments),
    /// Try again what a person has put right; for a tenant that is stuck
    Retry(Move),
    /// Take a deletion back, before the retention has passed
    Restore(Move),
    /// Delete a tenant; its data is kept for the retention time
    Delete(delete::Arguments),
}

/// Options of the commands that only move a tenant.
#[derive(Debug, Args)]
pub struct Move {
    /// Its slug or id
    tenant: String,
    #[command(flatten)]
    wait: Wait,
}

pub(super) async fn run(command: Command, session: &Session) -> Result<(), Error> {
    let client = Client::new(session)?;
    match command {
        Command::Create(arguments) => create::run(arguments, &client, session).await,
        Command::List(arguments) => list::run(&arguments, &client, session).await,
        Command::Show { tenant } => {
            let answer = client.send(Call::get(path(&tenant))).await?;
            show(session, answer)
        }
        Command::Suspend(one) => go(&client, session, &one, "suspend").await,
        Command::Resume(one) => go(&client, session, &one, "resume").await,
        Command::Sleep(one) => go(&client, session, &one, "sleep").await,
        Command::Wake(one) => go(&client, session, &one, "wake").await,
        Command::Retry(one) => go(&client, session, &one, "retry").await,
        Command::Restore(one) => go(&client, session, &one, "restore").await,
        Command::SetPlan { tenant, plan, wait } => {
            let change = TenantChange { plan: Some(plan), ..TenantChange::default() };
            let answer = client.send(Call::patch(path(&tenant)).body(&change)?).await?;
            finish(&client, session, answer, wait).await
        }
        Command::SetRelease { tenant, release, wait } => {
            let change = TenantChange { release: Some(release), ..TenantChange::default() };
            let answer = client.send(Call::patch(path(&tenant)).body(&change)?).await?;
            finish(&client, session, answer, wait).await
        }
        Command::Update(arguments) => update::run(&arguments, &client, session).await,
        Command::Security { tenant } => security::get(&tenant, &client, session).await,
        Command::SetSecurity(arguments) => security::set(arguments, &client, session).await,
        Command::Delete(arguments) => delete::run(&arguments, &client, session).await,
    }
}

fn path(tenant: &str) -> String {
    format!("tenants/{}", encode(tenant))
}

async fn go(client: &Client<'_>, session: &Session, one: &Move, verb: &str) -> Result<(), Error> {
    let answer = client.send(Call::post(format!("{}/{verb}", path(&one.tenant)))).await?;
    finish(client, session, answer, one.wait).await
}

/// Waits for what was asked for, unless told not to, and says how it came out.
async fn finish(client: &Client<'_>, session: &Session, answer: Value, wait: Wait) -> Result<(), Error> {
    let changed: TenantChanged = read(answer.clone())?;
    let Some(operation) = changed.operation.filter(|_| !wait.no_wait) else {
        if session.global.json {
            return output::json(&answer);
        }
        match answer["operation"]["id"].as_str() {
            Some(id) => println!("{}: on its way as operation {id}", changed.tenant.slug),
            None => println!("{}: it was so already", changed.tenant.slug),
        }
        return Ok(());
    };
    let over = follow::follow(client, session, operation).await?;
    let verdict = follow::verdict(&over);
    // An erased tenant is not there any more, and that is what was asked for.
    let tenant = match client.send(Call::get(path(&changed.tenant.id.to_string()))).await {
        Ok(tenant) => Some(tenant),
        Err(error) if error.exit == super::Exit::NotFound => None,
        Err(error) => return Err(error),
    };
    if session.global.json {
        output::json(&json!({"tenant": tenant, "operation": over}))?;
    } else if verdict.is_ok() {
        match tenant {
            Some(tenant) => println!("{}", sentence(&read(tenant)?)),
            None => println!("{} is gone", changed.tenant.slug),
        }
    }
    verdict
}

fn sentence(tenant: &Tenant) -> String {
    match (tenant.status, tenant.purge_at) {
        (Status::Running, _) => format!("{} is running at {}", tenant.slug, tenant.url),
        (Status::Deleted, Some(end)) => {
            format!("{} is deleted; it can be restored until {}", tenant.slug, output::time(end))
        }
        (status, _) => format!("{} is {status}", tenant.slug),
    }
}

fn show(session: &Session, answer: Value) -> Result<(), Error> {
    if session.global.json {
        return output::json(&answer);
    }
    let tenant: Tenant = read(answer)?;
    let storage = storage(tenant.storage_bytes, tenant.read_only);
    let settings = (!tenant.settings.is_empty()).then(|| Value::Object(tenant.settings).to_string());
    output::details(&[
        ("slug", Some(tenant.slug)),
        ("name", Some(tenant.name)),
        ("status", Some(tenant.status.to_string())),
        ("stuck because", tenant.stuck_reason),
        ("wanted", Some(tenant.desired_state.to_string())),
        ("address", Some(tenant.url)),
        ("names", Some(tenant.hosts.join(", "))),
        ("plan", Some(tenant.plan)),
        ("release", Some(tenant.release)),
        ("storage", storage),
        ("settings", settings),
        ("data kept until", tenant.purge_at.map(output::time)),
        ("created", Some(format!("{} by {}", output::time(tenant.created_at), tenant.created_by))),
        ("changed", Some(output::time(tenant.updated_at))),
        ("id", Some(tenant.id.to_string())),
    ]);
    Ok(())
}

/// The size of a database, and what it means for the app.
fn storage(bytes: Option<i64>, read_only: bool) -> Option<String> {
    let mebibytes = u32::try_from(bytes? >> 10).map(|kibibytes| f64::from(kibibytes) / 1024.0);
    let size = mebibytes.map_or_else(|_| "more than 4 TiB".to_owned(), |size| format!("{size:.1} MiB"));
    Some(if read_only { format!("{size}: used up, the app may only read") } else { size })
}
