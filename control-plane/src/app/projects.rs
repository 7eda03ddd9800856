//! Projects: parts of a tenant with members and roles of their own.

use serde_json::{Value, json};
use uuid::Uuid;

use super::audit::{Action, Entry};
use super::caller::{Permit, Who};
use super::error::{Error, OrNotFound};
use super::members::find_member;
use super::rules::{self, Findings};
use super::tenants::slug_of;
use super::{App, Caller, Page, Result};
use crate::identity::permissions::Permission;
use crate::model::ids::{ProjectId, UserId};
use crate::model::role::ProjectRole;
use crate::model::slug::Slug;
use crate::store::projects::{self, ProjectFilter, ProjectMemberRecord, ProjectRecord};
use crate::store::{self, Conflict, Tx};

/// Projects of one tenant. Introspection names all that somebody is in, each in some 150 bytes at the most, and apps ask
/// for it every few seconds.
const MOST: i64 = 1000;

/// Which projects to list, as somebody wrote it.
#[derive(Debug, Clone, Default)]
pub struct Listing {
    pub search: Option<String>,
    pub cursor: Option<String>,
    pub limit: Option<String>,
}

/// A project that the caller sees, and whether they say who is in it.
struct Seen {
    permit: Permit,
    user: Option<UserId>,
    project: ProjectRecord,
    manages: bool,
}

/// Who may be in projects themselves. A key is in none: it sees and manages them by its scopes alone.
fn user_of(caller: &Caller) -> Option<UserId> {
    match &caller.who {
        Who::User(user) => Some(user.user),
        Who::Admin { .. } | Who::Key(_) | Who::Nobody => None,
    }
}

impl Seen {
    async fn find(tx: &mut Tx, caller: &Caller, permit: Permit, reference: &str) -> Result<Self> {
        let user = user_of(caller);
        let project = match (Uuid::parse_str(reference), reference.parse::<Slug>()) {
            (Ok(id), _) => projects::get(tx, permit.tenant, ProjectId(id), user).await,
            (_, Ok(slug)) => projects::by_slug(tx, permit.tenant, &slug, user).await,
            _ => Err(store::Error::NotFound),
        };
        let project = project.or_not_found("project")?;
        if project.role.is_none() && !permit.allows(Permission::ProjectsRead) {
            return Err(Error::NotFound("project"));
        }
        let manages =
            project.role == Some(ProjectRole::Maintainer) || permit.allows(Permission::ProjectsManage);
        Ok(Self { permit, user, project, manages })
    }

    fn managed(self) -> Result<Self> {
        if self.manages {
            return Ok(self);
        }
        Err(Error::Forbidden("this is for maintainers of the project and admins of the tenant".to_owned()))
    }
}

fn taken(error: store::Error, slug: &Slug) -> Error {
    match error {
        store::Error::Conflict(Conflict::ProjectTaken) => {
            Error::Taken(super::Wrong::new("slug", format!("a project has the slug {slug}")))
        }
        other => other.into(),
    }
}

impl App {
    /// The project of this slug or id in a tenant, if the caller sees it: whoever may not see all sees those they are
    /// in.
    async fn seen(&self, caller: &Caller, tenant: &str, reference: &str) -> Result<(Tx, Seen)> {
        let permit = self.permit(caller, tenant, Permission::TenantRead).await?;
        let mut tx = self.store.begin(permit.scope).await?;
        let seen = Seen::find(&mut tx, caller, permit, reference).await?;
        Ok((tx, seen))
    }

    /// The same for a change: nobody changes the tenant meanwhile, and the caller sees it still.
    async fn held(&self, caller: &Caller, tenant: &str, reference: &str) -> Result<(Tx, Seen)> {
        let (mut tx, permit) = self.holding(caller, tenant, Permission::TenantRead).await?;
        let seen = Seen::find(&mut tx, caller, permit, reference).await?;
        Ok((tx, seen))
    }

