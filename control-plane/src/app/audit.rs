//! What was done, by whom and to what: written with the change itself, read by those it concerns, and chained so that
//! it can be proven whole.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, SubsecRound, Utc};
use serde_json::{Value, json};
use tokio::sync::Notify;
use tokio_util::task::AbortOnDropHandle;
use uuid::Uuid;

use super::caller::{Caller, Who};
use super::{App, Result};
use crate::identity::chain::{self, Broken, Linked, Walk};
use crate::identity::people_key::PeopleKey;
use crate::model::ids::{AuditId, TenantId};
use crate::model::tenant::words;
use crate::store::audit::{self as rows, AuditRecord};
use crate::store::{self, Scope, Store, Tx};

words!(
    /// What was done: a noun and a verb.
    Action {
        TenantCreate = "tenant.create",
        TenantUpdate = "tenant.update",
        TenantSuspend = "tenant.suspend",
        TenantResume = "tenant.resume",
        TenantSleep = "tenant.sleep",
        TenantWake = "tenant.wake",
        TenantRestore = "tenant.restore",
        TenantRetry = "tenant.retry",
        TenantDelete = "tenant.delete",
        OperationCancel = "operation.cancel",
        AdminSignIn = "admin.sign_in",
        /// Somebody came into a tenant's app; refused, its code was tried by somebody who should not have it.
        AppSignIn = "app.sign_in",
        /// An app gave back what it was given.
        AppSignOut = "app.sign_out",
        MemberAdd = "member.add",
        MemberUpdate = "member.update",
        MemberRemove = "member.remove",
        MemberLeave = "member.leave",
        OwnershipHandOver = "ownership.hand_over",
        UserCreate = "user.create",
        UserRegister = "user.register",
        /// The proof of an address was asked for once more.
        UserProofAsk = "user.ask_proof",
        UserVerify = "user.verify",
        UserSignIn = "user.sign_in",
        UserSignOut = "user.sign_out",
        /// Somebody whom a provider outside vouches for was linked with an account.
        IdentityLink = "identity.link",
        IdentityUnlink = "identity.unlink",
        PasswordForget = "password.forget",
        PasswordReset = "password.reset",
        PasswordChange = "password.change",
        /// Somebody who is signed in was asked for their password.
        PasswordAsk = "password.ask",
        SessionRefresh = "session.refresh",
        SessionEnd = "session.end",
        ProjectCreate = "project.create",
        ProjectUpdate = "project.update",
        ProjectDelete = "project.delete",
        ProjectMemberPut = "project_member.put",
        ProjectMemberRemove = "project_member.remove",
        MailRetry = "mail.retry",
        InvitationCreate = "invitation.create",
        InvitationResend = "invitation.resend",
        InvitationRevoke = "invitation.revoke",
        InvitationAccept = "invitation.accept",
        SignupAsk = "signup.ask",
        SignupApprove = "signup.approve",
        SignupReject = "signup.reject",
        /// Other keys sign tokens from then on.
        SigningKeysRotate = "signing_keys.rotate",
        /// A key that signed tokens is good for nothing any more, nor are those.
        SigningKeyWithdraw = "signing_key.withdraw",
        KeyCreate = "key.create",
        KeyRotate = "key.rotate",
        KeyRevoke = "key.revoke",
        ProviderCreate = "provider.create",
        ProviderUpdate = "provider.update",
        ProviderRemove = "provider.remove",
        SecondFactorBegin = "second_factor.begin",
        SecondFactorSetUp = "second_factor.set_up",
        SecondFactorRemove = "second_factor.remove",
        RecoveryCodesRenew = "recovery_codes.renew",
        SecurityUpdate = "security.update",
        UserSuspend = "user.suspend",
        UserResume = "user.resume",
    }
);

words!(
    /// How it ended.
    Outcome {
        Done = "done",
        /// It was not allowed, or not possible; nothing was changed.
        Refused = "refused",
    }
);

/// What is to be written down.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    pub tenant: Option<TenantId>,
    pub action: Action,
    /// What it was done to, as people know it: a slug, an address.
    pub target: String,
    pub outcome: Outcome,
    /// What is other than before, without anything secret.
    pub diff: Option<Value>,
}

impl Entry {
    pub fn done(action: Action, tenant: Option<TenantId>, target: impl ToString) -> Self {
        Self { tenant, action, target: target.to_string(), outcome: Outcome::Done, diff: None }
    }

