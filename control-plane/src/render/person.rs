//! The pages on which people sign in, prove what they must and ask to join: one template, a form at the most on each.
//!
//! They hold no script and fetch nothing. What is wrong is said at the top with a link to its field, and at the field.

use serde::Serialize;

use super::{Error, page};
use crate::model::colour::Colour;

/// Freehold's own colour.
const OWN: Colour = Colour::new(0x2f, 0x6f, 0x5e);
/// The darkest ground of the light scheme and the lightest of the dark one, as the template has them: what can be read
/// on these can be read on the others, and white or nearly black on it.
const LIGHT: Colour = Colour::new(0xf5, 0xf3, 0xee);
const DARK: Colour = Colour::new(0x1c, 0x20, 0x27);

/// In whose name and colours a page is.
#[derive(Debug, Clone, Serialize)]
pub struct Look {
    name: String,
    brand: String,
    light: String,
    dark: String,
}

impl Look {
    /// A tenant's.
    #[must_use]
    pub fn of(name: &str, colour: Option<Colour>) -> Self {
        let colour = colour.unwrap_or(OWN);
        Self {
            name: name.to_owned(),
            brand: colour.to_string(),
            light: colour.readable_on(LIGHT).to_string(),
            dark: colour.readable_on(DARK).to_string(),
        }
    }
}

impl Default for Look {
    /// Freehold's own.
    fn default() -> Self {
        Self::of("Freehold", None)
    }
}

/// What is typed into a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    Email,
    Password,
    Text,
    /// Several lines; may be left empty.
    Lines,
    Checkbox,
}

/// A field of a form.
#[derive(Clone, Serialize)]
pub struct Field {
    /// Its name and its id.
    name: &'static str,
    label: &'static str,
    kind: Kind,
    /// What a browser may fill in, in HTML's words.
    autocomplete: &'static str,
    inputmode: Option<&'static str>,
    /// Most characters.
    longest: usize,
    value: String,
    hint: Option<&'static str>,
    error: Option<String>,
    describedby: Option<String>,
}

impl Field {
    #[must_use]
    pub fn new(kind: Kind, name: &'static str, label: &'static str, longest: usize) -> Self {
        Self {
            name,
            label,
            kind,
            autocomplete: "off",
            inputmode: None,
            longest,
            value: String::new(),
            hint: None,
            error: None,
            describedby: None,
        }
    }

    #[must_use]
    pub fn autocomplete(self, autocomplete: &'static str) -> Self {
        Self { autocomplete, ..self }
    }

    #[must_use]
    pub fn inputmode(self, inputmode: &'static str) -> Self {
        Self { inputmode: Some(inputmode), ..self }
    }

    /// What it holds already. Of a checkbox: anything, if it is ticked. Never shown of a password.
    #[must_use]
    pub fn value(self, value: impl Into<String>) -> Self {
        let value = if self.kind == Kind::Password { String::new() } else { value.into() };
        Self { value, ..self }
    }

    #[must_use]
    pub fn hint(self, hint: &'static str) -> Self {
        Self { hint: Some(hint), ..self }
    }

    fn described(&mut self) {
        let of = |what: &str| format!("{}-{what}", self.name);
        let parts: Vec<String> = [self.hint.map(|_| of("hint")), self.error.as_ref().map(|_| of("error"))]
            .into_iter()
            .flatten()
            .collect();
        self.describedby = (!parts.is_empty()).then(|| parts.join(" "));
    }
}

/// What is sent along unseen.
#[derive(Clone, Serialize)]
struct Hidden {
    name: String,
    value: String,
}

/// A form, and what its button says.
#[derive(Clone, Serialize)]
pub struct Form {
    action: String,
    submit: &'static str,
    hidden: Vec<Hidden>,
    fields: Vec<Field>,
}

impl Form {
    #[must_use]
    pub fn new(action: impl Into<String>, submit: &'static str) -> Self {
        Self { action: action.into(), submit, hidden: Vec::new(), fields: Vec::new() }
    }

    #[must_use]
    pub fn field(mut self, field: Field) -> Self {
        self.fields.push(field);
        self
    }

    #[must_use]
    pub fn hidden(mut self, name: &str, value: &str) -> Self {
        self.hidden.push(Hidden { name: name.to_owned(), value: value.to_owned() });
        self
    }
}

