//! Projects of a tenant, and who is in them.

use axum::extract::State;
use axum::http::StatusCode;
use serde::Deserialize;
use utoipa::IntoParams;

use super::types::Page;
use super::types::projects::{NewProject, Project, ProjectChange, ProjectMember, ProjectPlace};
use crate::app::projects::Listing;
use crate::http::caller::Caller;
use crate::http::error::Problem;
use crate::http::extract::{Json, Path, Query};
use crate::http::{AppState, detached};
use crate::store::projects::{ProjectMemberRecord, ProjectRecord};

/// Which projects to list.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Filter {
    /// Part of the slug or name.
    search: Option<String>,
    /// What the page before gave as `next`.
    cursor: Option<String>,
    /// Items of a page: 1 to 200, 50 unless said.
    #[param(example = "50")]
    limit: Option<String>,
}

/// Which part of a list.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Part {
    /// What the page before gave as `next`.
    cursor: Option<String>,
    /// Items of a page: 1 to 200, 50 unless said.
    #[param(example = "50")]
    limit: Option<String>,
}

fn project(record: ProjectRecord) -> Project {
    Project {
        id: record.id.0,
        slug: record.slug.to_string(),
        name: record.name,
        role: record.role,
        created_at: record.created_at,
    }
}

fn project_member(record: ProjectMemberRecord) -> ProjectMember {
    ProjectMember {
        user: record.user_id.0,
        email: record.email.to_string(),
        name: record.name,
        role: record.role,
        joined_at: record.created_at,
    }
}

/// List a tenant's projects, by their slugs: all for those who may see them, else those that one is in.
#[utoipa::path(
    get, path = "/tenants/{tenant}/projects", tag = "projects", operation_id = "list_projects",
    params(("tenant" = String, Path, description = "Its slug or id."), Filter),
    responses(
        (status = 200, description = "A page of them.", body = Page<Project>),
        super::answers::Guarded, super::answers::Ranked, super::answers::Named, super::answers::Read,
    )
)]
pub(super) async fn list(
    State(state): State<AppState>,
    Caller(caller): Caller,
    Path(tenant): Path<String>,
    Query(filter): Query<Filter>,
) -> Result<axum::Json<Page<Project>>, Problem> {
    let listing = Listing { search: filter.search, cursor: filter.cursor, limit: filter.limit };
    let page = state.app.projects(&caller, &tenant, &listing).await?;
    Ok(axum::Json(Page { items: page.items.into_iter().map(project).collect(), next: page.next }))
}

/// Make a project. Who makes it is its first maintainer.
#[utoipa::path(
    post, path = "/tenants/{tenant}/projects", tag = "projects", operation_id = "create_project",
    params(("tenant" = String, Path, description = "Its slug or id.")),
    request_body = NewProject,
    responses(
        (status = 201, description = "It is there.", body = Project),
        (status = 409, description = "The slug is taken, or there are 1,000 projects.", body = Problem, content_type = "application/problem+json"),
        super::answers::Guarded, super::answers::Ranked, super::answers::Named, super::answers::Read,
        super::answers::Sent,
    )
)]
pub(super) async fn create(
    State(state): State<AppState>,
    Caller(caller): Caller,
    Path(tenant): Path<String>,
    Json(body): Json<NewProject>,
) -> Result<(StatusCode, axum::Json<Project>), Problem> {
    let app = state.app.clone();
    let made =
        detached(async move { app.create_project(&caller, &tenant, &body.name, body.slug.as_deref()).await })
            .await?;
    Ok((StatusCode::CREATED, axum::Json(project(made))))
}

/// Get a project.
#[utoipa::path(
    get, path = "/tenants/{tenant}/projects/{project}", tag = "projects", operation_id = "get_project",
    params(
        ("tenant" = String, Path, description = "Its slug or id."),
        ("project" = String, Path, description = "The project's slug or id."),
    ),
    responses(
        (status = 200, description = "The project.", body = Project),
        super::answers::Guarded, super::answers::Ranked, super::answers::Named,
    )
)]
pub(super) async fn get(
    State(state): State<AppState>,
    Caller(caller): Caller,
    Path((tenant, reference)): Path<(String, String)>,
) -> Result<axum::Json<Project>, Problem> {
    Ok(axum::Json(project(state.app.project(&caller, &tenant, &reference).await?)))
}

