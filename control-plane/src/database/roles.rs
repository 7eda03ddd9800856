//! The roles of a tenant's database, and what each may do.
//!
//! | role | may |
//! |---|---|
//! | `freehold_owner` | own the schemas and change them: migrations run as this one |
//! | `app` | read and write rows, nothing else; its connections are limited by the plan |
//! | `freehold_monitor` | read statistics |
//!
//! PostgreSQL keeps three connections for superusers; owner and monitor have limits of their own beside the app's,
//! so an app that takes all it may never locks the platform out.

use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use sqlx::{AssertSqlSafe, PgConnection};

use super::quote::{identifier, literal};
use super::{Access, DATABASE, Error, SUPERUSER, close};

/// The role that owns the schemas.
pub const OWNER: &str = "freehold_owner";
/// The role of the tenant's app.
pub const APP: &str = "app";
/// The role that looks at statistics.
pub const MONITOR: &str = "freehold_monitor";

/// The number of this preparation. It grows when what `prepare` does changes, so that every database gets it.
pub const PREPARATION: i32 = 1;

/// The table that remembers which migrations were applied. It is the owner's, so no app can touch it.
pub const HISTORY: &str = "freehold.schema_history";

/// A server that recovers from a crash may take a while until it takes sessions.
const CONNECT_LIMIT: Duration = Duration::from_secs(20);

/// The passwords of the three roles.
pub struct Passwords {
    pub owner: SecretString,
    pub app: SecretString,
    pub monitor: SecretString,
}

/// Makes roles, schemas and grants as they should be, whatever was there before. The app may write afterwards.
///
/// # Errors
/// When the server cannot be reached or refuses; nothing is then half done, and the call may be repeated.
pub async fn prepare(access: &Access<'_>, passwords: &Passwords, connections: u32) -> Result<(), Error> {
    let mut connection = into_database(access).await?;
    let result = run(&mut connection, &preparation(passwords, connections)).await;
    close(connection).await;
    result
}

/// Official images make the database that they are told to; others make none.
async fn into_database(access: &Access<'_>) -> Result<PgConnection, Error> {
    match access.connect(DATABASE, CONNECT_LIMIT).await {
        // invalid_catalog_name: there is no such database
        Err(Error::Refused(error))
            if error.as_database_error().and_then(|e| e.code()).as_deref() == Some("3D000") => {}
        connected => return connected,
    }
    let mut connection = access.connect(SUPERUSER, CONNECT_LIMIT).await?;
    let made = run(&mut connection, &format!("create database {}", identifier(DATABASE))).await;
    close(connection).await;
    made?;
    access.connect(DATABASE, CONNECT_LIMIT).await
}

/// Sends a script; several statements in one are one transaction.
async fn run(connection: &mut PgConnection, script: &str) -> Result<(), Error> {
    sqlx::raw_sql(AssertSqlSafe(script.to_owned())).execute(connection).await?;
    Ok(())
}

fn preparation(passwords: &Passwords, connections: u32) -> String {
    let database = identifier(DATABASE);
    let role = |name: &str, password: &SecretString, limit: u32| {
        format!(
            "do $do$ begin create role {name} login; exception when duplicate_object then null; end $do$;
             alter role {name} login nosuperuser nocreatedb nocreaterole noreplication nobypassrls
                 password {} connection limit {limit};\n",
            literal(password.expose_secret())
        )
    };
    let mut script = String::from(
        // a statement that fails is logged by the server with its text, and these hold passwords
        "begin; set local log_min_error_statement = panic; set local log_statement = none;
         set local lock_timeout = '10s';\n",
    );
    script += &role(OWNER, &passwords.owner, 4);
    script += &role(APP, &passwords.app, connections);
    script += &role(MONITOR, &passwords.monitor, 2);
    script += &format!(
        "grant pg_monitor to {MONITOR};
         revoke all on database {database}, postgres, template1 from public;
         grant connect on database {database} to {OWNER}, {APP}, {MONITOR};
         revoke all on schema public from public;
         alter schema public owner to {OWNER};
         create schema if not exists app authorization {OWNER};
         create schema if not exists freehold authorization {OWNER};
         grant usage on schema public, app, freehold to {APP};
         alter default privileges for role {OWNER} in schema freehold grant select on tables to {APP};\n"
    );
    for schema in ["public", "app"] {
        script += &format!(
            "alter default privileges for role {OWNER} in schema {schema}
                 grant select, insert, update, delete on tables to {APP};
             alter default privileges for role {OWNER} in schema {schema} grant usage, select on sequences to {APP};
             grant select, insert, update, delete on all tables in schema {schema} to {APP};
             grant usage, select on all sequences in schema {schema} to {APP};\n"
        );
    }
    for name in [OWNER, APP] {
        script += &format!("alter role {name} in database {database} set search_path = app, public;\n");
    }
    // the grants above let the app write again, so the setting says the same; whoever calls this knows
    script += &format!("alter role {APP} in database {database} reset default_transaction_read_only;\n");
    script + "commit;"
}

/// Lets the app write, or keeps it from it. Kept from it, it may still delete, in a transaction that it declares
/// `READ WRITE`: that is how a tenant gets back under its limit.
///
/// # Errors
/// When the server cannot be reached or refuses.
pub async fn set_read_only(access: &Access<'_>, read_only: bool) -> Result<(), Error> {
    let mut connection = access.connect(DATABASE, CONNECT_LIMIT).await?;
    let result = run(&mut connection, &read_only_script(read_only)).await;
    close(connection).await;
    result
}

fn read_only_script(read_only: bool) -> String {
    let (verb, preposition, state) =
        if read_only { ("revoke", "from", "on") } else { ("grant", "to", "off") };
    let mut script = String::from("begin; set local lock_timeout = '10s';\n");
    for schema in ["public", "app"] {
        script += &format!(
            "{verb} insert, update on all tables in schema {schema} {preposition} {APP};
             alter default privileges for role {OWNER} in schema {schema} {verb} insert, update on tables {preposition} {APP};\n"
        );
    }
    // sessions that are open keep their setting, so they are ended; the app's pool opens new ones
    script
        + &format!(
            "alter role {APP} in database {} set default_transaction_read_only = {state};
             commit;
             select pg_terminate_backend(pid) from pg_stat_activity where usename = {};",
            identifier(DATABASE),
            literal(APP)
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_cannot_add_a_statement() {
        let hostile = "x'; drop role app; --";
        let passwords = Passwords { owner: hostile.into(), app: "a".into(), monitor: "m".into() };
        let script = preparation(&passwords, 20);
        assert!(script.contains("password 'x''; drop role app; --' connection limit 4"), "{script}");
        assert!(script.contains("connection limit 20"));
    }
}
