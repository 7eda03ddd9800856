//! Reading the audit log: by platform admins all of it, by a tenant's admins what concerns their tenant.

use chrono::{DateTime, Utc};

use super::audit::{Action, Outcome};
use super::caller::Caller;
use super::error::Error;
use super::rules::{self, Findings};
use super::{App, Page, Result};
use crate::identity::permissions::Permission;
use crate::model::ids::TenantId;
use crate::store::audit::{self, AuditFilter, AuditRecord};
use crate::store::pages::{Cursor, MAX_LIMIT};
use crate::store::{Scope, Store};

/// Which entries to read, as it was asked.
#[derive(Debug, Clone, Default)]
pub struct Listing {
    pub search: Option<String>,
    pub action: Option<String>,
    pub outcome: Option<String>,
    pub from: Option<String>,
    pub until: Option<String>,
    pub cursor: Option<String>,
    pub limit: Option<String>,
}

/// What a listing means.
struct Question {
    filter: AuditFilter,
    cursor: Option<Cursor>,
    limit: u32,
}

impl Listing {
    fn read(&self) -> Result<Question> {
        let mut findings = Findings::default();
        let search = findings.take("search", rules::search(self.search.as_deref().unwrap_or_default()));
        let action = self.action.as_deref().map(action).and_then(|action| findings.take("action", action));
        let outcome = self.outcome.as_deref().map(str::parse::<Outcome>);
        let outcome = outcome.and_then(|outcome| findings.take("outcome", outcome));
        let from = self.from.as_deref().map(moment).and_then(|from| findings.take("from", from));
        let until = self.until.as_deref().map(moment).and_then(|until| findings.take("until", until));
        let cursor = findings.cursor(self.cursor.as_deref());
        let limit = findings.limit(self.limit.as_deref());
        findings.done()?;
        let filter = AuditFilter {
            tenant: None,
            search: search.flatten(),
            action,
            outcome: outcome.map(|outcome| outcome.to_string()),
            from,
            until,
        };
        Ok(Question { filter, cursor, limit })
    }
}

/// An action, or what several are about: `tenant` for all of `tenant.create`, `tenant.update` and so on.
fn action(text: &str) -> Result<String, String> {
    let known = |action: &&Action| {
        let rest = action.as_str().strip_prefix(text);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    };
    if !text.is_empty() && Action::ALL.iter().any(|action| known(&action)) {
        return Ok(text.to_owned());
    }
    let all: Vec<&str> = Action::ALL.iter().map(|action| action.as_str()).collect();
    Err(format!("none of: {}; nor what stands before a dot there", all.join(", ")))
}

fn moment(text: &str) -> Result<DateTime<Utc>, String> {
    let moment = DateTime::parse_from_rfc3339(text).map(|moment| moment.to_utc());
    // PostgreSQL knows no moments beyond these.
    moment
        .ok()
        .filter(|moment| (0..=9999).contains(&chrono::Datelike::year(moment)))
        .ok_or_else(|| "a moment such as 2026-11-21T18:00:00Z is expected".to_owned())
}

impl App {
    /// A page of the audit log, the latest first: of one tenant, or of all.
    ///
    /// # Errors
    /// `NotFound`, `Forbidden`; `Invalid` for what cannot be asked by.
    pub async fn audit(
        &self,
        caller: &Caller,
        tenant: Option<&str>,
        listing: &Listing,
    ) -> Result<Page<AuditRecord>> {
        let (scope, tenant) = self.permit_audit(caller, tenant).await?;
        let Question { filter, cursor, limit } = listing.read()?;
        let mut tx = self.store.begin(scope).await?;
        let page = audit::list(&mut tx, &AuditFilter { tenant, ..filter }, cursor.as_ref(), limit).await?;
        tx.commit().await?;
        Ok(page.into())
    }

