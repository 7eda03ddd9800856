//! The server that takes our mails.

use std::time::Duration;

use lettre::message::header::{ContentType, Header, HeaderName, HeaderValue};
use lettre::message::{Mailbox, MultiPart, SinglePart};
use lettre::transport::smtp::PoolConfig;
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, Tls, TlsParameters};
use lettre::transport::smtp::{AsyncSmtpTransport, Error};
use lettre::{Address, AsyncTransport, Message, Tokio1Executor};
use secrecy::{ExposeSecret, SecretString};

use super::{AT_ONCE, MailSettings};
use crate::config::{SmtpConfig, SmtpTls};
use crate::render::mail::Rendered;
use crate::store::mails::DueMail;

/// The longest silence of a server.
const SILENCE: Duration = Duration::from_secs(30);
/// Answers to signing in: they judge our settings, and no mail.
const SIGNING_IN: [u16; 5] = [454, 530, 534, 535, 538];
/// Longest reason that is kept, in characters.
const REASON: usize = 500;

/// Why a mail was not taken.
#[derive(Debug)]
pub(super) enum Refusal {
    Later(String),
    Never(String),
}

/// A server with the connections to it.
pub(super) struct Server {
    transport: AsyncSmtpTransport<Tokio1Executor>,
    from: Mailbox,
}

/// Tells programs that answer by themselves not to (RFC 3834).
#[derive(Debug, Clone)]
struct AutoSubmitted;

impl Header for AutoSubmitted {
    fn name() -> HeaderName {
        HeaderName::new_from_ascii_str("Auto-Submitted")
    }

    fn parse(_: &str) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        Ok(Self)
    }

    fn display(&self) -> HeaderValue {
        HeaderValue::new(Self::name(), "auto-generated".to_owned())
    }
}

impl Server {
    /// # Errors
    /// When the settings name no server that can be talked to.
    pub(super) fn new(
        smtp: &SmtpConfig,
        password: Option<&SecretString>,
        settings: &MailSettings,
    ) -> Result<Self, String> {
        let host = smtp.host.clone().unwrap_or_default();
        let parameters = || parameters(&host, settings.authorities.as_ref());
        let tls = match smtp.tls {
            SmtpTls::None => Tls::None,
            SmtpTls::Starttls => Tls::Required(parameters()?),
            SmtpTls::Tls => Tls::Wrapper(parameters()?),
        };
        let mut builder = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(&host)
            .port(smtp.port)
            .tls(tls)
            .timeout(Some(SILENCE))
            .pool_config(PoolConfig::new().max_size(AT_ONCE as u32));
        if let (Some(name), Some(password)) = (&smtp.username, password) {
            let password = password.expose_secret().trim_end_matches(['\r', '\n']).to_owned();
            builder = builder.credentials(Credentials::new(name.clone(), password));
        }
        let from: Address = settings.from.parse().map_err(|error| format!("{}: {error}", settings.from))?;
        Ok(Self { transport: builder.build(), from: Mailbox::new(Some(settings.from_name.clone()), from) })
    }

    pub(super) async fn send(&self, mail: &DueMail, rendered: &Rendered) -> Result<(), Refusal> {
        let message = self.message(mail, rendered).map_err(Refusal::Never)?;
        self.transport.send(message).await.map(|_| ()).map_err(|error| refusal(&error))
    }

    fn message(&self, mail: &DueMail, rendered: &Rendered) -> Result<Message, String> {
        let to: Address = mail.recipient.parse().map_err(|error| format!("the address: {error}"))?;
        let text = SinglePart::builder().header(ContentType::TEXT_PLAIN).body(rendered.text.clone());
        let html = SinglePart::builder().header(ContentType::TEXT_HTML).body(rendered.html.clone());
        Message::builder()
            .from(self.from.clone())
            .to(Mailbox::new(None, to))
            .subject(&rendered.subject)
            // The same at every attempt, so that a mail that comes twice is known for one.
            .message_id(Some(format!("<{}@{}>", mail.id, self.from.email.domain())))
            .date_now()
            .header(AutoSubmitted)
            .multipart(MultiPart::alternative().singlepart(text).singlepart(html))
            .map_err(|error| error.to_string())
    }
}

/// How the server has to show who it is.
fn parameters(host: &str, authorities: Option<&SecretString>) -> Result<TlsParameters, String> {
    let mut builder = TlsParameters::builder(host.to_owned());
    if let Some(pem) = authorities {
        let pem = pem.expose_secret();
        if !pem.contains("-----BEGIN CERTIFICATE-----") {
            return Err("mail.smtp.ca_file: certificates in PEM are expected".to_owned());
        }
        let certificates =
            Certificate::from_pem(pem.as_bytes()).map_err(|error| format!("mail.smtp.ca_file: {error}"))?;
        builder = builder.add_root_certificate(certificates);
    }
    builder.build().map_err(|error| error.to_string())
}

/// What an answer of the server means for the mail.
fn refusal(error: &Error) -> Refusal {
    let code = error.status().map(u16::from);
    let why: String = error.to_string().chars().filter(|c| !c.is_control()).take(REASON).collect();
    if error.is_permanent() && !code.is_some_and(|code| SIGNING_IN.contains(&code)) {
        Refusal::Never(why)
    } else {
        Refusal::Later(why)
    }
}
