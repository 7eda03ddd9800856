//! Tenants: made, listed, changed and deleted. What takes time answers 202 with the operation that does it.

use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use sha2::{Digest, Sha256};
use utoipa::IntoParams;

use super::convert;
use super::types::{NewTenant, Page, Tenant, TenantChange, TenantChanged};
use crate::app::tenants::{Change, Changed, Created, Draft, Idempotency, Listing, Removal};
use crate::app::whereabouts::Verb;
use crate::app::{self, rules};
use crate::http::caller::Caller;
use crate::http::error::Problem;
use crate::http::extract::{Json, Path, Query};
use crate::http::{AppState, detached, etag};

static IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
static REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

/// Which tenants to list, and how.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Filter {
    /// Part of the name or slug.
    search: Option<String>,
    /// One or more statuses, joined by commas.
    #[param(example = "running,asleep")]
    state: Option<String>,
    /// The name of a plan.
    plan: Option<String>,
    /// `name`, `slug` or `created`, with a `-` in front for the other way round. The newest come first unless said.
    #[param(example = "-created")]
    sort: Option<String>,
    /// What the page before gave as `next`.
    cursor: Option<String>,
    /// Items of a page: 1 to 200, 50 unless said.
    #[param(example = "50")]
    limit: Option<String>,
}

/// List tenants.
#[utoipa::path(
    get, path = "/tenants", tag = "tenants", operation_id = "list_tenants", params(Filter),
    responses((status = 200, description = "A page of them.", body = Page<Tenant>), super::answers::Guarded, super::answers::Read)
)]
pub(super) async fn list(
    State(state): State<AppState>,
    Caller(caller): Caller,
    Query(filter): Query<Filter>,
) -> Result<axum::Json<Page<Tenant>>, Problem> {
    let listing = Listing {
        search: filter.search,
        states: filter.state,
        plan: filter.plan,
        sort: filter.sort,
        cursor: filter.cursor,
        limit: filter.limit,
    };
    let page = state.app.tenants(&caller, &listing).await?;
    let items = page.items.iter().map(|tenant| convert::tenant(state.app.settings(), tenant)).collect();
    Ok(axum::Json(Page { items, next: page.next }))
}

/// Make a tenant.
#[utoipa::path(
    post, path = "/tenants", tag = "tenants", operation_id = "create_tenant",
    request_body = NewTenant,
    params(("Idempotency-Key" = Option<String>, Header, description = "Sent again with the same body, it answers the same and makes nothing twice. Kept for a day at least.")),
    responses(
        (status = 202, description = "Its house is being made.", body = TenantChanged, headers(("Location" = String, description = "The tenant."))),
        (status = 409, description = "The slug is taken.", body = Problem, content_type = "application/problem+json"),
        super::answers::Guarded, super::answers::Read, super::answers::Sent,
    )
)]
pub(super) async fn create(
    State(state): State<AppState>,
    Caller(caller): Caller,
    headers: HeaderMap,
    Json(body): Json<NewTenant>,
) -> Result<Response, Problem> {
    let idempotency = idempotency(&headers, &body)?;
    let app = state.app.clone();
    let draft = Draft {
        name: body.name,
        slug: body.slug,
        plan: body.plan,
        settings: body.settings.unwrap_or_default(),
        release: body.release,
    };
    let created = detached(async move {
        let settings = app.settings().clone();
        let answer = move |changed: &Changed| {
            serde_json::to_value(convert::changed(&settings, changed)).map_err(app::Error::internal)
        };
        app.create_tenant(&caller, draft, idempotency, answer).await
    })
    .await?;
    let Created { answer, replayed } = created;
    let location =
        answer.pointer("/tenant/id").and_then(|id| id.as_str()).map(|id| format!("/api/v1/tenants/{id}"));
    let mut response = (StatusCode::ACCEPTED, axum::Json(&answer)).into_response();
    if let Some(location) = location.and_then(|text| HeaderValue::from_str(&text).ok()) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    if replayed {
        response.headers_mut().insert(REPLAYED.clone(), HeaderValue::from_static("true"));
    }
    Ok(response)
}