    /// The same to its end, page after page.
    ///
    /// # Errors
    /// As [`Self::audit`].
    pub async fn audit_export(
        &self,
        caller: &Caller,
        tenant: Option<&str>,
        listing: &Listing,
    ) -> Result<Export> {
        let (scope, tenant) = self.permit_audit(caller, tenant).await?;
        let Question { filter, .. } = listing.read()?;
        let filter = AuditFilter { tenant, ..filter };
        Ok(Export { store: self.store.clone(), scope, filter, next: Next::Begin })
    }

    async fn permit_audit(&self, caller: &Caller, tenant: Option<&str>) -> Result<(Scope, Option<TenantId>)> {
        match tenant {
            Some(tenant) => {
                let permit = self.permit(caller, tenant, Permission::AuditRead).await?;
                Ok((permit.scope, Some(permit.tenant)))
            }
            None => caller.admin().map(|()| (Scope::Platform, None)),
        }
    }

    /// Whether the log is whole, for platform admins; with `head`, a place and its link as they were told before, also
    /// whether nothing was cut off since.
    ///
    /// # Errors
    /// `Forbidden`; `Invalid` when the head cannot be read.
    pub async fn audit_verification(
        &self,
        caller: &Caller,
        head: Option<&str>,
    ) -> Result<super::audit::Verified> {
        caller.admin()?;
        self.verify_audit(head.map(known_head).transpose()?).await
    }
}

/// A place in the chain and its link, as in `17:0a1b…`.
fn known_head(text: &str) -> Result<(i64, String)> {
    let head = text.split_once(':').and_then(|(position, link)| {
        let position: i64 = position.parse().ok().filter(|position| *position > 0)?;
        let link = link.to_ascii_lowercase();
        let whole = link.len() == 64 && link.bytes().all(|byte| byte.is_ascii_hexdigit());
        whole.then_some((position, link))
    });
    head.ok_or_else(|| Error::wrong("head", "a place and its link are expected: POSITION:HEX"))
}

/// Entries that are read as they are wanted, however many there are.
#[derive(Debug)]
pub struct Export {
    store: Store,
    scope: Scope,
    filter: AuditFilter,
    next: Next,
}

#[derive(Debug)]
enum Next {
    Begin,
    After(Cursor),
    Over,
}

impl Export {
    /// Some more of them; none when there are no more.
    ///
    /// # Errors
    /// When the registry cannot be reached.
    pub async fn more(&mut self) -> Result<Vec<AuditRecord>> {
        let after = match &self.next {
            Next::Begin => None,
            Next::After(cursor) => Some(cursor),
            Next::Over => return Ok(Vec::new()),
        };
        let mut tx = self.store.begin(self.scope).await?;
        let page = audit::list(&mut tx, &self.filter, after, MAX_LIMIT).await?;
        tx.commit().await?;
        self.next = page.next.map_or(Next::Over, Next::After);
        Ok(page.items)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_action_is_asked_for_whole_or_by_what_it_is_about() {
        assert_eq!(action("tenant"), Ok("tenant".to_owned()));
        assert_eq!(action("tenant.create"), Ok("tenant.create".to_owned()));
        for bad in ["", "ten", "tenant.", "tenant.crea", "create", "tenant.create.x"] {
            assert!(action(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn moments_and_heads_are_what_they_say() {
        assert!(moment("2026-11-21T18:00:00+02:00").is_ok());
        for bad in ["", "yesterday", "2026-11-21", "-0001-01-01T00:00:00Z"] {
            assert!(moment(bad).is_err(), "{bad}");
        }
        let link = "aB".repeat(32);
        assert_eq!(known_head(&format!("7:{link}")).expect("a head"), (7, "ab".repeat(32)));
        for bad in ["", "7", "0:ab", ":", &format!("x:{link}"), &format!("-1:{link}"), &format!("7:{link}0")]
        {
            assert!(known_head(bad).is_err(), "{bad}");
        }
    }
}
