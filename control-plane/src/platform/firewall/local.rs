//! The firewall at work: what runs in the helper container, which has the host's network and may change its tables.

use std::process::Stdio;

use serde::Deserialize;
use tokio::io::AsyncWriteExt;

use super::ruleset::{Ruleset, remove_script};
use crate::model::ids::InstallationId;

/// Why the table could not be looked at or changed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("nft cannot be run: {0}")]
    Start(#[source] std::io::Error),
    #[error("nft refused: {0}")]
    Refused(String),
    #[error("nft answered what cannot be read: {0}")]
    Answer(#[from] serde_json::Error),
}

#[derive(Deserialize)]
struct Listing {
    nftables: Vec<Object>,
}

/// The parts of nft's JSON that are looked at; all others are passed over.
#[derive(Deserialize, Default)]
#[serde(default)]
struct Object {
    chain: Option<Chain>,
    rule: Option<Rule>,
}

#[derive(Deserialize)]
struct Chain {
    name: String,
    hook: Option<String>,
}

#[derive(Deserialize)]
struct Rule {
    chain: String,
    #[serde(default)]
    comment: String,
}

/// Whether the table is there, whole and as it should be.
///
/// # Errors
/// When nft cannot be run or does not answer; a table that is not there is no error.
pub async fn in_force(ruleset: &Ruleset) -> Result<bool, Error> {
    match nft(&["-j", "list", "table", "inet", &ruleset.table()], "").await {
        Ok(text) => matches(ruleset, &text),
        Err(Error::Refused(message)) if message.contains("No such file or directory") => Ok(false),
        Err(error) => Err(error),
    }
}

/// Puts the table in force, in place of whatever it was before.
///
/// # Errors
/// When nft cannot be run or refuses the table.
pub async fn apply(ruleset: &Ruleset) -> Result<(), Error> {
    nft(&["-f", "-"], &ruleset.script()).await.map(drop)
}

/// Asks the kernel whether it would take the table, without changing anything.
///
/// # Errors
/// When it would not.
pub async fn check(ruleset: &Ruleset) -> Result<(), Error> {
    nft(&["-c", "-f", "-"], &ruleset.script()).await.map(drop)
}

/// Removes the installation's table; none is success.
///
/// # Errors
/// When nft cannot be run or refuses.
pub async fn remove(installation: &InstallationId) -> Result<(), Error> {
    nft(&["-f", "-"], &remove_script(installation)).await.map(drop)
}

fn matches(ruleset: &Ruleset, listing: &str) -> Result<bool, Error> {
    let listing: Listing = serde_json::from_str(listing)?;
    let seen = |name: &str| -> Vec<String> {
        let rules = listing.nftables.iter().filter_map(|object| object.rule.as_ref());
        rules.filter(|rule| rule.chain == name).map(|rule| rule.comment.clone()).collect()
    };
    let hooks = listing.nftables.iter().filter_map(|object| object.chain.as_ref());
    let hooked = hooks.filter(|chain| chain.hook.is_some()).map(|chain| chain.name.as_str());
    let mut hooked: Vec<&str> = hooked.collect();
    hooked.sort_unstable();
    Ok(hooked == ["before_routing", "through_host", "to_host"]
        && ruleset.expected().iter().all(|(chain, comments)| seen(chain) == *comments))
}

async fn nft(arguments: &[&str], input: &str) -> Result<String, Error> {
    let mut child = tokio::process::Command::new("nft")
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(Error::Start)?;
    if let Some(mut stdin) = child.stdin.take() {
        // One that ended early has said why on its standard error.
        let _ = stdin.write_all(input.as_bytes()).await;
    }
    let output = child.wait_with_output().await.map_err(Error::Start)?;
    if output.status.success() {
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    } else {
        Err(Error::Refused(String::from_utf8_lossy(&output.stderr).trim().to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use serde_json::json;

    use super::*;

    fn sample() -> Ruleset {
        Ruleset {
            installation: "abc234".parse().expect("id"),
            pool: "10.201.0.0/16".parse().expect("pool"),
            platform_address: Ipv4Addr::new(10, 201, 0, 1),
            edge_port: 8080,
            reachable: Vec::new(),
        }
    }

    fn listing(ruleset: &Ruleset) -> Vec<serde_json::Value> {
        let mut objects = vec![json!({"metainfo": {"version": "1.0.6"}}), json!({"table": {"name": "t"}})];
        for (chain, comments) in ruleset.expected() {
            let mut object = json!({"chain": {"name": chain}});
            if !chain.starts_with("from_") {
                object["chain"]["hook"] = "input".into();
            }
            objects.push(object);
            objects.extend(
                comments
                    .iter()
                    .map(|comment| json!({"rule": {"chain": chain, "comment": comment, "expr": []}})),
            );
        }
        objects
    }

    fn judge(objects: &[serde_json::Value]) -> bool {
        matches(&sample(), &json!({ "nftables": objects }).to_string()).expect("readable")
    }

    #[test]
    fn a_whole_table_is_in_force_and_any_gap_is_seen() {
        let whole = listing(&sample());
        assert!(judge(&whole));
        for gap in 2..whole.len() {
            let mut broken = whole.clone();
            let removed = broken.remove(gap);
            if !["from_house", "from_api"].map(Into::into).contains(&removed["chain"]["name"]) {
                assert!(!judge(&broken), "without {removed}");
            }
        }
        let mut more = whole;
        more.push(json!({"rule": {"chain": "to_host", "expr": []}}));
        assert!(!judge(&more), "with a rule of somebody else's");
        let mut other = sample();
        other.edge_port = 1;
        assert!(!judge(&listing(&other)), "with another table's rules");
    }
}