    /// The projects that a listing asks for and the caller sees, a page of them, by their slugs.
    ///
    /// # Errors
    /// `Invalid` for what cannot be listed by.
    pub async fn projects(
        &self,
        caller: &Caller,
        tenant: &str,
        listing: &Listing,
    ) -> Result<Page<ProjectRecord>> {
        let permit = self.permit(caller, tenant, Permission::TenantRead).await?;
        let mut findings = Findings::default();
        let search = listing.search.as_deref().unwrap_or_default();
        let search = findings.take("search", rules::search(search)).flatten();
        let cursor = findings.cursor(listing.cursor.as_deref());
        let limit = findings.limit(listing.limit.as_deref());
        findings.done()?;
        let own = !permit.allows(Permission::ProjectsRead);
        let filter = ProjectFilter { search, own, cursor, limit };
        let mut tx = self.store.begin(permit.scope).await?;
        let page = projects::list(&mut tx, permit.tenant, user_of(caller), &filter).await?;
        tx.commit().await?;
        Ok(page.into())
    }

    /// The project of this slug or id.
    ///
    /// # Errors
    /// `NotFound` when there is none, or none for this caller.
    pub async fn project(&self, caller: &Caller, tenant: &str, project: &str) -> Result<ProjectRecord> {
        let (tx, seen) = self.seen(caller, tenant, project).await?;
        tx.commit().await?;
        Ok(seen.project)
    }

    /// Makes a project. Who makes it is its first maintainer.
    ///
    /// # Errors
    /// `Invalid` for what cannot be; `Taken` when a project has the slug; `NotNow` when there are [`MOST`].
    pub async fn create_project(
        &self,
        caller: &Caller,
        tenant: &str,
        name: &str,
        slug: Option<&str>,
    ) -> Result<ProjectRecord> {
        let (mut tx, permit) = self.holding(caller, tenant, Permission::ProjectsCreate).await?;
        let mut findings = Findings::default();
        let checked = findings.take("name", rules::name(name));
        // A name that is no name says enough.
        let slug = if checked.is_none() && slug.is_none() {
            None
        } else {
            findings.take("slug", slug_of(name, slug))
        };
        findings.done()?;
        let (Some(name), Some(slug)) = (checked, slug) else { return Err(Error::wrong("body", "not valid")) };
        if projects::count(&mut tx, permit.tenant).await? >= MOST {
            let why = format!("there are {MOST} projects, the most a tenant can have; delete one first");
            return Err(Error::NotNow(why));
        }
        let made = projects::create(&mut tx, permit.tenant, &slug, &name).await;
        let id = made.map_err(|error| taken(error, &slug))?;
        let user = user_of(caller);
        if let Some(user) = user {
            projects::put_member(&mut tx, permit.tenant, id, user, ProjectRole::Maintainer).await?;
        }
        let entry = Entry::done(Action::ProjectCreate, Some(permit.tenant), &slug)
            .diff(&Value::Null, &json!({ "name": name }));
        self.auditor.write(&mut tx, caller, entry).await?;
        let project = projects::get(&mut tx, permit.tenant, id, user).await?;
        tx.commit().await?;
        Ok(project)
    }

    /// Gives a project another name.
    ///
    /// # Errors
    /// `Forbidden` for those who are no maintainers of it; `Invalid` for a name that is none.
    pub async fn update_project(
        &self,
        caller: &Caller,
        tenant: &str,
        project: &str,
        name: Option<&str>,
    ) -> Result<ProjectRecord> {
        let (mut tx, seen) = self.held(caller, tenant, project).await?;
        let Seen { permit, user, project, .. } = seen.managed()?;
        let name = name.map(rules::name).transpose().map_err(|error| Error::wrong("name", error))?;
        let Some(name) = name.filter(|name| *name != project.name) else { return Ok(project) };
        projects::rename(&mut tx, permit.tenant, project.id, &name).await?;
        let entry = Entry::done(Action::ProjectUpdate, Some(permit.tenant), &project.slug)
            .diff(&json!({ "name": project.name }), &json!({ "name": name }));
        self.auditor.write(&mut tx, caller, entry).await?;
        let project =
            projects::get(&mut tx, permit.tenant, project.id, user).await.or_not_found("project")?;
        tx.commit().await?;
        Ok(project)
    }

