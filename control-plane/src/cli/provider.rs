//! `freehold provider`: OpenID providers that people sign in by.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde_json::Value;

use super::client::{Call, Client, encode, read};
use super::{Error, Session, output, secret, table};
use crate::http::v1::types::Page;
use crate::http::v1::types::providers::{NewProvider, Provider, ProviderChange, ProviderCheck};
use crate::model::provider::ClaimMap;

/// Commands under `freehold provider`.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Add a provider
    #[command(
        after_help = "Examples:\n  freehold provider add auth0 --issuer https://example.eu.auth0.com/ --client-id abc \\\n    \
                      --secret-file secret.txt --claims '{\"tenants\": \"https://freehold.example/tenant_id\"}'\n  \
                      pass show entra | freehold provider add entra --tenant acme --issuer https://login.microsoftonline.com/ID/v2.0 \\\n    \
                      --client-id abc --secret-file - --claims '{\"default_role\": \"member\"}'"
    )]
    Add {
        /// What it is called, as slugs are
        name: String,
        #[command(flatten)]
        of: Of,
        /// As the provider says of itself, to the letter
        #[arg(long)]
        issuer: String,
        #[arg(long)]
        client_id: String,
        #[command(flatten)]
        more: More,
        /// Nobody signs in by it yet
        #[arg(long)]
        disabled: bool,
    },
    /// List providers
    List(Of),
    /// Show one; its secret is not told
    Show {
        /// The provider's name
        name: String,
        #[command(flatten)]
        of: Of,
    },
    /// Change a provider; what is not given stays
    #[command(visible_alias = "update")]
    Set {
        /// The provider's name
        name: String,
        #[command(flatten)]
        of: Of,
        /// As the provider says of itself, to the letter; only while it knows nobody
        #[arg(long)]
        issuer: Option<String>,
        /// Only while it knows nobody
        #[arg(long)]
        client_id: Option<String>,
        #[command(flatten)]
        more: More,
        /// It is a public client from now on
        #[arg(long, conflicts_with = "secret_file")]
        no_secret: bool,
        /// Its tokens are not taken by the API any more
        #[arg(long, conflicts_with = "bearer_audience")]
        no_bearer: bool,
        /// Addresses count no more that it does not say to be proven
        #[arg(long, conflicts_with = "trust_email")]
        no_trust_email: bool,
        /// People can sign in by it
        #[arg(long)]
        enable: bool,
        /// Nobody signs in by it any more, and who did is signed out
        #[arg(long, conflicts_with = "enable")]
        disable: bool,
    },
    /// Remove a provider; who came by it is signed out
    Remove {
        /// The provider's name
        name: String,
        #[command(flatten)]
        of: Of,
    },
    /// Ask a provider, now, for what it says of itself and for its keys
    Check {
        /// The provider's name
        name: String,
        #[command(flatten)]
        of: Of,
    },
}

/// Whose providers.
#[derive(Debug, Args)]
pub struct Of {
    /// A tenant's slug or id; the platform's own unless given
    #[arg(long)]
    tenant: Option<String>,
}

/// What is said of a provider when it is added, and later.
#[derive(Debug, Args)]
pub struct More {
    /// What people are shown
    #[arg(long)]
    title: Option<String>,
    /// A file with the client's secret, - for standard input
    #[arg(long, value_name = "FILE")]
    secret_file: Option<PathBuf>,
    /// What is asked for, separated by spaces [default: openid email profile]
    #[arg(long)]
    scopes: Option<String>,
    /// Which of its claims mean what, as JSON; docs/providers.md lists what there is
    #[arg(long, value_name = "JSON")]
    claims: Option<String>,
    /// Its tokens that are for this audience are taken by the API
    #[arg(long, value_name = "AUDIENCE")]
    bearer_audience: Option<String>,
    /// Addresses count as proven that it does not say so of
    #[arg(long)]
    trust_email: bool,
}

impl Of {
    fn path(&self) -> String {
        match &self.tenant {
            Some(tenant) => format!("tenants/{}/providers", encode(tenant)),
            None => "providers".to_owned(),
        }
    }

    fn one(&self, name: &str) -> String {
        format!("{}/{}", self.path(), encode(name))
    }
}

impl More {
    fn secret(&self) -> Result<Option<String>, Error> {
        self.secret_file.as_deref().map(secret::read).transpose()
    }

