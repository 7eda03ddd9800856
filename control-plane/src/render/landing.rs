//! The platform's own front pages. Each is whole by itself, without anything to be fetched.

use serde::Serialize;

use super::{Error, page};

/// What the front pages are filled with.
#[derive(Debug, Clone, Serialize)]
pub struct FrontPage<'a> {
    /// Public address of the apex, without a slash at its end.
    pub apex_url: &'a str,
    /// Public address of the console, likewise.
    pub admin_url: &'a str,
    /// Where a tenant of the example's name would be reached.
    pub example_url: &'a str,
    /// Path of the page that shows the API.
    pub docs_path: &'a str,
    /// Path of the OpenAPI document.
    pub document_path: &'a str,
    pub version: &'a str,
}

/// The page at the apex, for whoever comes by.
///
/// # Errors
/// A mistake in the template.
pub fn landing(context: &FrontPage<'_>) -> Result<String, Error> {
    page("pages/landing.html", context)
}

/// The page on the admin host, for operators.
///
/// # Errors
/// A mistake in the template.
pub fn admin(context: &FrontPage<'_>) -> Result<String, Error> {
    page("pages/admin.html", context)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_pages_link_to_the_api_and_fetch_nothing() {
        let sample = FrontPage {
            apex_url: "http://freehold.localhost:8080",
            admin_url: "http://admin.freehold.localhost:8080",
            example_url: "http://acme.freehold.localhost:8080",
            docs_path: "/api/docs",
            document_path: "/api/v1/openapi.json",
            version: "1.2.3",
        };
        for text in [landing(&sample).expect("landing"), admin(&sample).expect("admin")] {
            assert!(text.contains("/api/docs") && text.contains("admin.freehold.localhost:8080"), "{text}");
            assert!(
                !text.contains("<script") && !text.contains(" src=") && !text.contains("<link"),
                "{text}"
            );
        }
    }
}
