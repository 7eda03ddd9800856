//! Tests.

mod stack;
