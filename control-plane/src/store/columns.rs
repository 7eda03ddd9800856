//! How the model's types stand in columns: words and names as text, ids as uuid.

use sqlx::encode::IsNull;
use sqlx::error::BoxDynError;
use sqlx::postgres::{PgArgumentBuffer, PgHasArrayType, PgTypeInfo, PgValueRef};
use sqlx::{Decode, Encode, Postgres, Type};
use uuid::Uuid;

use crate::model::api_key::{KeyKind, KeyStatus};
use crate::model::email::Email;
use crate::model::hostname::HostName;
use crate::model::ids::{
    AdminId, AuditId, GrantId, HouseId, InvitationId, KeyId, KeyPrefix, MailId, OperationId, ProjectId,
    ProviderId, ReleaseId, SessionId, SignupId, TenantId, UserId, VolumeId,
};
use crate::model::invitation::InvitationStatus;
use crate::model::letter::MailState;
use crate::model::operation::{EventState, OperationKind, OperationState};
use crate::model::plan::PlanName;
use crate::model::provider::{IssuerUrl, ProviderName};
use crate::model::role::{ProjectRole, Role};
use crate::model::secret::{Sealed, SecretPurpose};
use crate::model::signing_key::SigningAlgorithm;
use crate::model::signup::{SignupKind, SignupMode, SignupState};
use crate::model::slug::Slug;
use crate::model::stack::ServiceName;
use crate::model::tenant::{DesiredState, Status};

use super::volumes::VolumeRole;
use super::{Error, Result};

/// A secret, out of the columns that it is kept in.
pub(super) fn sealed(key_version: i32, nonce: Vec<u8>, ciphertext: Vec<u8>) -> Result<Sealed> {
    let odd = |_| Error::Database(sqlx::Error::Decode("a nonce of another length than 24".into()));
    Ok(Sealed { key_version, nonce: nonce.try_into().map_err(odd)?, ciphertext })
}

/// The same, where there may be none.
pub(super) fn sealed_if_any(
    key_version: Option<i32>,
    nonce: Option<Vec<u8>>,
    ciphertext: Option<Vec<u8>>,
) -> Result<Option<Sealed>> {
    match (key_version, nonce, ciphertext) {
        (Some(key_version), Some(nonce), Some(ciphertext)) => {
            sealed(key_version, nonce, ciphertext).map(Some)
        }
        _ => Ok(None),
    }
}

macro_rules! text_columns {
    ($($name:ty),+ $(,)?) => { $(
        impl Type<Postgres> for $name {
            fn type_info() -> PgTypeInfo {
                <str as Type<Postgres>>::type_info()
            }

            fn compatible(column: &PgTypeInfo) -> bool {
                <str as Type<Postgres>>::compatible(column)
            }
        }

        impl PgHasArrayType for $name {
            fn array_type_info() -> PgTypeInfo {
                <&str as PgHasArrayType>::array_type_info()
            }

            fn array_compatible(column: &PgTypeInfo) -> bool {
                <&str as PgHasArrayType>::array_compatible(column)
            }
        }

        impl Encode<'_, Postgres> for $name {
            fn encode_by_ref(&self, buffer: &mut PgArgumentBuffer) -> Result<IsNull, BoxDynError> {
                <&str as Encode<'_, Postgres>>::encode_by_ref(&self.as_str(), buffer)
            }
        }

        impl<'r> Decode<'r, Postgres> for $name {
            fn decode(value: PgValueRef<'r>) -> Result<Self, BoxDynError> {
                Ok(<&str as Decode<'r, Postgres>>::decode(value)?.parse()?)
            }
        }
    )+ };
}

macro_rules! uuid_columns {
    ($($name:ident),+ $(,)?) => { $(
        impl Type<Postgres> for $name {
            fn type_info() -> PgTypeInfo {
                <Uuid as Type<Postgres>>::type_info()
            }
        }

        impl Encode<'_, Postgres> for $name {
            fn encode_by_ref(&self, buffer: &mut PgArgumentBuffer) -> Result<IsNull, BoxDynError> {
                <Uuid as Encode<'_, Postgres>>::encode_by_ref(&self.0, buffer)
            }
        }

        impl<'r> Decode<'r, Postgres> for $name {
            fn decode(value: PgValueRef<'r>) -> Result<Self, BoxDynError> {
                Ok(Self(<Uuid as Decode<'r, Postgres>>::decode(value)?))
            }
        }
    )+ };
}

text_columns!(
    DesiredState,
    Email,
    EventState,
    HostName,
    HouseId,
    KeyKind,
    KeyPrefix,
    KeyStatus,
    MailState,
    InvitationStatus,
    IssuerUrl,
    OperationKind,
    OperationState,
    PlanName,
    ProjectRole,
    ProviderName,
    Role,
    SecretPurpose,
    ServiceName,
    SignupKind,
    SignupMode,
    SignupState,
    SigningAlgorithm,
    Slug,
    Status,
    VolumeRole,
);
uuid_columns!(
    AdminId,
    AuditId,
    GrantId,
    InvitationId,
    KeyId,
    MailId,
    OperationId,
    ProjectId,
    ProviderId,
    ReleaseId,
    SessionId,
    SignupId,
    TenantId,
    UserId,
    VolumeId,
);
