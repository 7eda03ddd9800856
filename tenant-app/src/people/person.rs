//! Somebody as the platform tells of them, and what they may do here.
//!
//! One rule: whoever may write all data (`data.write`) sees and changes everything. Everybody else sees
//! what belongs to no project and what belongs to their own projects, and changes what belongs to
//! projects in which they are editor or maintainer.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use uuid::Uuid;

/// A person, or the program that acts for one.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Person {
    /// The platform's id of the user; the only name for them that never changes.
    pub subject: String,
    pub name: String,
    pub email: String,
    pub role: String,
    pub permissions: BTreeSet<String>,
    pub projects: Vec<Place>,
}

/// Somebody's place in a project.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    pub id: Uuid,
    pub slug: String,
    pub role: String,
}

impl Place {
    #[must_use]
    pub fn may_write(&self) -> bool {
        matches!(self.role.as_str(), "editor" | "maintainer")
    }
}

/// What somebody sees: everything, or what belongs to no project or to one of these.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scope {
    pub all: bool,
    pub projects: Vec<Uuid>,
}

impl Scope {
    #[must_use]
    pub fn holds(&self, project: Option<Uuid>) -> bool {
        self.all || project.is_none_or(|id| self.projects.contains(&id))
    }
}

impl Person {
    /// May they be in here at all?
    #[must_use]
    pub fn may_read(&self) -> bool {
        self.permissions.contains("data.read")
    }

    /// May they change everything, whatever project it belongs to?
    #[must_use]
    pub fn may_write_all(&self) -> bool {
        self.may_read() && self.permissions.contains("data.write")
    }

    /// May they change what belongs to this project, or to none?
    #[must_use]
    pub fn may_write(&self, project: Option<Uuid>) -> bool {
        let in_it = |place: &Place| Some(place.id) == project && place.may_write();
        self.may_write_all() || (self.may_read() && self.projects.iter().any(in_it))
    }

    /// Is there anything they could add something to?
    #[must_use]
    pub fn may_write_somewhere(&self) -> bool {
        self.may_write_all() || (self.may_read() && self.projects.iter().any(Place::may_write))
    }

    #[must_use]
    pub fn scope(&self) -> Scope {
        Scope { all: self.may_write_all(), projects: self.projects.iter().map(|p| p.id).collect() }
    }

    /// What a page calls them.
    #[must_use]
    pub fn called(&self) -> &str {
        [&self.name, &self.email, &self.subject]
            .into_iter()
            .find(|n| !n.is_empty())
            .map_or("", String::as_str)
    }
}

/// What the platform says of a token that is good: whose it is, and until when that may be believed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    pub person: Person,
    /// The platform's session that it stands on.
    pub sid: String,
    pub until: DateTime<Utc>,
}

/// Why a statement is not for us.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotOurs {
    #[error("it does not have the form of the platform's statements")]
    Form,
    #[error("it is about another client")]
    AnotherClient,
    #[error("it is about another tenant")]
    AnotherTenant,
}

#[derive(Deserialize)]
struct Claims {
    sub: String,
    exp: i64,
    client_id: Option<String>,
    tenant_id: Option<Uuid>,
    #[serde(default)]
    sid: String,
    #[serde(default)]
    name: String,
    #[serde(default)]
    email: String,
    #[serde(default)]
    role: String,
    #[serde(default)]
    permissions: BTreeSet<String>,
    #[serde(default)]
    projects: Vec<Place>,
}