/// A way on.
#[derive(Debug, Clone, Serialize)]
struct Link {
    href: String,
    text: String,
}

/// A picture, and what it says to those who do not see it.
#[derive(Clone, Serialize)]
struct Picture {
    source: String,
    says: &'static str,
}

/// One thing that is wrong.
#[derive(Debug, Clone, Serialize)]
struct Mistake {
    /// The field that it is wrong in, if it is in one of them.
    field: Option<&'static str>,
    message: String,
}

/// A page.
#[derive(Clone, Serialize)]
pub struct PersonPage {
    look: Look,
    heading: String,
    errors: Vec<Mistake>,
    lead: Vec<String>,
    picture: Option<Picture>,
    codes: Vec<String>,
    places: Vec<Link>,
    offers: Vec<Link>,
    form: Option<Form>,
    /// What the form stands behind, where most do not need it.
    folded: Option<&'static str>,
    onward: Option<Link>,
    links: Vec<Link>,
    nonce: String,
}

impl PersonPage {
    #[must_use]
    pub fn new(look: Look, heading: impl Into<String>) -> Self {
        Self {
            look,
            heading: heading.into(),
            errors: Vec::new(),
            lead: Vec::new(),
            picture: None,
            codes: Vec::new(),
            places: Vec::new(),
            offers: Vec::new(),
            form: None,
            folded: None,
            onward: None,
            links: Vec::new(),
            nonce: String::new(),
        }
    }

    #[must_use]
    pub fn lead(mut self, paragraph: impl Into<String>) -> Self {
        self.lead.push(paragraph.into());
        self
    }

    /// A picture out of the page itself: `source` is an address of its data.
    #[must_use]
    pub fn picture(self, source: String, says: &'static str) -> Self {
        Self { picture: Some(Picture { source, says }), ..self }
    }

    /// A text that people copy to the letter.
    #[must_use]
    pub fn code(mut self, code: impl Into<String>) -> Self {
        self.codes.push(code.into());
        self
    }

    #[must_use]
    pub fn form(self, form: Form) -> Self {
        Self { form: Some(form), ..self }
    }

    /// The way that most will go on, where there is no form.
    #[must_use]
    pub fn onward(self, href: impl Into<String>, text: impl Into<String>) -> Self {
        Self { onward: Some(Link { href: href.into(), text: text.into() }), ..self }
    }

    #[must_use]
    pub fn link(mut self, href: impl Into<String>, text: impl Into<String>) -> Self {
        self.links.push(Link { href: href.into(), text: text.into() });
        self
    }

    /// A place to go to, in a list of such.
    #[must_use]
    pub fn place(mut self, href: impl Into<String>, text: impl Into<String>) -> Self {
        self.places.push(Link { href: href.into(), text: text.into() });
        self
    }

    /// Another way to the same as the form's, in a list of such.
    #[must_use]
    pub fn offer(mut self, href: impl Into<String>, text: impl Into<String>) -> Self {
        self.offers.push(Link { href: href.into(), text: text.into() });
        self
    }

    /// Puts the form behind a line that opens it; it is open where something in it is wrong.
    #[must_use]
    pub fn folded(self, behind: &'static str) -> Self {
        Self { folded: Some(behind), ..self }
    }

    /// Says what is wrong, at the field of this name if the form has it.
    #[must_use]
    pub fn wrong(mut self, field: &str, message: impl Into<String>) -> Self {
        let message = sentence(&message.into());
        let fields = self.form.iter_mut().flat_map(|form| &mut form.fields);
        let found = fields.into_iter().find(|one| one.name == field).map(|one| {
            one.error = Some(message.clone());
            one.name
        });
        self.errors.push(Mistake { field: found, message });
        self
    }

    /// The page. Its style is the one that this nonce allows.
    ///
    /// # Errors
    /// A mistake in the template.
    pub fn render(mut self, nonce: &str) -> Result<String, Error> {
        nonce.clone_into(&mut self.nonce);
        self.form.iter_mut().flat_map(|form| &mut form.fields).for_each(Field::described);
        page("pages/person.html", &self)
    }
}

