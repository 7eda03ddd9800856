//! Tests.

mod stack;
mod edge;
mod gateway;
mod support;
