//! The pages for people over real HTTP: what a browser does with them, its forms and its cookies. Themes are in files of
//! their own.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use control_plane::app::Settings;
use tokio::net::TcpListener;
use tokio_util::task::AbortOnDropHandle;

use super::World;
use crate::support::visitor::{self, Answer, Visitor};

/// An API that listens, at the address that its settings tell.
pub(super) struct Site {
    pub world: World,
    pub address: SocketAddr,
    _task: AbortOnDropHandle<()>,
}

impl Site {
    pub(super) async fn start() -> Self {
        Self::start_with(|_| {}).await
    }

    pub(super) async fn start_with(change: impl FnOnce(&mut Settings)) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let world = World::start_with(|settings| {
            settings.port = address.port();
            change(settings);
        })
        .await;
        let router = world.router.clone();
        let task = tokio::spawn(async move { axum::serve(listener, router).await.expect("it serves") });
        Self { world, address, _task: AbortOnDropHandle::new(task) }
    }

    pub(super) fn host(&self) -> String {
        format!("freehold.localhost:{}", self.address.port())
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}", self.host())
    }

    /// A browser that nobody has used yet.
    pub(super) fn window(&self) -> Window<'_> {
        Window { site: self, cookies: BTreeMap::new(), from: "203.0.113.7".to_owned() }
    }
}

/// What a browser does, without its eyes: it keeps cookies, and posts forms as they stand on the page.
#[derive(Clone)]
pub(super) struct Window<'a> {
    site: &'a Site,
    pub cookies: BTreeMap<String, String>,
    /// Where it is, as the edge would say.
    pub from: String,
}

