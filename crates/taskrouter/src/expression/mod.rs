//! TaskRouter's expressions: who belongs to a queue, which filter a task takes (taskrouter §10).
//!
//! `text ─▶ parse (once) ─▶ Expression ─▶ is_true(names) ─▶ true or false`
//!
//! Parsing is linear in the text and bounded in length and nesting. Evaluating never fails: what is missing is null,
//! what does not compare is false.

mod evaluate;
mod parse;

use std::fmt;

pub(crate) use evaluate::find;
pub use evaluate::{Names, Text, Value, descend};

/// An expression that has been understood.
#[derive(Clone, PartialEq)]
pub struct Expression {
    text: String,
    root: Node,
}

impl Expression {
    /// Understands `text`. An empty one is an error: what it means is the business of the place it stands in.
    pub fn parse(text: &str) -> Result<Self, ExpressionError> {
        Ok(Self { text: text.to_owned(), root: parse::parse(text)? })
    }

    /// Whether it holds where names mean what `names` says.
    pub fn is_true(&self, names: &impl Names) -> bool {
        evaluate::holds(&self.root, names)
    }

    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Every reference in it, in the order it is written, however often.
    pub fn paths(&self) -> Vec<&Path> {
        let mut paths = Vec::new();
        self.root.paths_into(&mut paths);
        paths
    }
}

impl fmt::Debug for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Expression({:?})", self.text)
    }
}

/// What can be true or false.
#[derive(Debug, Clone, PartialEq)]
enum Node {
    Or(Vec<Node>),
    And(Vec<Node>),
    Not(Box<Node>),
    /// An operand alone: true for the boolean true.
    Bare(Operand),
    Test(Operand, Op, Operand),
}

impl Node {
    fn paths_into<'a>(&'a self, paths: &mut Vec<&'a Path>) {
        match self {
            Self::Or(nodes) | Self::And(nodes) => nodes.iter().for_each(|node| node.paths_into(paths)),
            Self::Not(node) => node.paths_into(paths),
            Self::Bare(operand) => operand.paths_into(paths),
            Self::Test(left, _, right) => {
                left.paths_into(paths);
                right.paths_into(paths);
            }
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Op {
    Equal,
    NotEqual,
    Greater,
    GreaterOrEqual,
    Less,
    LessOrEqual,
    Contains,
    Has,
    In,
    NotIn,
}

#[derive(Debug, Clone, PartialEq)]
enum Operand {
    Null,
    Bool(bool),
    Number(serde_json::Number),
    Text(String),
    List(Vec<Operand>),
    Ref(Path),
}

impl Operand {
    fn paths_into<'a>(&'a self, paths: &mut Vec<&'a Path>) {
        match self {
            Self::Ref(path) => paths.push(path),
            Self::List(elements) => elements.iter().for_each(|element| element.paths_into(paths)),
            Self::Null | Self::Bool(_) | Self::Number(_) | Self::Text(_) => {}
        }
    }
}

/// `routing.lines[1].id`: a name, and what follows it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Path {
    /// The name it begins with.
    pub root: String,
    /// What is looked for in that.
    pub steps: Vec<Step>,
}

impl Path {
    /// A reference alone, as `order_by` and `known_worker_sid` have it.
    pub fn parse(text: &str) -> Result<Self, ExpressionError> {
        parse::path(text)
    }
}

/// One step into a value.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Step {
    /// `.name`
    Name(String),
    /// `[0]`
    Index(usize),
}

/// Why a text is no expression.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("at character {at}: {what}")]
pub struct ExpressionError {
    /// Where it goes wrong, in characters from 1.
    pub at: usize,
    /// What is wrong there.
    pub what: Wrong,
}

impl ExpressionError {
    /// The code a request with such an expression is refused with (taskrouter §5.1, §9).
    pub const fn code(&self) -> u16 {
        INVALID_PARAMETER
    }
}

/// What is wrong with an expression.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Wrong {
    /// There is nothing, or only space.
    #[error("the expression is empty")]
    Empty,
    /// It is longer than [`LENGTH_MAX`].
    #[error("more than {LENGTH_MAX} bytes")]
    TooLong,
    /// Parentheses, lists and NOT stand in each other deeper than [`NESTING_MAX`].
    #[error("nested deeper than {NESTING_MAX}")]
    TooDeep,
    /// A character that begins nothing.
    #[error("a character that has no meaning here")]
    Character,
    /// A string that does not end.
    #[error("a string without its closing quote")]
    Unterminated,
    /// A number that is none, or an index that is out of all bounds.
    #[error("not a number")]
    Number,
    /// There is no value where one must be.
    #[error("a value is expected: a string, number, true, false, null, list or attribute")]
    Operand,
    /// `.` without a name.
    #[error("a name is expected after the dot")]
    Name,
    /// `NOT` after a value, without `IN`.
    #[error("IN is expected after NOT")]
    NotWithoutIn,
    /// A parenthesis that is not closed.
    #[error("a closing parenthesis is expected")]
    Parenthesis,
    /// A list or an index that is not closed.
    #[error("a closing bracket is expected")]
    Bracket,
    /// Something follows the end.
    #[error("AND, OR or the end is expected")]
    Trailing,
}

/// Longest expression, in bytes.
pub const LENGTH_MAX: usize = 16_384;
/// How deep parentheses, lists and NOT may stand in each other.
pub const NESTING_MAX: usize = 64;
/// Twilio's "parameter unknown, missing or malformed", HTTP 400.
pub const INVALID_PARAMETER: u16 = 20_001;