/// The key a client sent, bound to what it sent with it.
fn idempotency(headers: &HeaderMap, body: &NewTenant) -> Result<Option<Idempotency>, app::Error> {
    let Some(key) = single(headers, &IDEMPOTENCY_KEY, "Idempotency-Key")? else { return Ok(None) };
    let key = rules::idempotency_key(key).map_err(|message| app::Error::wrong("Idempotency-Key", message))?;
    let text = serde_json::to_vec(body).map_err(app::Error::internal)?;
    let mut hash = Sha256::new();
    hash.update(b"POST /api/v1/tenants\n");
    hash.update(text);
    Ok(Some(Idempotency { key, request_hash: hex::encode(hash.finalize()) }))
}

/// Get a tenant by its slug or id.
#[utoipa::path(
    get, path = "/tenants/{tenant}", tag = "tenants", operation_id = "get_tenant",
    params(("tenant" = String, Path, description = "Its slug or id.")),
    responses(
        (status = 200, description = "The tenant.", body = Tenant, headers(("ETag" = String, description = "Its generation."))),
        super::answers::Guarded, super::answers::Named,
    )
)]
pub(super) async fn get(
    State(state): State<AppState>,
    Caller(caller): Caller,
    Path(reference): Path<String>,
) -> Result<Response, Problem> {
    let tenant = state.app.tenant(&caller, &reference).await?;
    let tenant = convert::tenant(state.app.settings(), &tenant);
    Ok(([(header::ETAG, etag(tenant.generation))], axum::Json(tenant)).into_response())
}

/// Change a tenant's name, settings, plan, release or desired state.
#[utoipa::path(
    patch, path = "/tenants/{tenant}", tag = "tenants", operation_id = "update_tenant",
    request_body = TenantChange,
    params(
        ("tenant" = String, Path, description = "Its slug or id."),
        ("If-Match" = Option<String>, Header, description = "The `ETag` it was read with; 412 when it has changed since."),
    ),
    responses(
        (status = 202, description = "It is on its way.", body = TenantChanged),
        (status = 200, description = "It was so already.", body = TenantChanged),
        (status = 412, description = "It has changed since it was read.", body = Problem, content_type = "application/problem+json"),
        super::answers::Guarded, super::answers::Named, super::answers::Read, super::answers::Sent, super::answers::Changing,
    )
)]
pub(super) async fn update(
    State(state): State<AppState>,
    Caller(caller): Caller,
    Path(reference): Path<String>,
    headers: HeaderMap,
    Json(body): Json<TenantChange>,
) -> Result<Response, Problem> {
    let expected = if_match(&headers)?;
    let change = Change {
        name: body.name,
        settings: body.settings,
        plan: body.plan,
        release: body.release,
        desired: body.desired_state,
    };
    let app = state.app.clone();
    let changed =
        detached(async move { app.update_tenant(&caller, &reference, change, expected).await }).await?;
    Ok(answer(&state, &changed))
}

/// The value of a header that may be there once; nothing is left of a value that is no text.
fn single<'a>(headers: &'a HeaderMap, name: &HeaderName, shown: &str) -> Result<Option<&'a str>, app::Error> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (value, None) => Ok(value.map(|value| value.to_str().unwrap_or_default())),
        (_, Some(_)) => Err(app::Error::wrong(shown, "it is given twice")),
    }
}

/// The generation that a client has seen; `*` stands for any.
fn if_match(headers: &HeaderMap) -> Result<Option<i64>, app::Error> {
    let Some(text) = single(headers, &header::IF_MATCH, "If-Match")? else { return Ok(None) };
    let text = text.trim();
    if text == "*" {
        return Ok(None);
    }
    let inner = text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    match inner.unwrap_or(text).parse::<i64>() {
        Ok(generation) => Ok(Some(generation)),
        Err(_) => Err(app::Error::wrong("If-Match", "the ETag of a tenant is expected")),
    }
}

