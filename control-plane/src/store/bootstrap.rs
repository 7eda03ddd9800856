//! What must be there before the first migration: roles, their passwords, the database and its schema.

use std::path::Path;

use secrecy::{ExposeSecret, SecretString};
use sqlx::{ConnectOptions, PgConnection};

use super::Result;

/// The passwords of all roles of the registry.
#[derive(Debug, Clone)]
pub struct Passwords {
    pub owner: SecretString,
    pub api: SecretString,
    pub gateway: SecretString,
    pub worker: SecretString,
}

/// Opens one session over the server's socket, for what is done before there is a registry to connect to.
///
/// # Errors
/// When the server cannot be reached or refuses the role.
pub async fn connect(
    socket_dir: &Path,
    database: &str,
    role: &str,
    password: &SecretString,
) -> Result<PgConnection> {
    Ok(super::connect_options(socket_dir, database, role, password).connect().await?)
}

/// Serialises bring-ups that run at the same time.
const LOCK: i64 = 0x6672_6565_626f_6f74;

/// Makes the roles and the database as they must be; what is so already stays. `admin` is a session of the
/// server's superuser in any database but the registry's own.
///
/// # Errors
/// When the server cannot be reached or the session is not a superuser's.
pub async fn prepare(admin: &mut PgConnection, passwords: &Passwords) -> Result<()> {
    sqlx::query("select pg_advisory_lock($1)").bind(LOCK).execute(&mut *admin).await?;
    let done = prepare_locked(admin, passwords).await;
    sqlx::query("select pg_advisory_unlock($1)").bind(LOCK).execute(&mut *admin).await?;
    done
}

async fn prepare_locked(admin: &mut PgConnection, passwords: &Passwords) -> Result<()> {
    for (role, password) in [
        ("freehold_owner", &passwords.owner),
        ("freehold_api", &passwords.api),
        ("freehold_gateway", &passwords.gateway),
        ("freehold_worker", &passwords.worker),
    ] {
        role_with_password(admin, role, password).await?;
    }
    sqlx::raw_sql(PLATFORM).execute(&mut *admin).await?;
    let there: bool =
        sqlx::query_scalar("select exists (select from pg_database where datname = 'freehold')")
            .fetch_one(&mut *admin)
            .await?;
    if !there {
        sqlx::raw_sql("create database freehold owner freehold_owner").execute(&mut *admin).await?;
    }
    sqlx::raw_sql(
        "revoke all on database freehold from public;
         grant connect on database freehold to freehold_api, freehold_gateway, freehold_worker",
    )
    .execute(&mut *admin)
    .await?;
    Ok(())
}

/// What the api becomes where its caller may see every tenant. Nobody logs in as it.
const PLATFORM: &str = "do $$
    begin
        if not exists (select from pg_roles where rolname = 'freehold_platform') then
            create role freehold_platform nologin nosuperuser nocreatedb nocreaterole;
        end if;
    end;
    $$;
    grant freehold_platform to freehold_api with inherit false, set true";

/// A role's password cannot be a statement's parameter, so it is handed over as a setting and quoted by the
/// server itself.
async fn role_with_password(admin: &mut PgConnection, role: &str, password: &SecretString) -> Result<()> {
    sqlx::query("select set_config('freehold.role', $1, false), set_config('freehold.password', $2, false)")
        .bind(role)
        .bind(password.expose_secret())
        .execute(&mut *admin)
        .await?;
    sqlx::raw_sql(
        "do $$
         declare
             role text := current_setting('freehold.role');
         begin
             if not exists (select from pg_roles where rolname = role) then
                 execute format('create role %I login nosuperuser nocreatedb nocreaterole', role);
             end if;
             execute format('alter role %I login password %L', role, current_setting('freehold.password'));
             perform set_config('freehold.password', '', false);
         end;
         $$",
    )
    .execute(&mut *admin)
    .await?;
    Ok(())
}

/// Makes the schema that the history of migrations and all tables stand in. `owner` is a session of the owner in
/// the registry's database.
///
/// # Errors
/// When the server cannot be reached or the session is not the owner's.
pub async fn schema(owner: &mut PgConnection) -> Result<()> {
    sqlx::raw_sql("create schema if not exists freehold").execute(owner).await?;
    Ok(())
}
