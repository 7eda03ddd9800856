//! The OpenAPI document, made of the handlers themselves, and the page that shows it without the internet.

use axum::Router;
use axum::http::{HeaderValue, header};
use tower_http::set_header::SetResponseHeaderLayer;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{Content, Ref, ResponseBuilder};
use utoipa::{Modify, OpenApi};
use utoipa_axum::router::OpenApiRouter;
use utoipa_swagger_ui::{Config, SwaggerUi};

use super::AppState;
use super::error::{PROBLEM_JSON, Problem};
use super::v1;

/// Where the document is.
pub const DOCUMENT: &str = "/api/v1/openapi.json";
/// Where the page is.
pub const PAGE: &str = "/api/docs";
/// The page brings its own scripts and styles; it styles elements in place and draws icons from data URLs.
const PAGE_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; \
                           img-src 'self' data:; font-src 'self' data:; connect-src 'self'; \
                           frame-ancestors 'none'; base-uri 'none'; form-action 'none'";

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Freehold",
        description = "Every tenant of a SaaS product in its own house: its own PostgreSQL, its own app, its own \
                       network, its own subdomain. What takes time answers 202 with an operation; whatever fails \
                       answers `application/problem+json`.",
        license(name = "Apache-2.0", identifier = "Apache-2.0")
    ),
    modifiers(&Bearer),
    security(("token" = [])),
    components(schemas(Problem)),
    tags(
        (name = "admins", description = "Platform admins: signing in."),
        (name = "auth", description = "Users: coming in, signing in, staying signed in."),
        (name = "users", description = "Users, as platform admins see and stop them."),
        (name = "me", description = "What users do about themselves."),
        (name = "keys", description = "API keys: a user's own, and those of tenants."),
        (name = "tenants", description = "Customers, each in a house of its own."),
        (name = "members", description = "Who belongs to a tenant, as what."),
        (name = "providers", description = "OpenID providers that people sign in by."),
        (name = "projects", description = "Parts of a tenant with members of their own."),
        (name = "invitations", description = "Places in a tenant that are offered by mail."),
        (name = "signups", description = "Wishes to join a tenant, or to open one."),
        (name = "operations", description = "What people see of a change."),
        (name = "catalogue", description = "Plans and releases that tenants can be given."),
        (name = "audit", description = "What was done, by whom, and the proof that nothing of it is missing."),
        (name = "mails", description = "What was sent, waits or was given up."),
        (name = "platform", description = "How the platform itself is."),
    )
)]
struct Document;

struct Bearer;

impl Modify for Bearer {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let scheme = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .bearer_format("JWT")
            .description(Some("The token that signing in or `freehold token` gives, or an API key."))
            .build();
        document
            .components
            .get_or_insert_default()
            .add_security_scheme("token", SecurityScheme::Http(scheme));
    }
}

/// The API's routes together with their description.
pub(super) fn router(_: &AppState) -> OpenApiRouter<AppState> {
    let mut router = OpenApiRouter::with_openapi(Document::openapi()).nest("/api/v1", v1::router());
    may_be_too_much(router.get_openapi_mut());
    router
}

/// Adds the one answer that every operation has, because it is given before any of them is asked.
fn may_be_too_much(document: &mut utoipa::openapi::OpenApi) {
    let problem = Content::new(Some(Ref::from_schema_name("Problem")));
    let answer = ResponseBuilder::new()
        .description("Too many requests; `Retry-After` says in how many seconds to try again.")
        .content(PROBLEM_JSON, problem)
        .build();
    for item in document.paths.paths.values_mut() {
        let operations = [&mut item.get, &mut item.put, &mut item.post, &mut item.delete, &mut item.patch];
        for operation in operations.into_iter().flatten() {
            let answers = &mut operation.responses.responses;
            answers.entry("429".to_owned()).or_insert_with(|| answer.clone().into());
        }
    }
}

/// The document and its page.
pub(super) fn pages(document: utoipa::openapi::OpenApi) -> Router<AppState> {
    // Nothing is sent to the validator on the internet that the page would ask otherwise.
    let config = Config::from(DOCUMENT).validator_url("none").try_it_out_enabled(true);
    let page: Router<AppState> = SwaggerUi::new(PAGE).url(DOCUMENT, document).config(config).into();
    page.layer(SetResponseHeaderLayer::overriding(
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static(PAGE_POLICY),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document() -> serde_json::Value {
        let (_, document) =
            OpenApiRouter::with_openapi(Document::openapi()).nest("/api/v1", v1::router()).split_for_parts();
        serde_json::to_value(document).expect("json")
    }

    #[test]
    fn the_document_is_3_1_and_whole() {
        let document = document();
        assert_eq!(document["openapi"], "3.1.0");
        let paths = document["paths"].as_object().expect("paths");
        for (path, method) in [
            ("/api/v1/admin/sessions", "post"),
            ("/api/v1/auth/login", "post"),
            ("/api/v1/me", "get"),
            ("/api/v1/tenants", "post"),
            ("/api/v1/tenants", "get"),
            ("/api/v1/tenants/{tenant}", "patch"),
            ("/api/v1/tenants/{tenant}", "delete"),
            ("/api/v1/tenants/{tenant}/suspend", "post"),
            ("/api/v1/operations/{operation}/events", "get"),
            ("/api/v1/plans", "get"),
            ("/api/v1/releases/{release}", "get"),
            ("/api/v1/status", "get"),
        ] {
            assert!(paths.get(path).is_some_and(|item| item.get(method).is_some()), "{method} {path}");
        }
        // Every reference leads somewhere.
        let text = document.to_string();
        for reference in text.split("\"$ref\":\"#").skip(1) {
            let pointer = reference.split('"').next().unwrap_or_default();
            assert!(document.pointer(pointer).is_some(), "{pointer} is nowhere in the document");
        }
    }

    #[test]
    fn words_are_described_as_they_are_sent() {
        let document = document();
        for status in crate::model::tenant::Status::ALL {
            let described = document["components"]["schemas"]["Status"]["enum"].as_array().expect("words");
            assert!(described.contains(&serde_json::json!(status)), "{status} is not in {described:?}");
        }
    }

    #[test]
    fn every_operation_is_named_once_and_says_how_it_fails() {
        let document = document();
        let mut names = std::collections::BTreeSet::new();
        for (path, item) in document["paths"].as_object().expect("paths") {
            for (method, operation) in item.as_object().expect("operations") {
                let name = operation["operationId"].as_str().expect("operationId").to_owned();
                assert!(names.insert(name.clone()), "{name} twice");
                let responses = operation["responses"].as_object().expect("responses");
                let fails = responses.keys().any(|status| status.starts_with('4'));
                assert!(fails, "{method} {path} names no failure");
            }
        }
    }
}
