//! How objects of the engine are named and labelled.
//!
//! Names are made of installation, house, service and an incarnation, so that an old and a new app can stand side
//! by side; labels say whose an object is, and what it was made from.

use std::collections::BTreeMap;

use crate::model::desired::SpecHash;
use crate::model::ids::{HouseId, InstallationId};
use crate::model::stack::ServiceName;

/// Labels of an object of the engine, or pairs that one must carry.
pub type Labels = BTreeMap<String, String>;

/// The installation that an object belongs to; on every object.
pub const INSTALLATION: &str = "freehold.installation";
/// The house; on objects of tenants.
pub const HOUSE: &str = "freehold.house";
/// The platform's service; on objects of the platform itself.
pub const ROLE: &str = "freehold.role";
/// The service of the stack.
pub const SERVICE: &str = "freehold.service";
/// The hash of what a container was made from.
pub const SPEC: &str = "freehold.spec";
/// The container that a volume of secrets belongs to.
pub const SECRETS: &str = "freehold.secrets";

/// Labels of everything in an installation.
#[must_use]
pub fn installation_labels(installation: &InstallationId) -> Labels {
    Labels::from([(INSTALLATION.to_owned(), installation.to_string())])
}

/// Labels of a house's network.
#[must_use]
pub fn house_labels(installation: &InstallationId, house: &HouseId) -> Labels {
    let mut labels = installation_labels(installation);
    labels.insert(HOUSE.to_owned(), house.to_string());
    labels
}

/// Labels of a house's volume.
#[must_use]
pub fn volume_labels(installation: &InstallationId, house: &HouseId, service: &ServiceName) -> Labels {
    let mut labels = house_labels(installation, house);
    labels.insert(SERVICE.to_owned(), service.to_string());
    labels
}

/// Labels of a house's container.
#[must_use]
pub fn container_labels(
    installation: &InstallationId,
    house: &HouseId,
    service: &ServiceName,
    spec: &SpecHash,
) -> Labels {
    let mut labels = volume_labels(installation, house, service);
    labels.insert(SPEC.to_owned(), spec.to_string());
    labels
}

/// Labels of an object of the platform itself; its containers get [`SPEC`] on top.
#[must_use]
pub fn platform_labels(installation: &InstallationId, role: &str) -> Labels {
    let mut labels = installation_labels(installation);
    labels.insert(ROLE.to_owned(), role.to_owned());
    labels
}

/// The name of a house's network.
#[must_use]
pub fn network(installation: &InstallationId, house: &HouseId) -> String {
    format!("fh-{installation}-{house}")
}

/// The name of a house's container: another spec is another name.
#[must_use]
pub fn container(
    installation: &InstallationId,
    house: &HouseId,
    service: &ServiceName,
    spec: &SpecHash,
) -> String {
    let incarnation: String = spec.0.chars().take(8).collect();
    format!("fh-{installation}-{house}-{service}-{incarnation}")
}

/// The name of a house's volume, by the number of its row.
#[must_use]
pub fn volume(installation: &InstallationId, house: &HouseId, service: &ServiceName, number: i32) -> String {
    format!("fh-{installation}-{house}-{service}-{number}")
}

/// The host's interface of a house's network. The first six characters of house ids are unique in an installation.
#[must_use]
pub fn bridge(installation: &InstallationId, house: &HouseId) -> String {
    format!("fh{installation}-{}", &house.as_str()[..6])
}

/// The host's interface of the platform's own network.
#[must_use]
pub fn platform_bridge(installation: &InstallationId) -> String {
    format!("fh{installation}.plat")
}

/// The name of a container or volume of the platform itself.
#[must_use]
pub fn platform(installation: &InstallationId, role: &str) -> String {
    format!("fh-{installation}-{role}")
}

/// The name of the platform's own network.
#[must_use]
pub fn platform_network(installation: &InstallationId) -> String {
    platform(installation, "platform")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interfaces_fit_and_are_told_apart() {
        let (installation, house) = (InstallationId::random(), HouseId::random());
        let bridge = bridge(&installation, &house);
        let houses = format!("fh{installation}-");
        assert!(bridge.len() <= 15 && bridge.starts_with(&houses), "{bridge}");
        let own = platform_bridge(&installation);
        assert!(own.len() <= 15 && !own.starts_with(&houses), "{own}");
    }

    #[test]
    fn another_spec_is_another_container_of_the_same_house() {
        let installation: InstallationId = "abcdef".parse().expect("id");
        let house: HouseId = "houseabcde".parse().expect("id");
        let service: ServiceName = "app".parse().expect("name");
        let spec = SpecHash("0123456789ab".into());
        assert_eq!(container(&installation, &house, &service, &spec), "fh-abcdef-houseabcde-app-01234567");
        assert_eq!(volume(&installation, &house, &service, 3), "fh-abcdef-houseabcde-app-3");
        assert_eq!(network(&installation, &house), "fh-abcdef-houseabcde");
        let labels = container_labels(&installation, &house, &service, &spec);
        assert_eq!(labels[SPEC], "0123456789ab");
        assert_eq!(labels.len(), 4);
    }
}