    fn claims(&self) -> Result<Option<ClaimMap>, Error> {
        let parse = |text: &String| {
            serde_json::from_str(text).map_err(|error| Error::usage(format!("--claims: {error}")))
        };
        self.claims.as_ref().map(parse).transpose()
    }
}

pub(super) async fn run(command: Command, session: &Session) -> Result<(), Error> {
    let client = Client::new(session)?;
    match command {
        Command::Add { name, of, issuer, client_id, more, disabled } => {
            let body = NewProvider {
                name,
                issuer,
                client_id,
                secret: more.secret()?,
                claims: more.claims()?.unwrap_or_default(),
                title: more.title,
                scopes: more.scopes,
                bearer_audience: more.bearer_audience,
                trust_email: more.trust_email,
                enabled: !disabled,
            };
            told(session, client.send(Call::post(of.path()).body(&body)?).await?)
        }
        Command::List(of) => list(session, client.send(Call::get(of.path())).await?),
        Command::Show { name, of } => told(session, client.send(Call::get(of.one(&name))).await?),
        Command::Set {
            name,
            of,
            issuer,
            client_id,
            more,
            no_secret,
            no_bearer,
            no_trust_email,
            enable,
            disable,
        } => {
            let body = ProviderChange {
                issuer,
                client_id,
                secret: if no_secret { Some(None) } else { more.secret()?.map(Some) },
                claims: more.claims()?,
                title: more.title,
                scopes: more.scopes,
                bearer_audience: if no_bearer { Some(None) } else { more.bearer_audience.map(Some) },
                trust_email: (more.trust_email || no_trust_email).then_some(more.trust_email),
                enabled: (enable || disable).then_some(enable),
            };
            told(session, client.send(Call::patch(of.one(&name)).body(&body)?).await?)
        }
        Command::Remove { name, of } => {
            client.send(Call::delete(of.one(&name))).await?;
            if session.global.json {
                return output::json(&Value::Null);
            }
            println!("the provider was removed");
            Ok(())
        }
        Command::Check { name, of } => {
            checked(session, client.send(Call::post(format!("{}/check", of.one(&name)))).await?)
        }
    }
}

/// A check that finds something wrong is a failure, for scripts.
fn checked(session: &Session, answer: Value) -> Result<(), Error> {
    let check: ProviderCheck = read(answer.clone())?;
    if let Some(problem) = check.problem {
        return Err(Error::failed(output::plain(&problem)));
    }
    if session.global.json {
        return output::json(&answer);
    }
    let way = check.authorization_endpoint.unwrap_or_default();
    println!("it answers: people are sent to {}, and its keys are {}", output::plain(&way), check.keys);
    println!("registered there it has to have, to the letter: {}", output::plain(&check.redirect_uri));
    Ok(())
}

fn told(session: &Session, answer: Value) -> Result<(), Error> {
    if session.global.json {
        return output::json(&answer);
    }
    let one: Provider = read(answer)?;
    let yes = |yes: bool| if yes { "yes" } else { "no" }.to_owned();
    let claims = serde_json::to_string(&one.claims).map_err(|error| Error::failed(error.to_string()))?;
    let lines = [
        ("id", one.id.to_string()),
        ("name", one.name),
        ("title", output::plain(&one.title)),
        ("issuer", output::plain(&one.issuer)),
        ("client id", output::plain(&one.client_id)),
        ("redirect uri", output::plain(&one.redirect_uri)),
        ("secret", if one.has_secret { "kept" } else { "none" }.to_owned()),
        ("scopes", output::plain(&one.scopes)),
        ("claims", output::plain(&claims)),
        ("bearer audience", one.bearer_audience.as_deref().map(output::plain).unwrap_or_default()),
        ("trusts email", yes(one.trust_email)),
        ("enabled", yes(one.enabled)),
    ];
    for (name, value) in lines {
        println!("{name:<16} {value}");
    }
    Ok(())
}

fn list(session: &Session, answer: Value) -> Result<(), Error> {
    let page: Page<Provider> = read(answer)?;
    if session.global.json {
        return output::json(&page.items);
    }
    let mut rows = table::new(&["NAME", "TITLE", "ISSUER", "CLIENT", "ENABLED"]);
    for one in page.items {
        rows.add_row([
            one.name,
            output::plain(&one.title),
            output::plain(&one.issuer),
            output::plain(&one.client_id),
            if one.enabled { "yes" } else { "no" }.to_owned(),
        ]);
    }
    table::print(&rows);
    Ok(())
}
