//! What a provider's claims say of somebody, by the map that it is configured with. Pure.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::token::Claims;
use crate::model::email::Email;
use crate::model::provider::ClaimMap;
use crate::model::role::Role;

/// Longest name that is taken over, in characters.
const NAME: usize = 100;
/// Entries of a list that are looked at.
const MOST: usize = 1_000;

/// Somebody who comes from a provider, in our words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Arrival {
    /// Whom the provider means, for ever.
    pub subject: String,
    pub email: Option<Email>,
    /// Whether the provider says that the address is theirs.
    pub email_verified: bool,
    pub name: Option<String>,
    /// The tenants that they belong to, by slug or id; none where it is not for the provider to say.
    pub tenants: Option<Vec<String>>,
    /// What became of their signing up at the provider; none where that is not asked.
    pub status: Option<String>,
    /// The highest role that theirs are worth here; never that of an owner.
    pub role: Option<Role>,
    /// Whether they gave a second factor there.
    pub mfa: bool,
}

/// What the claims say by the map.
#[must_use]
pub fn arrival(claims: &Claims, map: &ClaimMap) -> Arrival {
    let find = |name: &str| find(&claims.all, name);
    let text = |name: &str| find(name).and_then(Value::as_str).map(str::trim).filter(|text| !text.is_empty());
    let listed = |name: &Option<String>| name.as_ref().map(|name| find(name).map(list).unwrap_or_default());
    let roles = listed(&map.roles).unwrap_or_default();
    let role = roles.iter().filter_map(|role| map.role_of.get(role)).max().copied();
    let methods = claims.all.get("amr").map(list).unwrap_or_default();
    Arrival {
        subject: claims.subject.clone(),
        email: text(&map.email).and_then(|email| email.parse().ok()),
        email_verified: find(&map.email_verified).is_some_and(is_true),
        name: text(&map.name).map(clean).filter(|name| !name.is_empty()),
        tenants: listed(&map.tenants),
        // One who does not have it is not let in: it is asked for.
        status: map.signup_status.as_ref().map(|name| text(name).unwrap_or_default().to_owned()),
        role: role.map(|role| role.min(Role::Admin)),
        mfa: methods.iter().any(|method| matches!(method.as_str(), "mfa" | "otp" | "hwk")),
    }
}

/// A claim, to the letter first, for some are named by URLs; then as a path with dots.
fn find<'a>(all: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    if let Some(value) = all.get(name) {
        return Some(value);
    }
    let mut parts = name.split('.');
    let first = all.get(parts.next()?)?;
    parts.try_fold(first, |value, part| value.as_object()?.get(part))
}

/// Some providers write it as a text.
fn is_true(value: &Value) -> bool {
    matches!(value, Value::Bool(true)) || value.as_str() == Some("true")
}

/// A text, or a list of them.
fn list(value: &Value) -> Vec<String> {
    match value {
        Value::String(text) => vec![text.clone()],
        Value::Array(values) => {
            values.iter().take(MOST).filter_map(Value::as_str).map(ToOwned::to_owned).collect()
        }
        _ => Vec::new(),
    }
}

/// A name on one line, not too long.
fn clean(name: &str) -> String {
    let plain: String = name.chars().filter(|c| !c.is_control()).take(NAME).collect();
    plain.trim().to_owned()
}

#[cfg(test)]
mod tests {
    use chrono::Utc;
    use serde_json::json;

    use super::*;

    fn claims(all: Value) -> Claims {
        let Value::Object(all) = all else { panic!("an object") };
        Claims { subject: "s-1".to_owned(), all, expires_at: Utc::now() }
    }

    fn map(change: impl FnOnce(&mut ClaimMap)) -> ClaimMap {
        let mut map = ClaimMap::default();
        change(&mut map);
        map
    }

    #[test]
    fn the_usual_claims_are_taken_as_they_are() {
        let all = json!({"email": " Ada@Example.com ", "email_verified": true, "name": " Ada\nLovelace "});
        let arrival = arrival(&claims(all), &ClaimMap::default());
        assert_eq!(arrival.subject, "s-1");
        assert_eq!(arrival.email, Some("ada@example.com".parse().expect("an address")));
        assert_eq!(arrival.name.as_deref(), Some("AdaLovelace"));
        assert!(arrival.email_verified && !arrival.mfa);
        assert_eq!((arrival.tenants, arrival.status, arrival.role), (None, None, None));
    }

    #[test]
    fn nothing_is_verified_that_is_not_said_to_be() {
        let of = |all| arrival(&claims(all), &ClaimMap::default()).email_verified;
        assert!(of(json!({"email_verified": "true"})));
        for all in [
            json!({}),
            json!({"email_verified": false}),
            json!({"email_verified": "false"}),
            json!({"email_verified": "yes"}),
            json!({"email_verified": 1}),
            json!({"email_verified": [true]}),
        ] {
            assert!(!of(all.clone()), "{all}");
        }
        let wrong = json!({"email": ["a@b.example"], "name": 7});
        let arrival = arrival(&claims(wrong), &ClaimMap::default());
        assert_eq!((arrival.email, arrival.name), (None, None));
    }

    #[test]
    fn the_highest_role_counts_and_none_is_an_owners() {
        let map = map(|map| {
            map.roles = Some("realm_access.roles".to_owned());
            map.role_of = [
                ("watch".to_owned(), Role::Viewer),
                ("run".to_owned(), Role::Admin),
                ("own".to_owned(), Role::Owner),
            ]
            .into();
        });
        let of = |roles: Value| arrival(&claims(json!({"realm_access": {"roles": roles}})), &map).role;
        assert_eq!(of(json!("watch")), Some(Role::Viewer));
        assert_eq!(of(json!(["watch", "run", "else"])), Some(Role::Admin));
        assert_eq!(of(json!(["own"])), Some(Role::Admin));
        for none in [json!([]), json!(["else"]), json!(null), json!({"run": true}), json!([["run"]])] {
            assert_eq!(of(none.clone()), None, "{none}");
        }
    }

    #[test]
    fn claims_are_found_to_the_letter_first() {
        let map = map(|map| {
            map.tenants = Some("https://freehold.example/tenant_id".to_owned());
            map.signup_status = Some("app.status".to_owned());
        });
        let of = |all| {
            let arrival = arrival(&claims(all), &map);
            (arrival.tenants.expect("configured"), arrival.status.expect("configured"))
        };
        let both = json!({
            "https://freehold.example/tenant_id": ["acme", 7, "globex"],
            "app": {"status": "approved"},
        });
        assert_eq!(of(both), (vec!["acme".to_owned(), "globex".to_owned()], "approved".to_owned()));
        let one = json!({
            "https://freehold.example/tenant_id": "acme",
            "app.status": "denied",
            "app": {"status": "approved"},
        });
        assert_eq!(of(one), (vec!["acme".to_owned()], "denied".to_owned()));
        assert_eq!(of(json!({"app": "approved"})), (vec![], String::new()));
    }

    #[test]
    fn a_second_factor_is_known_by_its_names() {
        let of = |amr: Value| arrival(&claims(json!({"amr": amr})), &ClaimMap::default()).mfa;
        for yes in [json!(["pwd", "mfa"]), json!(["otp"]), json!("hwk")] {
            assert!(of(yes.clone()), "{yes}");
        }
        for no in [json!(["pwd"]), json!("sms"), json!(null), json!({"mfa": true})] {
            assert!(!of(no.clone()), "{no}");
        }
    }
}
