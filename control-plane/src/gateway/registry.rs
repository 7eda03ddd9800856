//! The doors of the real registry.

use async_trait::async_trait;
use tokio::time::Instant;

use super::door::{Door, DoorState, Doors, DoorsError};
use crate::app;
use crate::app::doors::StoreDoors;
use crate::model::hostname::HostName;
use crate::model::ids::TenantId;
use crate::model::tenant::{DesiredState, Status};
use crate::store;

#[async_trait]
impl Doors for StoreDoors {
    async fn by_host(&self, host: &HostName) -> Result<Option<Door>, DoorsError> {
        let door = StoreDoors::by_host(self, host).await.map_err(failed)?;
        Ok(door.map(|door| Door {
            state: state(&door),
            tenant: door.tenant,
            house: door.house,
            name: door.name,
        }))
    }

    async fn wake(&self, tenant: TenantId) -> Result<(), DoorsError> {
        StoreDoors::wake(self, tenant).await.map(drop).map_err(failed)
    }

    async fn changed(&self, host: &HostName, deadline: Instant) {
        StoreDoors::changed(self, host, deadline).await;
    }
}

fn failed(error: app::Error) -> DoorsError {
    DoorsError(Box::new(error))
}

/// Whoever is wanted running and was last seen answering is tried there, whatever else is the matter.
fn state(door: &store::doors::Door) -> DoorState {
    match (door.desired, door.address) {
        (DesiredState::Suspended, _) => DoorState::Suspended,
        (DesiredState::Deleted, _) => DoorState::Deleted,
        (DesiredState::Running, Some(address)) => DoorState::Running { address },
        (_, _) if door.stuck => DoorState::Stuck,
        (DesiredState::Asleep, _) => DoorState::Asleep,
        (DesiredState::Running, None) if door.status == Status::Provisioning => DoorState::Provisioning,
        (DesiredState::Running, None) => DoorState::Waking,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn door(desired: DesiredState, status: Status, address: Option<&str>) -> store::doors::Door {
        store::doors::Door {
            host: "acme.example.com".parse().expect("host"),
            tenant: TenantId::random(),
            house: crate::model::ids::HouseId::random(),
            slug: "acme".parse().expect("slug"),
            name: "Acme".to_owned(),
            plan: "starter".parse().expect("plan"),
            desired,
            status,
            stuck: status == Status::Stuck,
            read_only: false,
            address: address.map(|address| address.parse().expect("address")),
        }
    }

    #[test]
    fn a_door_shows_where_the_tenant_stands() {
        let at = Some("10.0.0.3:8000");
        let running = DoorState::Running { address: "10.0.0.3:8000".parse().expect("address") };
        for (desired, status, address, expected) in [
            (DesiredState::Running, Status::Running, at, running),
            (DesiredState::Running, Status::Changing, at, running),
            (DesiredState::Running, Status::Stuck, at, running),
            (DesiredState::Running, Status::Stuck, None, DoorState::Stuck),
            (DesiredState::Running, Status::Changing, None, DoorState::Waking),
            (DesiredState::Running, Status::Provisioning, None, DoorState::Provisioning),
            (DesiredState::Asleep, Status::Changing, at, DoorState::Asleep),
            (DesiredState::Asleep, Status::Asleep, None, DoorState::Asleep),
            (DesiredState::Suspended, Status::Changing, at, DoorState::Suspended),
            (DesiredState::Deleted, Status::Deleted, at, DoorState::Deleted),
        ] {
            assert_eq!(state(&door(desired, status, address)), expected, "{desired} {status} {address:?}");
        }
    }
}
