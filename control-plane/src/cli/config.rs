//! `freehold config`: the settings in force and where each comes from.

use clap::Args;
use serde_json::json;

use super::{Error, Session};

/// Options of `freehold config`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  freehold config                     all settings
  freehold config edge                one section
  freehold config edge.port --json    one setting, for scripts")]
pub struct Arguments {
    /// A key or section to show, such as edge or edge.port; all otherwise
    key: Option<String>,
}

pub(super) fn run(arguments: &Arguments, session: &Session) -> Result<(), Error> {
    let mut settings = session.config.list(&session.origins);
    if let Some(wanted) = &arguments.key {
        let section = format!("{wanted}.");
        settings.retain(|(key, ..)| key == wanted || key.starts_with(&section));
        if settings.is_empty() {
            return Err(Error::new(super::Exit::NotFound, format!("there is no setting {wanted:?}"))
                .advise("`freehold config` shows all of them"));
        }
    }
    if session.global.json {
        let entries: Vec<_> = settings
            .iter()
            .map(|(key, value, origin)| json!({"key": key, "value": value, "origin": origin.to_string()}))
            .collect();
        println!("{}", serde_json::Value::from(entries));
    } else {
        let mut table = super::table::new(&["SETTING", "VALUE", "FROM"]);
        for (key, value, origin) in settings {
            table.add_row([key, value, origin.to_string()]);
        }
        super::table::print(&table);
    }
    Ok(())
}