/// Change a project's name.
#[utoipa::path(
    patch, path = "/tenants/{tenant}/projects/{project}", tag = "projects", operation_id = "update_project",
    params(
        ("tenant" = String, Path, description = "Its slug or id."),
        ("project" = String, Path, description = "The project's slug or id."),
    ),
    request_body = ProjectChange,
    responses(
        (status = 200, description = "As it is now.", body = Project),
        super::answers::Guarded, super::answers::Ranked, super::answers::Named, super::answers::Read,
        super::answers::Sent,
    )
)]
pub(super) async fn update(
    State(state): State<AppState>,
    Caller(caller): Caller,
    Path((tenant, reference)): Path<(String, String)>,
    Json(body): Json<ProjectChange>,
) -> Result<axum::Json<Project>, Problem> {
    let app = state.app.clone();
    let changed =
        detached(async move { app.update_project(&caller, &tenant, &reference, body.name.as_deref()).await })
            .await?;
    Ok(axum::Json(project(changed)))
}

/// Delete a project.
#[utoipa::path(
    delete, path = "/tenants/{tenant}/projects/{project}", tag = "projects", operation_id = "delete_project",
    params(
        ("tenant" = String, Path, description = "Its slug or id."),
        ("project" = String, Path, description = "The project's slug or id."),
    ),
    responses(
        (status = 204, description = "It is gone."),
        super::answers::Guarded, super::answers::Ranked, super::answers::Named,
    )
)]
pub(super) async fn delete(
    State(state): State<AppState>,
    Caller(caller): Caller,
    Path((tenant, reference)): Path<(String, String)>,
) -> Result<StatusCode, Problem> {
    let app = state.app.clone();
    detached(async move { app.delete_project(&caller, &tenant, &reference).await }).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// List who is in a project, by their addresses.
#[utoipa::path(
    get, path = "/tenants/{tenant}/projects/{project}/members", tag = "projects",
    operation_id = "list_project_members",
    params(
        ("tenant" = String, Path, description = "Its slug or id."),
        ("project" = String, Path, description = "The project's slug or id."),
        Part,
    ),
    responses(
        (status = 200, description = "A page of them.", body = Page<ProjectMember>),
        super::answers::Guarded, super::answers::Ranked, super::answers::Named, super::answers::Read,
    )
)]
pub(super) async fn members(
    State(state): State<AppState>,
    Caller(caller): Caller,
    Path((tenant, reference)): Path<(String, String)>,
    Query(part): Query<Part>,
) -> Result<axum::Json<Page<ProjectMember>>, Problem> {
    let (cursor, limit) = (part.cursor.as_deref(), part.limit.as_deref());
    let page = state.app.project_members(&caller, &tenant, &reference, cursor, limit).await?;
    Ok(axum::Json(Page { items: page.items.into_iter().map(project_member).collect(), next: page.next }))
}

/// Put a member of the tenant into a project, or give them another role in it.
#[utoipa::path(
    put, path = "/tenants/{tenant}/projects/{project}/members/{user}", tag = "projects",
    operation_id = "put_project_member",
    params(
        ("tenant" = String, Path, description = "Its slug or id."),
        ("project" = String, Path, description = "The project's slug or id."),
        ("user" = String, Path, description = "The member's id or address."),
    ),
    request_body = ProjectPlace,
    responses(
        (status = 200, description = "They are in it.", body = ProjectMember),
        (status = 409, description = "They left the tenant meanwhile.", body = Problem, content_type = "application/problem+json"),
        super::answers::Guarded, super::answers::Ranked, super::answers::Named, super::answers::Read,
        super::answers::Sent,
    )
)]
pub(super) async fn put_member(
    State(state): State<AppState>,
    Caller(caller): Caller,
    Path((tenant, reference, user)): Path<(String, String, String)>,
    Json(body): Json<ProjectPlace>,
) -> Result<axum::Json<ProjectMember>, Problem> {
    let app = state.app.clone();
    let put =
        detached(async move { app.put_project_member(&caller, &tenant, &reference, &user, body.role).await })
            .await?;
    Ok(axum::Json(project_member(put)))
}

/// Take a member out of a project; everybody may take themselves out.
#[utoipa::path(
    delete, path = "/tenants/{tenant}/projects/{project}/members/{user}", tag = "projects",
    operation_id = "remove_project_member",
    params(
        ("tenant" = String, Path, description = "Its slug or id."),
        ("project" = String, Path, description = "The project's slug or id."),
        ("user" = String, Path, description = "The member's id or address."),
    ),
    responses(
        (status = 204, description = "They are not in it any more."),
        super::answers::Guarded, super::answers::Ranked, super::answers::Named,
    )
)]
pub(super) async fn remove_member(
    State(state): State<AppState>,
    Caller(caller): Caller,
    Path((tenant, reference, user)): Path<(String, String, String)>,
) -> Result<StatusCode, Problem> {
    let app = state.app.clone();
    detached(async move { app.remove_project_member(&caller, &tenant, &reference, &user).await }).await?;
    Ok(StatusCode::NO_CONTENT)
}
