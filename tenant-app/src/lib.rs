//! Tenant app.