impl Window<'_> {
    pub(super) async fn get(&mut self, path: &str) -> Answer {
        self.send("GET", path, "", &[]).await
    }

    /// The same with what a browser says of where the link to it is.
    pub(super) async fn get_from(&mut self, path: &str, lines: &[&str]) -> Answer {
        self.send("GET", path, "", lines).await
    }

    /// Fills a page's form in and posts it.
    pub(super) async fn submit(&mut self, page: &Answer, typed: &[(&str, &str)]) -> Answer {
        let (action, mut fields) = form(&page.body);
        fields.extend(typed.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        self.post(&action, &fields).await
    }

    /// Posts a form as one of our own pages has it posted.
    pub(super) async fn post(&mut self, path: &str, fields: &[(String, String)]) -> Answer {
        let origin = format!("Origin: {}", self.site.url());
        self.post_from(path, fields, &["Sec-Fetch-Site: same-origin", &origin]).await
    }

    /// The same with what a browser says of where the form comes from.
    pub(super) async fn post_from(
        &mut self,
        path: &str,
        fields: &[(String, String)],
        lines: &[&str],
    ) -> Answer {
        let body: Vec<String> =
            fields.iter().map(|(name, value)| format!("{name}={}", encoded(value))).collect();
        self.send("POST", path, &body.join("&"), lines).await
    }

    async fn send(&mut self, method: &str, path: &str, body: &str, lines: &[&str]) -> Answer {
        let mut head = format!(
            "{method} {path} HTTP/1.1\r\nHost: {}\r\nX-Forwarded-For: {}",
            self.site.host(),
            self.from
        );
        head.push_str(
            "\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
        );
        if !self.cookies.is_empty() {
            let pairs: Vec<String> =
                self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
            head.push_str(&format!("\r\nCookie: {}", pairs.join("; ")));
        }
        if method == "POST" {
            head.push_str(&format!(
                "\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: {}",
                body.len()
            ));
        }
        for line in lines {
            head.push_str(&format!("\r\n{line}"));
        }
        let mut connection = Visitor::at(self.site.address).await;
        connection.send(format!("{head}\r\n\r\n{body}")).await;
        let answer = connection.answer().await;
        for line in answer.head.lines().filter(|line| line.to_ascii_lowercase().starts_with("set-cookie:")) {
            let cookie = line.split_once(':').expect("a header").1.trim();
            let (name, value) =
                cookie.split(';').next().and_then(|pair| pair.split_once('=')).expect("a pair");
            if cookie.contains("Max-Age=0") {
                self.cookies.remove(name);
            } else {
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
        answer
    }

    /// Signs somebody in who needs no second factor; what that was answered with.
    pub(super) async fn sign_in(&mut self, email: &str, password: &str) -> Answer {
        let page = self.get("/sign-in").await;
        self.submit(&page, &[("email", email), ("password", password)]).await
    }
}

/// A text as a form sends it.
pub(super) fn encoded(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

/// Where a page's form goes, and what it holds unseen.
fn form(html: &str) -> (String, Vec<(String, String)>) {
    let form = html.split_once("<form ").expect("a form").1.split_once("</form>").expect("its end").0;
    let hidden = form.split("<input ").filter(|input| input.starts_with("type=\"hidden\""));
    let fields = hidden.map(|input| (attribute(input, "name"), attribute(input, "value"))).collect();
    (attribute(form, "action"), fields)
}

fn attribute(element: &str, name: &str) -> String {
    let value = element.split_once(&format!("{name}=\"")).expect("an attribute").1;
    let value = value.split_once('"').expect("its end").0;
    value
        .replace("&#x2F;", "/")
        .replace("&quot;", "\"")
        .replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&amp;", "&")
}

/// That a page answers so, and what every page must say of itself.
#[track_caller]
pub(super) fn is_page(answer: &Answer, status: u16, heading: &str) {
    assert_eq!(answer.status, status, "{}", answer.body);
    assert!(answer.body.contains(&format!("<h1>{heading}</h1>")), "{heading}: {}", answer.body);
    let policy = answer.header("content-security-policy").expect("a policy");
    for part in ["default-src 'none'", "frame-ancestors 'none'", "base-uri 'none'", "form-action 'self'"] {
        assert!(policy.contains(part), "{part}: {policy}");
    }
    assert!(!policy.contains("script-src") && !policy.contains("unsafe"), "{policy}");
    assert!(!answer.body.contains("<script") && answer.body.contains("<html lang=\"en\">"));
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    assert_eq!(answer.header("x-frame-options"), Some("DENY"));
    assert_eq!(answer.header("content-type"), Some("text/html; charset=utf-8"));
    assert!(answer.header("referrer-policy").is_some_and(|policy| policy != "no-referrer"));
}

#[track_caller]
pub(super) fn leads_to(answer: &Answer, to: &str) {
    assert_eq!((answer.status, answer.header("location")), (303, Some(to)), "{}", answer.body);
}

#[tokio::test]
async fn a_form_of_another_site_is_refused_and_does_nothing() {
    let site = Site::start().await;
    let email = site.world.registered().await;
    let fields = [
        ("email".to_owned(), email.clone()),
        ("password".to_owned(), super::people_sign_up::PASSWORD.to_owned()),
    ];
    let evil = "Origin: http://evil.example";
    let neighbour = format!("Origin: http://acme.{}", site.host());
    for lines in [
        &[][..],
        &[evil],
        &["Origin: null"],
        &["Sec-Fetch-Site: cross-site"],
        &["Sec-Fetch-Site: same-site", &neighbour],
        &["Sec-Fetch-Site: none"],
    ] {
        let mut window = site.window();
        let answer = window.post_from("/sign-in", &fields, lines).await;
        is_page(&answer, 403, "This did not come from our own page");
        assert!(window.cookies.is_empty(), "{lines:?}");
    }
    // What is no form is none, whoever sends it.
    let mut window = site.window();
    window.sign_in(&email, super::people_sign_up::PASSWORD).await;
    let signed_in = window.cookies.clone();
    assert_eq!(window.post_from("/sign-out", &[], &[evil]).await.status, 403);
    is_page(&window.get("/account").await, 200, "You are signed in");
    assert_eq!(window.cookies, signed_in);
}

#[tokio::test]
async fn the_pages_are_on_the_apex_alone_and_a_method_that_is_none_of_theirs_is_refused() {
    let site = Site::start().await;
    let ask = async |method: &str, host: String| {
        visitor::ask(site.address, &format!("{method} /sign-in HTTP/1.1\r\nHost: {host}"), "").await.status
    };
    assert_eq!(ask("GET", site.host()).await, 200);
    assert_eq!(ask("GET", format!("admin.{}", site.host())).await, 404);
    assert_eq!(ask("GET", format!("acme.{}", site.host())).await, 421);
    assert_eq!(ask("GET", "platform.internal".to_owned()).await, 421);
    assert_eq!(ask("DELETE", site.host()).await, 405);
}