    pub fn refused(action: Action, tenant: Option<TenantId>, target: impl ToString) -> Self {
        Self { outcome: Outcome::Refused, ..Self::done(action, tenant, target) }
    }

    /// What was there and what is, for the fields that differ.
    #[must_use]
    pub fn diff(mut self, before: &Value, after: &Value) -> Self {
        self.diff = difference(before, after);
        self
    }
}

/// The fields of two objects that differ, each with what it was and is. None when nothing does.
fn difference(before: &Value, after: &Value) -> Option<Value> {
    let (Value::Object(before), Value::Object(after)) = (before, after) else {
        return (before != after).then(|| json!({ "before": before, "after": after }));
    };
    let fields: serde_json::Map<String, Value> = before
        .keys()
        .chain(after.keys().filter(|key| !before.contains_key(*key)))
        .filter_map(|key| {
            let (was, is) = (before.get(key).unwrap_or(&Value::Null), after.get(key).unwrap_or(&Value::Null));
            (was != is).then(|| (key.clone(), json!({ "before": was, "after": is })))
        })
        .collect();
    (!fields.is_empty()).then_some(Value::Object(fields))
}

/// Longest user agent that is kept, in characters.
const USER_AGENT: usize = 200;

/// Writes entries, and sees to it that each gets its place in the chain.
#[derive(Debug)]
pub(super) struct Auditor {
    key: PeopleKey,
    written: Arc<Notify>,
    _linker: AbortOnDropHandle<()>,
}

impl Auditor {
    /// Must be called inside a runtime.
    pub(super) fn new(store: Store, key: PeopleKey) -> Self {
        let written = Arc::new(Notify::new());
        let linker = tokio::spawn(keep_linking(store, key.clone(), Arc::clone(&written)));
        Self { key, written, _linker: AbortOnDropHandle::new(linker) }
    }

    /// # Errors
    /// When the registry cannot be reached.
    pub(super) async fn write(&self, tx: &mut Tx, by: &Caller, entry: Entry) -> Result<()> {
        let (actor_kind, actor_id): (&str, Option<Uuid>) = match &by.who {
            Who::Nobody => ("nobody", None),
            Who::Admin { id, .. } => ("admin", Some(id.0)),
            Who::User(user) => ("user", Some(user.user.0)),
            Who::Key(key) => ("key", Some(key.id.0)),
        };
        let shown = |text: &str, most: usize| -> String {
            text.chars().filter(|c| !c.is_control()).take(most).collect()
        };
        let mut record = AuditRecord {
            id: AuditId::random(),
            // as precise as it is kept
            at: Utc::now().trunc_subsecs(6),
            tenant_id: entry.tenant,
            actor_kind: actor_kind.to_owned(),
            actor_id,
            actor: by.label(),
            action: entry.action.to_string(),
            target: entry.target.chars().filter(|c| *c != '\0').collect(),
            outcome: entry.outcome.to_string(),
            address: by.origin.address.clone(),
            user_agent: shown(&by.origin.user_agent, USER_AGENT),
            request_id: shown(&by.origin.request_id, 64),
            diff: entry.diff.map(|diff| diff.to_string()),
            seal: Vec::new(),
            position: None,
            link: None,
        };
        record.seal = sealed(&self.key, &record).to_vec();
        rows::write(tx, &record).await?;
        // It may be told before it is committed; the linker waits a moment, and looks again in any case.
        self.written.notify_one();
        Ok(())
    }
}

fn sealed(key: &PeopleKey, record: &AuditRecord) -> [u8; 32] {
    let id = |id: Option<String>| id.unwrap_or_default();
    chain::seal(
        key,
        &[
            &record.id.to_string(),
            &moment(record.at),
            &id(record.tenant_id.map(|id| id.to_string())),
            &record.actor_kind,
            &id(record.actor_id.map(|id| id.to_string())),
            &record.actor,
            &record.action,
            &record.target,
            &record.outcome,
            &record.address,
            &record.user_agent,
            &record.request_id,
            record.diff.as_deref().unwrap_or_default(),
        ],
    )
}

fn moment(at: DateTime<Utc>) -> String {
    at.timestamp_micros().to_string()
}

/// A writer's commit may take a moment after it was heard of.
const SETTLE: Duration = Duration::from_millis(200);
/// How long an entry may be without its place when nobody said that there is one, as after a crash.
const LOOK: Duration = Duration::from_secs(10);
/// Entries that get their places in one transaction.
const BATCH: u32 = 500;

