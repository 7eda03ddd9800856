//! Why a provider, or what it said, is of no use. The texts quote nothing that came from outside.

/// Why a provider, or what it said, is of no use. Each text can be shown to whoever sets a provider up.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OutsideError {
    /// An address that is never asked, wherever it leads.
    #[error("{what} is not asked: {why}")]
    Address { what: &'static str, why: &'static str },
    /// Its name leads to where only the platform itself may go.
    #[error("{host} is not at a public address")]
    NotPublic { host: String },
    /// No connection, or no answer in time.
    #[error("{host} does not answer: {why}")]
    Unreachable { host: String, why: &'static str },
    /// An answer that is none.
    #[error("{host} answered what is of no use: {why}")]
    Garbage { host: String, why: String },
    /// It was not asked, or we do not know what it said.
    #[error("the provider was not asked: {0}")]
    Unasked(&'static str),
    /// It took nothing that it was sent.
    #[error("the provider refused: {0}")]
    Refused(&'static str),
    #[error("the provider's token is not valid: {0}")]
    Token(TokenFault),
    /// Our own settings are at fault.
    #[error("{0}")]
    Settings(String),
}

impl OutsideError {
    /// Whether it may be otherwise in a while, with nobody setting anything right.
    #[must_use]
    pub fn passes(&self) -> bool {
        matches!(self, Self::Unreachable { .. } | Self::Garbage { .. } | Self::Unasked(_))
    }
}

impl From<TokenFault> for OutsideError {
    fn from(fault: TokenFault) -> Self {
        Self::Token(fault)
    }
}

/// What is wrong with a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenFault {
    #[error("it cannot be read")]
    Malformed,
    #[error("it is of another kind")]
    Kind,
    #[error("it is signed by an algorithm that is not taken")]
    Algorithm,
    #[error("the provider has no key for it")]
    UnknownKey,
    #[error("its signature is wrong")]
    Signature,
    #[error("it is another issuer's")]
    Issuer,
    #[error("it is for somebody else")]
    Audience,
    #[error("it has expired")]
    Expired,
    #[error("it is good for longer than a day")]
    Endless,
    #[error("it is from a time to come")]
    NotYet,
    #[error("it was not given for this sign-in")]
    Nonce,
    #[error("it belongs to another access token")]
    AccessToken,
    #[error("it speaks of a sign-in before the one that was asked for")]
    Older,
    #[error("it does not say whom it speaks of")]
    Subject,
}
