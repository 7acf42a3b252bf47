//! What an expression is worth where names have a meaning (taskrouter §10.2).

use std::borrow::Cow;
use std::cmp::Ordering;

use serde_json::{Number, Value as Json};

use super::{Node, Op, Operand, Path, Step};

/// What names mean in one place: a task's attributes, a worker's, both, or counts of workers (taskrouter §10.3).
pub trait Names {
    /// The value at `path`; null where there is none.
    fn value(&self, path: &Path) -> Value<'_>;
}

/// Names are the members of one object.
impl Names for Json {
    fn value(&self, path: &Path) -> Value<'_> {
        self.get(&path.root).map_or(Value::Null, |value| descend(value, &path.steps))
    }
}

/// A string, borrowed or made for the occasion (a SID).
pub type Text<'a> = Cow<'a, str>;

/// What an operand stands for.
#[derive(Debug, Clone, PartialEq)]
pub enum Value<'a> {
    /// Nothing, or nothing there.
    Null,
    /// True or false.
    Bool(bool),
    /// A number, whole or not.
    Number(Cow<'a, Number>),
    /// A string.
    Text(Text<'a>),
    /// An attribute that is an array.
    Array(&'a [Json]),
    /// An attribute that is an object: of it one can only say that it is not null.
    Object,
}

impl<'a> From<&'a Json> for Value<'a> {
    fn from(json: &'a Json) -> Self {
        match json {
            Json::Null => Self::Null,
            Json::Bool(value) => Self::Bool(*value),
            Json::Number(number) => Self::Number(Cow::Borrowed(number)),
            Json::String(text) => Self::Text(Cow::Borrowed(text)),
            Json::Array(elements) => Self::Array(elements),
            Json::Object(_) => Self::Object,
        }
    }
}

impl From<u32> for Value<'_> {
    fn from(number: u32) -> Self {
        Self::Number(Cow::Owned(number.into()))
    }
}

/// Follows `steps` into `value`: a missing member, an index out of range and a path through a scalar are null.
pub fn descend<'a>(value: &'a Json, steps: &[Step]) -> Value<'a> {
    find(value, steps).map_or(Value::Null, Value::from)
}

pub(crate) fn find<'a>(value: &'a Json, steps: &[Step]) -> Option<&'a Json> {
    steps.iter().try_fold(value, |value, step| match step {
        Step::Name(name) => value.as_object()?.get(name),
        Step::Index(index) => value.as_array()?.get(*index),
    })
}

pub(super) fn holds(node: &Node, names: &impl Names) -> bool {
    match node {
        Node::Or(nodes) => nodes.iter().any(|node| holds(node, names)),
        Node::And(nodes) => nodes.iter().all(|node| holds(node, names)),
        Node::Not(node) => !holds(node, names),
        Node::Bare(operand) => matches!(scalar(operand, names), Some(Value::Bool(true))),
        Node::Test(left, op, right) => test(left, *op, right, names),
    }
}

fn test(left: &Operand, op: Op, right: &Operand, names: &impl Names) -> bool {
    let ordered = |holds: fn(Ordering) -> bool| compare(left, right, names).is_some_and(holds);
    match op {
        Op::Equal => both(left, right, names).is_some_and(|(left, right)| equal(&left, &right)),
        Op::NotEqual => match both(left, right, names) {
            Some((left, right)) if is_null(&left) || is_null(&right) => is_null(&left) != is_null(&right),
            Some((left, right)) => is_scalar(&left) && is_scalar(&right) && !equal(&left, &right),
            // A list that is written out, which only null is certain to differ from.
            None => [left, right].into_iter().any(|side| scalar(side, names).as_ref().is_some_and(is_null)),
        },
        Op::Greater => ordered(Ordering::is_gt),
        Op::GreaterOrEqual => ordered(Ordering::is_ge),
        Op::Less => ordered(Ordering::is_lt),
        Op::LessOrEqual => ordered(Ordering::is_le),
        Op::Contains => match both(left, right, names) {
            Some((Value::Text(left), Value::Text(right))) => left.contains(&*right),
            _ => false,
        },
        Op::Has => holds_element(left, right, names).unwrap_or(false),
        Op::In => holds_element(right, left, names).unwrap_or(false),
        Op::NotIn => !holds_element(right, left, names).unwrap_or(true),
    }
}

/// Whether an array, an attribute or written out, has an element equal to `wanted`; `None` for what is no array.
fn holds_element(array: &Operand, wanted: &Operand, names: &impl Names) -> Option<bool> {
    let wanted = scalar(wanted, names);
    let is_wanted = |element: &Value<'_>| wanted.as_ref().is_some_and(|wanted| equal(element, wanted));
    match (array, scalar(array, names)) {
        (Operand::List(elements), _) => {
            Some(elements.iter().any(|element| scalar(element, names).as_ref().is_some_and(is_wanted)))
        }
        (_, Some(Value::Array(elements))) => Some(elements.iter().any(|element| is_wanted(&element.into()))),
        _ => None,
    }
}

