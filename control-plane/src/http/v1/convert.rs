//! From the registry's rows to what goes over the wire.

use super::types::{
    MigrationName, Operation, OperationEvent, Plan, Release, ReleaseDetail, Tenant, TenantChanged, Worker,
};
use crate::app::Settings;
use crate::app::tenants::Changed;
use crate::model::plan;
use crate::store::operations::{EventRecord, OperationRecord};
use crate::store::records::TenantRecord;
use crate::store::releases;
use crate::store::workers::WorkerRecord;

pub(super) fn tenant(settings: &Settings, record: &TenantRecord) -> Tenant {
    let hosts: Vec<String> = record.hosts.iter().map(ToString::to_string).collect();
    Tenant {
        id: record.id.0,
        slug: record.slug.to_string(),
        name: record.name.clone(),
        plan: record.plan.to_string(),
        settings: record.settings.clone(),
        status: record.status(),
        desired_state: record.desired,
        generation: record.generation,
        converged_generation: record.converged_generation,
        release: record.release.clone(),
        url: hosts.first().map(|host| settings.url_of(host)).unwrap_or_default(),
        hosts,
        stuck_reason: record.stuck_reason.clone(),
        storage_bytes: record.storage_bytes,
        read_only: record.read_only,
        purge_at: record.purge_at,
        created_at: record.created_at,
        updated_at: record.updated_at,
        created_by: record.created_by.clone(),
    }
}

pub(super) fn changed(settings: &Settings, changed: &Changed) -> TenantChanged {
    TenantChanged {
        tenant: tenant(settings, &changed.tenant),
        operation: changed.operation.as_ref().map(operation),
    }
}

pub(super) fn operation(record: &OperationRecord) -> Operation {
    Operation {
        id: record.id.0,
        tenant_id: record.tenant_id.map(|id| id.0),
        slug: record.slug.to_string(),
        kind: record.kind,
        state: record.state,
        generation: record.generation,
        requested_by: record.requested_by.clone(),
        reason: record.reason.clone(),
        created_at: record.created_at,
        started_at: record.started_at,
        finished_at: record.finished_at,
    }
}

pub(super) fn event(record: &EventRecord) -> OperationEvent {
    OperationEvent {
        id: record.number,
        at: record.at,
        step: record.step.clone(),
        state: record.state,
        message: record.message.clone(),
    }
}

pub(super) fn plan(name: &plan::PlanName, plan: &plan::Plan, default: bool) -> Plan {
    Plan {
        name: name.to_string(),
        default,
        memory_mib: plan.memory_mib,
        cpu_millis: plan.cpu_millis,
        pids: plan.pids,
        connections: plan.connections,
        storage_mib: plan.storage_mib,
        members: plan.members,
    }
}

pub(super) fn release(record: &releases::Release) -> Release {
    Release {
        id: record.id.0,
        version: record.version.clone(),
        checksum: record.checksum.clone(),
        schema_version: record.content.schema_version(),
        images: record.content.images.clone(),
        created_at: record.created_at,
    }
}

pub(super) fn release_detail(record: &releases::Release) -> ReleaseDetail {
    let name = |migration: &crate::model::release::Migration| MigrationName {
        version: migration.version,
        name: migration.name.clone(),
    };
    ReleaseDetail {
        release: release(record),
        stack: record.content.stack.clone(),
        migrations: record.content.migrations.iter().map(name).collect(),
    }
}

pub(super) fn worker(record: &WorkerRecord) -> Worker {
    Worker {
        host: record.host.clone(),
        started_at: record.started_at,
        seen_at: record.seen_at,
        present: record.present,
        engine_ok: record.engine_ok,
        engine_message: record.engine_message.clone(),
    }
}
