//! The app's role: it reads and writes rows of its own tenant's database, and that is all.

use super::House;
use crate::houses::objects::docker;

/// PostgreSQL's own words for "you may not" and for success; a mistake in a statement has another.
const MAY_NOT: &str = "42501";
const DONE: &str = "00000";

pub fn check(acme: &House, globex: &House) {
    let url = docker(&["exec", &acme.app, "cat", "/run/secrets/DATABASE_URL"]).replace("@db:", "@127.0.0.1:");
    let allowed = [
        "select count(*) from app.vehicles",
        "update app.vehicles set name = name",
        "delete from app.vehicles where false",
        "select count(*) from freehold.schema_history",
    ];
    assert_eq!(outcomes(&acme.db, &url, &allowed), allowed.map(|statement| (statement, DONE.to_owned())));
    let refused = [
        // to change what the tables are
        "create table app.mine ()",
        "create table public.mine ()",
        "create temporary table mine ()",
        "create view app.mine as select 1",
        "create schema mine",
        "create function app.mine() returns int language sql as 'select 1'",
        "create trigger mine before insert on app.vehicles for each row execute function tsvector_update_trigger()",
        "create index on app.vehicles (name)",
        "drop table app.vehicles",
        "truncate app.vehicles",
        "alter table app.vehicles add column mine int",
        "alter table app.vehicles owner to app",
        "update freehold.schema_history set version = 0",
        // to be somebody else, or more
        "set role freehold_owner",
        "set role postgres",
        "set session authorization freehold_owner",
        "grant freehold_owner to app",
        "grant pg_read_all_data to app",
        "alter role app superuser",
        "alter role app connection limit -1",
        "alter role postgres password 'mine'",
        "create role mine",
        "select rolpassword from pg_authid",
        "select * from pg_user_mapping",
        // to have another database, or change this one
        "create database mine",
        "drop database postgres",
        "alter database app connection limit 0",
        "alter system set listen_addresses = ''",
        "create extension dblink",
        "create extension postgres_fdw",
        "create publication mine for table app.vehicles",
        "create subscription mine connection 'host=db' publication mine",
        "checkpoint",
        "select pg_reload_conf()",
        "select pg_switch_wal()",
        // to get out of the database
        "copy app.vehicles to '/tmp/x'",
        "copy app.vehicles from '/etc/passwd'",
        "copy app.vehicles from program 'id'",
        "select pg_read_file('/etc/passwd')",
        "select pg_ls_dir('/')",
        "select lo_import('/etc/passwd')",
        "load '/tmp/x.so'",
    ];
    assert_eq!(outcomes(&acme.db, &url, &refused), refused.map(|statement| (statement, MAY_NOT.to_owned())));
    for other in ["postgres", "template1"] {
        let (server, _) = url.rsplit_once('/').expect("a database");
        let error = psql(&acme.db, &[&format!("{server}/{other}"), "-c", "select 1"]).expect_err(other);
        assert!(error.contains(&format!("permission denied for database \"{other}\"")), "{error}");
    }
    // what opens its own database opens nothing else: no other role, no other tenant's, nothing without a password
    let wrong = "password authentication failed";
    for other in ["freehold_owner", "freehold_monitor", "postgres"] {
        let error = psql(&acme.db, &[&url.replace("//app:", &format!("//{other}:")), "-c", "select 1"]);
        assert!(error.as_ref().is_err_and(|error| error.contains(wrong)), "{other}: {error:?}");
    }
    let error = psql(&globex.db, &[&url, "-c", "select 1"]).expect_err("another tenant's");
    assert!(error.contains(wrong), "{error}");
    for way in ["/run/postgresql", "127.0.0.1"] {
        let error = psql(&acme.db, &["-w", "-h", way, "-U", "postgres", "-c", "select 1"]).expect_err(way);
        assert!(error.contains("no password supplied"), "{error}");
    }
}

/// Runs statements one after the other in one session, and tells what came of each.
fn outcomes<'a>(container: &str, url: &str, statements: &[&'a str]) -> Vec<(&'a str, String)> {
    let script: String =
        statements.iter().map(|statement| format!("{statement};\n\\echo outcome :SQLSTATE\n")).collect();
    let told = docker(&[
        "exec",
        container,
        "sh",
        "-c",
        "printf '%s' \"$1\" | psql -X -q \"$0\" 2>/dev/null",
        url,
        &script,
    ]);
    let outcomes = told.lines().filter_map(|line| line.strip_prefix("outcome ")).map(str::to_owned);
    statements.iter().copied().zip(outcomes).collect()
}

/// Runs psql in a database's container; the error is what it said.
fn psql(container: &str, arguments: &[&str]) -> Result<(), String> {
    let output = std::process::Command::new("docker")
        .args(["exec", container, "psql", "-X", "-q"])
        .args(arguments)
        .output()
        .expect("docker runs");
    if output.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&output.stderr).into_owned()) }
}