fn compare(left: &Operand, right: &Operand, names: &impl Names) -> Option<Ordering> {
    match both(left, right, names)? {
        (Value::Number(left), Value::Number(right)) => compare_numbers(&left, &right),
        // Bytes of UTF-8 order as code points do.
        (Value::Text(left), Value::Text(right)) => Some(left.cmp(&right)),
        _ => None,
    }
}

/// Both sides; `None` if one is a list that is written out.
fn both<'a>(left: &'a Operand, right: &'a Operand, names: &'a impl Names) -> Option<(Value<'a>, Value<'a>)> {
    Some((scalar(left, names)?, scalar(right, names)?))
}

/// What an operand stands for; `None` for a list that is written out.
fn scalar<'a>(operand: &'a Operand, names: &'a impl Names) -> Option<Value<'a>> {
    Some(match operand {
        Operand::Null => Value::Null,
        Operand::Bool(value) => Value::Bool(*value),
        Operand::Number(number) => Value::Number(Cow::Borrowed(number)),
        Operand::Text(text) => Value::Text(Cow::Borrowed(text)),
        Operand::Ref(path) => names.value(path),
        Operand::List(_) => return None,
    })
}

/// Same type and equal; arrays and objects never are.
fn equal(left: &Value<'_>, right: &Value<'_>) -> bool {
    match (left, right) {
        (Value::Null, Value::Null) => true,
        (Value::Bool(left), Value::Bool(right)) => left == right,
        (Value::Number(left), Value::Number(right)) => compare_numbers(left, right).is_some_and(Ordering::is_eq),
        (Value::Text(left), Value::Text(right)) => left == right,
        _ => false,
    }
}

fn is_null(value: &Value<'_>) -> bool {
    *value == Value::Null
}

fn is_scalar(value: &Value<'_>) -> bool {
    !matches!(value, Value::Array(_) | Value::Object)
}

/// Whole numbers exactly (a user's id may have more digits than a float holds), others as floats.
fn compare_numbers(left: &Number, right: &Number) -> Option<Ordering> {
    match (left.as_i128(), right.as_i128()) {
        (Some(left), Some(right)) => Some(left.cmp(&right)),
        _ => left.as_f64()?.partial_cmp(&right.as_f64()?),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::Expression;

    #[test]
    fn values_compare_as_the_contract_says() {
        let names = json!({
            "none": null, "yes": true, "no": false, "five": 5, "half": 0.5, "big": 9_007_199_254_740_993_i64, "text": "5",
            "quoted": "say \"hi\" \\ 'ho'", "list": [1, "a", null, [2], {"b": 3}], "object": {"in": 1, "list": [0]},
        });
        for (expression, want) in [
            // §10.2: == and != of every pair of types
            ("none == null", true),
            ("none != null", false),
            ("yes == true", true),
            ("yes != no", true),
            ("yes == 1", false),
            ("yes != 1", true),
            ("five == text", false),
            ("five != text", true),
            ("five = 5.0", true),
            ("five != 5.0", false),
            ("half == 0.50", true),
            ("big == 9007199254740993", true),
            ("big == 9007199254740992", false),
            ("big > 9007199254740992", true),
            ("half > -1", true),
            ("list == list", false),
            ("list != list", false),
            ("list != 1", false),
            ("object == object", false),
            ("object != 1", false),
            ("object != none", true),
            ("null != object", true),
            ("object == null", false),
            ("[1] == [1]", false),
            ("[1] != [2]", false),
            ("[1] != null", true),
            ("none != [1]", true),
            ("[1] != 1", false),
            // ordering wants two numbers or two strings
            ("yes > no", false),
            ("none >= none", false),
            ("text >= '5'", true),
            ("text < '50'", true),
            ("'Z' < 'a'", true),
            ("'\u{ffff}' < '\u{10000}'", true),
            // arrays
            ("list HAS 1", true),
            ("list HAS 1.0", true),
            ("list HAS null", true),
            ("list HAS missing", true),
            ("list HAS 2", false),
            ("list HAS object", false),
            ("[2] IN list", false),
            ("[2] NOT IN list", true),
            ("list[3] HAS 2", true),
            ("list[4].b == 3", true),
            ("object.list[0] == 0", true),
            ("object.in == 1", true),
            ("'in' IN object", false),
            ("'in' NOT IN object", false),
            ("five IN [4, five]", true),
            ("five IN []", false),
            ("five NOT IN []", true),
            ("five NOT IN [[5]]", true),
            // strings
            ("quoted == 'say \"hi\" \\\\ \\'ho\\''", true),
            ("quoted CONTAINS '\"hi\"'", true),
            ("text CONTAINS 5", false),
            ("text CONTAINS ''", true),
            // bare operands and NOT
            ("yes", true),
            ("five", false),
            ("text", false),
            ("[true]", false),
            ("NOT no", true),
            ("NOT NOT yes", true),
            ("NOT yes == no", true),
            ("NOT no AND no", false),
            ("not (no or yes) OR TRUE", true),
        ] {
            let parsed = Expression::parse(expression).unwrap_or_else(|error| panic!("{expression}: {error}"));
            assert_eq!(parsed.is_true(&names), want, "{expression}");
        }
    }
}