/// A reason as the rest of the program gives it, as people read it.
#[must_use]
pub fn sentence(text: &str) -> String {
    let mut rest = text.chars();
    let first: String = rest.next().map(|first| first.to_uppercase().collect()).unwrap_or_default();
    let end = if text.ends_with(['.', '?', '!']) { "" } else { "." };
    format!("{first}{}{end}", rest.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Everything that a page can hold, with this where a text of somebody else's making goes.
    fn sample(text: &str) -> PersonPage {
        let form = Form::new("/sign-in", "Sign in")
            .hidden("to", text)
            .field(Field::new(Kind::Email, "email", "Email", 254).autocomplete("username").value(text))
            .field(Field::new(Kind::Password, "password", "Password", 1024).hint("Hint").value("hunter2"))
            .field(Field::new(Kind::Lines, "message", "Message", 1000).value(text))
            .field(Field::new(Kind::Checkbox, "remember", "Stay signed in", 3).value("yes"));
        PersonPage::new(Look::of(text, "#ffee00".parse().ok()), format!("Sign in to {text}"))
            .lead(text)
            .picture(text.to_owned(), "A picture")
            .code(text)
            .place("/there", text)
            .offer("/sign-in/with/x", text)
            .form(form)
            .onward("/there", text)
            .link("/forgot-password", text)
            .wrong("email", text)
            .wrong("", text)
    }

    #[test]
    fn a_text_is_text_whatever_is_in_it() {
        let hostile = "</title></style></textarea><script>alert(1)</script>\" onfocus='x' {{ 7 * 7 }}";
        let text = sample(hostile).render("abc").expect("it renders");
        for element in ["<script", "onfocus='x'", "</textarea><", "</style></"] {
            assert!(!text.contains(element), "{element}: {text}");
        }
        assert_eq!(text.matches("{{ 7 * 7 }}").count(), hostile_places(&text), "nothing of it is evaluated");
        assert!(!text.contains("hunter2"), "no password is ever shown: {text}");
        assert!(!text.contains("http://") && !text.contains("https://"), "nothing is fetched: {text}");
    }

    fn hostile_places(text: &str) -> usize {
        text.matches("alert(1)").count()
    }

    #[test]
    fn what_is_wrong_is_linked_to_its_field_and_said_there() {
        let text = sample("it is wrong").render("abc").expect("it renders");
        for part in [
            "<title>Error: ",
            r##"<a href="#email">It is wrong.</a>"##,
            "<li>It is wrong.</li>",
            r#"<p class="wrong" id="email-error">It is wrong.</p>"#,
            r#"aria-describedby="email-error" aria-invalid="true""#,
            r#"aria-describedby="password-hint""#,
            r#"<style nonce="abc">"#,
            r#"<html lang="en">"#,
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
        for name in ["email", "password", "message", "remember"] {
            assert!(text.contains(&format!(r#"<label for="{name}">"#)), "{name} has no label");
        }
        assert!(!text.contains("placeholder"));
        let folded = |page: PersonPage| page.folded("For owners").render("abc").expect("it renders");
        let text = folded(sample("x"));
        assert!(text.contains("<details open>\n<summary>For owners</summary>"), "{text}");
        let form = Form::new("/sign-in", "Sign in");
        let text = folded(PersonPage::new(Look::default(), "Hello").form(form));
        assert!(text.contains("<details>") && text.contains("</details>"), "nothing is wrong: {text}");
        let calm = PersonPage::new(Look::default(), "Hello").render("abc").expect("it renders");
        for none in ["<form", "<a ", "<ul", "role=\"alert\"", "Error"] {
            assert!(!calm.contains(none), "{none}: {calm}");
        }
    }

    #[test]
    fn whatever_colour_a_tenant_has_it_can_be_read() {
        for colour in ["#ffffff", "#000000", "#ffee00", "#2f6f5e", "#808080", "#ff0000"] {
            let look = Look::of("Acme", colour.parse().ok());
            let contrast = |one: &str, other: &str| {
                let of = |text: &str| text.parse::<Colour>().expect("a colour");
                of(one).contrast(of(other))
            };
            for (text, ground) in [
                (look.light.as_str(), "#ffffff"),
                (&look.light, "#f5f3ee"),
                (&look.dark, "#1c2027"),
                (&look.dark, "#14171c"),
                (&look.dark, "#0b0e12"),
                // Of the template itself.
                ("#56606d", "#ffffff"),
                ("#a8aeb6", "#1c2027"),
                ("#b3261e", "#fdecea"),
                ("#ff9a90", "#3a1d1b"),
            ] {
                assert!(contrast(text, ground) >= 4.5, "{colour}: {text} on {ground}");
            }
        }
    }
}