impl Statement {
    /// Reads the claims of an access token, or what introspection said of one: the same words.
    ///
    /// # Errors
    /// [`NotOurs`] when it says too little, or speaks of somebody else's tenant or app.
    pub fn read(claims: &Map<String, Value>, tenant: Uuid, client_id: &str) -> Result<Self, NotOurs> {
        let claims: Claims =
            serde_json::from_value(Value::Object(claims.clone())).map_err(|_| NotOurs::Form)?;
        if claims.client_id.as_deref() != Some(client_id) {
            return Err(NotOurs::AnotherClient);
        }
        if claims.tenant_id != Some(tenant) {
            return Err(NotOurs::AnotherTenant);
        }
        if claims.sub.is_empty() {
            return Err(NotOurs::Form);
        }
        let until = DateTime::from_timestamp(claims.exp, 0).ok_or(NotOurs::Form)?;
        let person = Person {
            subject: claims.sub,
            name: claims.name,
            email: claims.email,
            role: claims.role,
            permissions: claims.permissions,
            projects: claims.projects,
        };
        Ok(Self { person, sid: claims.sid, until })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    const OURS: Uuid = Uuid::from_u128(7);

    fn person(permissions: &[&str], projects: &[(u128, &str)]) -> Person {
        let place = |(id, role): &(u128, &str)| Place {
            id: Uuid::from_u128(*id),
            slug: format!("p{id}"),
            role: (*role).to_owned(),
        };
        Person {
            permissions: permissions.iter().map(|p| (*p).to_owned()).collect(),
            projects: projects.iter().map(place).collect(),
            ..Person::default()
        }
    }

    #[test]
    fn roles_of_projects_are_for_their_project_alone() {
        let (a, b, c) = (Some(Uuid::from_u128(1)), Some(Uuid::from_u128(2)), Some(Uuid::from_u128(3)));
        let member = person(&["data.read"], &[(1, "editor"), (2, "viewer")]);
        assert!(
            member.may_write(a) && !member.may_write(b) && !member.may_write(c) && !member.may_write(None)
        );
        let scope = member.scope();
        assert!(scope.holds(a) && scope.holds(b) && scope.holds(None) && !scope.holds(c));
        let developer = person(&["data.read", "data.write"], &[]);
        assert!(developer.may_write(c) && developer.may_write(None) && developer.scope().holds(c));
        let viewer = person(&["data.read"], &[]);
        assert!(!viewer.may_write_somewhere() && !viewer.scope().holds(a) && viewer.scope().holds(None));
        // Neither a permission alone nor a project alone lets anybody in.
        assert!(!person(&["data.write"], &[]).may_write(None));
        assert!(!person(&[], &[(1, "maintainer")]).may_write(a));
    }

    proptest! {
        /// What somebody may change, they see.
        #[test]
        fn nobody_changes_what_they_do_not_see(
            permissions in prop::collection::vec(prop::sample::select(vec!["data.read", "data.write", "projects.read"]), 0..4),
            projects in prop::collection::vec((0..4u128, prop::sample::select(vec!["viewer", "editor", "maintainer", "other"])), 0..4),
            asked in prop::option::of(0..4u128),
        ) {
            let person = person(&permissions, &projects);
            let asked = asked.map(Uuid::from_u128);
            prop_assert!(!person.may_write(asked) || (person.may_read() && person.scope().holds(asked)));
            prop_assert!(!person.may_write(asked) || person.may_write_somewhere());
        }
    }

    #[test]
    fn statements_are_read_for_one_tenant_and_one_client() {
        let good = json!({
            "sub": "u", "exp": 1_900_000_000, "client_id": "us", "tenant_id": OURS, "sid": "s", "role": "member",
            "permissions": ["data.read"], "projects": [{ "id": Uuid::nil(), "slug": "fleet", "role": "editor" }],
        });
        let read = |field: &str, value: Value| {
            let mut claims = good.as_object().unwrap().clone();
            claims.insert(field.to_owned(), value);
            Statement::read(&claims, OURS, "us")
        };
        let statement = read("name", json!("Ann")).unwrap();
        assert_eq!((statement.person.called(), statement.person.role.as_str()), ("Ann", "member"));
        assert!(statement.person.may_write(Some(Uuid::nil())));
        for (field, value, why) in [
            ("client_id", json!("others"), NotOurs::AnotherClient),
            ("client_id", Value::Null, NotOurs::AnotherClient),
            ("tenant_id", json!(Uuid::nil()), NotOurs::AnotherTenant),
            ("tenant_id", Value::Null, NotOurs::AnotherTenant),
            ("tenant_id", json!([OURS]), NotOurs::Form),
            ("sub", json!(""), NotOurs::Form),
            ("exp", json!("soon"), NotOurs::Form),
            ("permissions", json!("all"), NotOurs::Form),
            ("projects", json!([{ "id": "fleet" }]), NotOurs::Form),
        ] {
            assert_eq!(read(field, value.clone()), Err(why), "{field} {value}");
        }
    }
}
