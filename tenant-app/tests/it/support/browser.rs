//! As much of a browser as signing in needs: it keeps cookies, and says where its requests come from.

use std::collections::BTreeMap;
use std::sync::Mutex;

use axum::http::Method;

use super::{Answer, Client, HOST, Provider};

pub struct Browser<'a> {
    client: &'a Client,
    pub cookies: Mutex<BTreeMap<String, String>>,
}

impl<'a> Browser<'a> {
    pub fn new(client: &'a Client) -> Self {
        Self { client, cookies: Mutex::default() }
    }

    pub async fn open(&self, path: &str) -> Answer {
        self.send(Method::GET, path, &[], String::new()).await
    }

    pub async fn form(&self, path: &str, body: &str) -> Answer {
        let headers =
            [("content-type", "application/x-www-form-urlencoded"), ("sec-fetch-site", "same-origin")];
        self.send(Method::POST, path, &headers, body.to_owned()).await
    }

    pub async fn send(&self, method: Method, path: &str, headers: &[(&str, &str)], body: String) -> Answer {
        let held = self.held();
        let mut all = vec![("accept", "text/html"), ("cookie", held.as_str())];
        all.extend(headers);
        let answer = self.client.send(method, path, &all, body).await;
        for set in answer.headers.get_all("set-cookie") {
            let set = set.to_str().expect("text");
            assert!(set.contains("; Path=/; HttpOnly; SameSite=Lax") && !set.contains("Domain"), "{set}");
            let (name, value) = set.split(';').next().expect("a pair").split_once('=').expect("a pair");
            if set.contains("Max-Age=0") {
                self.jar().remove(name);
            } else {
                self.jar().insert(name.to_owned(), value.to_owned());
            }
        }
        answer
    }

    pub fn jar(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, String>> {
        self.cookies.lock().expect("no panic")
    }

    fn held(&self) -> String {
        self.jar().iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("; ")
    }

    /// From a page that needs somebody to the address that the platform sends them back to.
    pub async fn to_the_platform_and_back(&self, provider: &Provider, page: &str) -> String {
        let asked = self.open(page).await;
        assert_eq!(asked.status, 303, "{asked:?}");
        let sent = self.open(place(&asked)).await;
        assert_eq!(sent.status, 303, "{sent:?}");
        let back = provider.visit(place(&sent)).await;
        back.strip_prefix(&format!("http://{HOST}:8080")).expect("back to us").to_owned()
    }

    /// All of the way; ends where it began.
    pub async fn signs_in(&self, provider: &Provider, page: &str) {
        let back = self.to_the_platform_and_back(provider, page).await;
        let arrived = self.open(&back).await;
        assert_eq!((arrived.status.as_u16(), place(&arrived)), (303, page), "{arrived:?}");
    }
}

pub fn place(answer: &Answer) -> &str {
    let to = answer.headers.get("location").unwrap_or_else(|| panic!("leads nowhere: {answer:?}"));
    to.to_str().expect("an address")
}
