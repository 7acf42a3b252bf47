//! TaskRouter: which worker is offered which task (contract: taskrouter.md).
//!
//! Floor 1: no I/O, no clock; knows neither calls nor REST.
//!
//! ```
//! use serde_json::json;
//! use taskrouter::Expression;
//!
//! let queue = Expression::parse("languages HAS \"en\" AND level >= 3")?;
//! assert!(queue.is_true(&json!({"languages": ["en", "hi"], "level": 5})));
//! assert!(!queue.is_true(&json!({"languages": ["hi"], "level": 5})));
//! # Ok::<(), taskrouter::ExpressionError>(())
//! ```

mod expression;

pub use expression::{
    Expression, ExpressionError, INVALID_PARAMETER, LENGTH_MAX, NESTING_MAX, Names, Path, Step, Text, Value, Wrong,
    descend,
};