    /// Ends a project.
    ///
    /// # Errors
    /// `Forbidden` for those who are no maintainers of it.
    pub async fn delete_project(&self, caller: &Caller, tenant: &str, project: &str) -> Result<()> {
        let (mut tx, seen) = self.held(caller, tenant, project).await?;
        let Seen { permit, project, .. } = seen.managed()?;
        if !projects::delete(&mut tx, permit.tenant, project.id).await? {
            return Err(Error::NotFound("project"));
        }
        let entry = Entry::done(Action::ProjectDelete, Some(permit.tenant), &project.slug)
            .diff(&json!({ "name": project.name }), &Value::Null);
        self.auditor.write(&mut tx, caller, entry).await?;
        Ok(tx.commit().await?)
    }

    /// Who is in a project, a page of them, by their addresses.
    ///
    /// # Errors
    /// `Invalid` for what cannot be listed by.
    pub async fn project_members(
        &self,
        caller: &Caller,
        tenant: &str,
        project: &str,
        cursor: Option<&str>,
        limit: Option<&str>,
    ) -> Result<Page<ProjectMemberRecord>> {
        let (mut tx, seen) = self.seen(caller, tenant, project).await?;
        let mut findings = Findings::default();
        let cursor = findings.cursor(cursor);
        let limit = findings.limit(limit);
        findings.done()?;
        let page = projects::members(&mut tx, seen.project.id, cursor.as_ref(), limit).await?;
        tx.commit().await?;
        Ok(page.into())
    }

    /// Puts a member of the tenant into a project, or gives them another role in it.
    ///
    /// # Errors
    /// `NotFound` for whoever is no member of the tenant; `Forbidden` for those who are no maintainers of it.
    pub async fn put_project_member(
        &self,
        caller: &Caller,
        tenant: &str,
        project: &str,
        member: &str,
        role: ProjectRole,
    ) -> Result<ProjectMemberRecord> {
        let (mut tx, seen) = self.held(caller, tenant, project).await?;
        let Seen { permit, project, .. } = seen.managed()?;
        let member = find_member(&mut tx, &permit, member).await?;
        let before = projects::member(&mut tx, project.id, member.user_id).await?;
        projects::put_member(&mut tx, permit.tenant, project.id, member.user_id, role).await?;
        let after = projects::member(&mut tx, project.id, member.user_id).await?;
        let after = after.ok_or(Error::NotFound("member"))?;
        if before.as_ref().map(|one| one.role) != Some(role) {
            let target = format!("{} {}", project.slug, member.email);
            let entry = Entry::done(Action::ProjectMemberPut, Some(permit.tenant), target)
                .diff(&json!({ "role": before.map(|one| one.role) }), &json!({ "role": role }));
            self.auditor.write(&mut tx, caller, entry).await?;
        }
        tx.commit().await?;
        Ok(after)
    }

    /// Takes a member out of a project. Everybody may take themselves out.
    ///
    /// # Errors
    /// `Forbidden` for those who are no maintainers of it.
    pub async fn remove_project_member(
        &self,
        caller: &Caller,
        tenant: &str,
        project: &str,
        member: &str,
    ) -> Result<()> {
        let (mut tx, seen) = self.held(caller, tenant, project).await?;
        let own = seen.user.is_some_and(|user| user.to_string() == member);
        let Seen { permit, project, .. } = if own { seen } else { seen.managed()? };
        let member = find_member(&mut tx, &permit, member).await?;
        let before = projects::member(&mut tx, project.id, member.user_id).await?;
        let before = before.ok_or(Error::NotFound("member"))?;
        projects::remove_member(&mut tx, project.id, member.user_id).await?;
        let target = format!("{} {}", project.slug, member.email);
        let entry = Entry::done(Action::ProjectMemberRemove, Some(permit.tenant), target)
            .diff(&json!({ "role": before.role }), &json!({ "role": null }));
        self.auditor.write(&mut tx, caller, entry).await?;
        Ok(tx.commit().await?)
    }
}