/// Entries that are looked at in one go.
const LOOKED_AT: u32 = 2_000;

async fn keep_linking(store: Store, key: PeopleKey, written: Arc<Notify>) {
    loop {
        let _ = tokio::time::timeout(LOOK, written.notified()).await;
        tokio::time::sleep(SETTLE).await;
        loop {
            match link_some(&store, &key).await {
                Ok(0) => break,
                Ok(_) => {}
                Err(error) => {
                    tracing::warn!(%error, "entries of the audit log wait for their places");
                    break;
                }
            }
        }
    }
}

/// Gives the next entries their places; how many.
async fn link_some(store: &Store, key: &PeopleKey) -> store::Result<usize> {
    let mut tx = store.begin(Scope::System).await?;
    if !rows::begin_linking(&mut tx).await? {
        return Ok(0);
    }
    let waiting = rows::unlinked(&mut tx, BATCH).await?;
    if waiting.is_empty() {
        return Ok(0);
    }
    let last = rows::last_linked(&mut tx).await?;
    let mut position = last.as_ref().and_then(|last| last.position).unwrap_or(0);
    let mut before = last.and_then(|last| last.link);
    let mut places = Vec::with_capacity(waiting.len());
    for entry in &waiting {
        position += 1;
        let link = chain::link(key, before.as_deref(), position, &entry.seal);
        before = Some(link.to_vec());
        places.push((entry.id, position, link));
    }
    rows::link(&mut tx, &places).await?;
    tx.commit().await?;
    Ok(places.len())
}

/// What a look at the whole log found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// Entries in the chain that are right.
    pub entries: i64,
    /// The last link, in hex: who keeps it can tell later whether the end was cut off.
    pub head: String,
    /// Entries that had no place when the look began.
    pub waiting: usize,
    pub broken: Option<Broken>,
}

impl App {
    /// Walks along the whole chain. With a head that was told before, also whether it is still in it.
    ///
    /// # Errors
    /// When the registry cannot be reached.
    pub async fn verify_audit(&self, known: Option<(i64, String)>) -> Result<Verified> {
        let mut walk = Walk::default();
        let mut broken = None;
        let mut known_is_there = known.is_none();
        // Before the walk: what gets its place meanwhile is then counted at least once.
        let mut tx = self.begin_as_system().await?;
        let waiting = rows::unlinked(&mut tx, BATCH).await?;
        tx.commit().await?;
        'chain: loop {
            let mut tx = self.begin_as_system().await?;
            let entries = rows::linked_from(&mut tx, walk.position + 1, LOOKED_AT).await?;
            tx.commit().await?;
            if entries.is_empty() {
                break;
            }
            for entry in &entries {
                let next = Linked {
                    position: entry.position.unwrap_or_default(),
                    sealed_again: sealed(&self.auditor.key, entry),
                    seal: &entry.seal,
                    link: entry.link.as_deref().unwrap_or_default(),
                };
                if let Err(error) = walk.step(&self.auditor.key, &next) {
                    broken = Some(error);
                    break 'chain;
                }
                if let Some((position, head)) = &known
                    && *position == walk.position
                {
                    known_is_there = hex::encode(next.link) == *head;
                }
            }
        }
        if broken.is_none() && !known_is_there {
            broken = Some(Broken::Missing(known.map_or(0, |(position, _)| position)));
        }
        // One that waits and was not sealed by us was put in by somebody else.
        let foreign = waiting.iter().any(|entry| sealed(&self.auditor.key, entry).as_slice() != entry.seal);
        if broken.is_none() && foreign {
            broken = Some(Broken::Changed(walk.position + 1));
        }
        let head = walk.link.map(hex::encode).unwrap_or_default();
        Ok(Verified { entries: walk.position, head, waiting: waiting.len(), broken })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_names_what_differs_and_nothing_else() {
        let before = json!({ "name": "Acme", "plan": "small", "old": 1 });
        let after = json!({ "name": "Acme", "plan": "large", "new": true });
        assert_eq!(
            difference(&before, &after),
            Some(json!({
                "plan": { "before": "small", "after": "large" },
                "old": { "before": 1, "after": null },
                "new": { "before": null, "after": true },
            }))
        );
        assert_eq!(difference(&before, &before), None);
    }
}
