//! Pages for people: each is whole by itself, without anything to be fetched.

use serde::Serialize;

use super::{Error, page};

/// What the gateway says in place of a tenant.
#[derive(Debug, Clone, Serialize)]
pub struct GatewayPage<'a> {
    pub status: u16,
    pub title: &'a str,
    pub detail: &'a str,
    /// The tenant's display name, chosen by anybody.
    pub name: Option<&'a str>,
    /// After how many seconds the page asks again by itself.
    pub refresh: Option<u32>,
    /// By which the operators find the request in their logs.
    pub request_id: &'a str,
}

/// The gateway's page.
///
/// # Errors
/// A mistake in the template.
pub fn gateway(context: &GatewayPage<'_>) -> Result<String, Error> {
    page("pages/gateway.html", context)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_text_whatever_is_in_it() {
        let name = "</title><script>alert(1)</script>\" onload='x";
        let sample = GatewayPage {
            status: 503,
            title: "Waking up",
            detail: "It will be there in a moment.",
            name: Some(name),
            refresh: Some(3),
            request_id: "<b>",
        };
        let text = gateway(&sample).expect("the page renders");
        assert!(!text.contains("<script") && !text.contains("<b>") && !text.contains("onload='"), "{text}");
        assert!(text.contains(r#"http-equiv="refresh" content="3""#), "{text}");
        assert!(!text.contains("http://") && !text.contains("https://"), "nothing is fetched: {text}");

        let lasting = gateway(&GatewayPage { name: None, refresh: None, request_id: "", ..sample })
            .expect("the page renders without what is optional");
        assert!(!lasting.contains("refresh"), "{lasting}");
    }
}
