//! Projects as far as vehicles name them. What projects there are, and who is in them, the platform knows.

use sqlx::PgPool;
use uuid::Uuid;

use super::input::FieldErrors;
use crate::people::person::{Person, Place};
use crate::web::problem::Error;

/// A project that a vehicle may belong to.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct Project {
    #[sqlx(rename = "project_id")]
    pub id: Uuid,
    #[sqlx(rename = "project")]
    pub slug: String,
}

/// The projects that this person may put vehicles into, by name: those they are editors of, and for
/// whoever may write everything also those that they are in otherwise and those that have vehicles.
///
/// # Errors
/// The database's.
pub async fn open_to(pool: &PgPool, person: &Person) -> Result<Vec<Project>, Error> {
    const SQL: &str = "SELECT DISTINCT ON (project_id) project_id, project FROM app.vehicles \
                       WHERE project_id IS NOT NULL ORDER BY project_id, updated_at DESC";
    let all = person.may_write_all();
    let own = person.projects.iter().filter(|place| all || place.may_write());
    let mut projects: Vec<Project> =
        own.map(|Place { id, slug, .. }| Project { id: *id, slug: slug.clone() }).collect();
    if all {
        let used: Vec<Project> = sqlx::query_as(SQL).fetch_all(pool).await?;
        // A person's own word is newer than a vehicle's.
        projects.extend(used.into_iter().filter(|u| !person.projects.iter().any(|place| place.id == u.id)));
    }
    projects.sort_by(|a, b| a.slug.cmp(&b.slug));
    Ok(projects)
}

/// The project that somebody named for a vehicle, or none.
///
/// # Errors
/// A field's, when it is not open to them; [`Error::NotAllowed`] when they may write in projects alone
/// and named none; the database's.
pub async fn named(pool: &PgPool, person: &Person, slug: Option<&str>) -> Result<Option<Project>, Error> {
    let Some(slug) = slug else {
        return if person.may_write(None) { Ok(None) } else { Err(Error::NotAllowed(ONLY_IN_PROJECTS)) };
    };
    match open_to(pool, person).await?.into_iter().find(|project| project.slug == slug) {
        Some(project) => Ok(Some(project)),
        None => Err(FieldErrors::one("project", "is not a project that you may write in").into()),
    }
}

const ONLY_IN_PROJECTS: &str =
    "You may add and change vehicles of your own projects only. Name one that you are an editor of.";