fn answer(state: &AppState, changed: &Changed) -> Response {
    let status = if changed.operation.is_some() { StatusCode::ACCEPTED } else { StatusCode::OK };
    let body = convert::changed(state.app.settings(), changed);
    (status, [(header::ETAG, etag(body.tenant.generation))], axum::Json(body)).into_response()
}

async fn go(
    state: AppState,
    caller: app::Caller,
    reference: String,
    verb: Verb,
) -> Result<Response, Problem> {
    let app = state.app.clone();
    let changed = detached(async move { app.move_tenant(&caller, &reference, verb).await }).await?;
    Ok(answer(&state, &changed))
}

macro_rules! verbs {
    ($($(#[$doc:meta])* $name:ident($verb:ident, $path:literal, $id:literal);)+) => { $(
        $(#[$doc])*
        #[utoipa::path(
            post, path = $path, tag = "tenants", operation_id = $id,
            params(("tenant" = String, Path, description = "Its slug or id.")),
            responses(
                (status = 202, description = "It is on its way.", body = TenantChanged),
                (status = 200, description = "It was so already.", body = TenantChanged),
                super::answers::Guarded, super::answers::Named, super::answers::Changing,
            )
        )]
        pub(super) async fn $name(
            State(state): State<AppState>,
            Caller(caller): Caller,
            Path(reference): Path<String>,
        ) -> Result<Response, Problem> {
            go(state, caller, reference, Verb::$verb).await
        }
    )+ };
}

verbs! {
    /// Serve a tenant no longer, by decision. Its data stays.
    suspend(Suspend, "/tenants/{tenant}/suspend", "suspend_tenant");
    /// Serve a suspended tenant again.
    resume(Resume, "/tenants/{tenant}/resume", "resume_tenant");
    /// Stop a tenant's containers until its first request.
    sleep(Sleep, "/tenants/{tenant}/sleep", "sleep_tenant");
    /// Start a sleeping tenant.
    wake(Wake, "/tenants/{tenant}/wake", "wake_tenant");
    /// Take a deletion back, before the retention has passed.
    restore(Restore, "/tenants/{tenant}/restore", "restore_tenant");
    /// Have a stuck tenant tried again, once somebody has looked.
    retry(Retry, "/tenants/{tenant}/retry", "retry_tenant");
}

/// How a tenant is deleted.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct DeleteHow {
    /// `true`: its data goes at once, and nothing can be restored. `slug` must be given then.
    #[param(example = "false")]
    erase: Option<String>,
    /// The tenant's slug repeated, to say that it is meant.
    slug: Option<String>,
}

/// Delete a tenant. Its data is kept for the retention time unless it is to be erased.
#[utoipa::path(
    delete, path = "/tenants/{tenant}", tag = "tenants", operation_id = "delete_tenant",
    params(("tenant" = String, Path, description = "Its slug or id."), DeleteHow),
    responses(
        (status = 202, description = "It is going.", body = TenantChanged),
        (status = 200, description = "It was deleted already.", body = TenantChanged),
        super::answers::Guarded, super::answers::Named, super::answers::Read, super::answers::Changing,
    )
)]
pub(super) async fn delete(
    State(state): State<AppState>,
    Caller(caller): Caller,
    Path(reference): Path<String>,
    Query(how): Query<DeleteHow>,
) -> Result<Response, Problem> {
    let erase = match how.erase.as_deref() {
        None | Some("false") => false,
        Some("true") => true,
        Some(_) => return Err(Problem::invalid().field("erase", "true or false")),
    };
    let removal = if erase { Removal::Erase { repeated: how.slug } } else { Removal::Keep };
    let app = state.app.clone();
    let changed = detached(async move { app.delete_tenant(&caller, &reference, removal).await }).await?;
    Ok(answer(&state, &changed))
}
