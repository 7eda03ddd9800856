//! Tests.

mod layering;
mod stack;
mod edge;
mod gateway;
mod support;
