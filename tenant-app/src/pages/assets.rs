//! The style sheets and the icon: everybody may fetch them.

use axum::extract::State;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::IntoResponse;

use crate::web::colour::Colour;
use crate::web::state::Shared;

/// The sheet of all pages.
const STYLE: &str = include_str!("../../templates/app.css");
/// The darkest ground of the light scheme and the lightest of the dark one: what is seen on these is seen on
/// the others.
const LIGHT: Colour = Colour::new(0xf6, 0xf7, 0xf8);
const DARK: Colour = Colour::new(0x1b, 0x21, 0x27);

/// Pages name the sheet with its version, so it may be kept.
pub async fn app_css() -> impl IntoResponse {
    const HEADERS: [(axum::http::HeaderName, &str); 2] =
        [(CONTENT_TYPE, "text/css; charset=utf-8"), (CACHE_CONTROL, "public, max-age=86400")];
    (HEADERS, STYLE)
}

/// The tenant's own colours: they change without a new version of the app.
pub async fn tenant_css(State(app): State<Shared>) -> impl IntoResponse {
    let sheet = sheet_of(app.tenant.colour);
    ([(CONTENT_TYPE, "text/css; charset=utf-8"), (CACHE_CONTROL, "public, max-age=300")], sheet)
}

pub async fn icon(State(app): State<Shared>) -> impl IntoResponse {
    let colour = app.tenant.colour;
    let (ground, drop) = (colour.to_string(), colour.text());
    let icon = format!(
        "<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 32 32'><rect width='32' height='32' rx='7' \
         fill='{ground}'/><path fill='{drop}' d='M16 6c4 5 6 8 6 11a6 6 0 0 1-12 0c0-3 2-6 6-11z'/></svg>"
    );
    ([(CONTENT_TYPE, "image/svg+xml"), (CACHE_CONTROL, "public, max-age=300")], icon)
}

/// The tenant's colour as ground (`--accent`), what is read on it, and the same colour as far from the grounds
/// of each scheme as lines and marks must be (`--mark`).
fn sheet_of(colour: Colour) -> String {
    let (light, dark) = (colour.seen_on(LIGHT), colour.seen_on(DARK));
    format!(
        ":root {{ --accent: {colour}; --on-accent: {}; --mark: {light}; }}\n\
         @media (prefers-color-scheme: dark) {{ :root {{ --mark: {dark}; }} }}\n",
        colour.text()
    )
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    /// The colours that a sheet names, in the light scheme or in the dark one.
    fn colours(sheet: &str, dark: bool) -> BTreeMap<String, Colour> {
        let (_, own) = sheet.split_once(":root {").unwrap();
        let (_, in_the_dark) = sheet.split_once("(prefers-color-scheme: dark)").unwrap();
        let mut found = BTreeMap::new();
        for part in [Some(own), dark.then_some(in_the_dark)].into_iter().flatten() {
            let declared = part.split('}').next().unwrap().rsplit('{').next().unwrap();
            for (name, value) in declared.split(';').filter_map(|one| one.split_once(':')) {
                if let (Some(name), Ok(colour)) = (name.trim().strip_prefix("--"), value.trim().parse()) {
                    found.insert(name.to_owned(), colour);
                }
            }
        }
        found
    }

    /// WCAG 2: text 4.5 (1.4.3), what shows a control, its focus or a graph 3 (1.4.11, 2.4.7).
    #[test]
    fn whatever_colour_a_tenant_has_everything_can_be_seen() {
        for colour in ["#ffffff", "#000000", "#f2b705", "#2f5d50", "#808080", "#767676", "#ff0000", "#12161a"]
        {
            for dark in [false, true] {
                let mut all = colours(STYLE, dark);
                all.extend(colours(&sheet_of(colour.parse().unwrap()), dark));
                for (seen, grounds, least) in [
                    ("ink", &["paper", "card"][..], 4.5),
                    ("quiet", &["paper", "card"], 4.5),
                    ("bad", &["paper", "card", "bad-soft"], 4.5),
                    ("on-accent", &["accent"], 4.5),
                    ("edge", &["paper", "card"], 3.0),
                    ("mark", &["paper", "card"], 3.0),
                ] {
                    for ground in grounds {
                        let contrast = all[seen].contrast(all[*ground]);
                        assert!(
                            contrast >= least,
                            "{colour}, dark {dark}: {seen} on {ground} is {contrast:.2}"
                        );
                    }
                }
            }
        }
    }

    /// What marks a control is one of the colours that can be seen there.
    #[test]
    fn the_tenants_own_colour_is_a_ground_and_nothing_else() {
        for rule in STYLE.split('}') {
            let (selector, declared) = rule.rsplit_once('{').unwrap_or_default();
            for (name, value) in declared.split(';').filter_map(|one| one.split_once(':')) {
                let (name, value) = (name.trim(), value.trim());
                assert!(
                    !value.contains("var(--accent)") || name == "background",
                    "{selector}: {name}: {value}"
                );
                if name.starts_with("outline") && name != "outline-offset" {
                    let on_accent = selector.contains(".top") && value == "var(--on-accent)";
                    let hidden = value == "none" && selector.trim() == ".cover:focus-visible";
                    assert!(
                        on_accent || hidden || value.ends_with("var(--ink)"),
                        "{selector}: {name}: {value}"
                    );
                }
                if selector.contains("input, select, textarea") && name == "border" {
                    assert_eq!(value, "1px solid var(--edge)", "{selector}");
                }
            }
        }
        assert!(STYLE.contains(":focus-visible { outline: 3px solid var(--ink)"));
    }
}
