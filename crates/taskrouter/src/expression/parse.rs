//! From text to what it means (taskrouter §10.1), by recursive descent: one look ahead, no going back.

use super::{ExpressionError, LENGTH_MAX, NESTING_MAX, Node, Op, Operand, Path, Step, Wrong};

pub(super) fn parse(text: &str) -> Result<Node, ExpressionError> {
    let mut parser = Parser::new(text)?;
    let node = parser.expr(0)?;
    match parser.token {
        Token::End => Ok(node),
        _ => Err(parser.error(Wrong::Trailing)),
    }
}

pub(super) fn path(text: &str) -> Result<Path, ExpressionError> {
    let mut parser = Parser::new(text)?;
    let Token::Word(root) = parser.token else { return Err(parser.error(Wrong::Operand)) };
    let path = parser.path(root)?;
    match parser.token {
        Token::End => Ok(path),
        _ => Err(parser.error(Wrong::Trailing)),
    }
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Token<'a> {
    End,
    /// A name or a keyword: which of the two depends on where it stands.
    Word(&'a str),
    /// Between its quotes, escapes and all.
    Text(&'a str),
    Number(&'a str),
    Op(Op),
    Open,
    Close,
    OpenBracket,
    CloseBracket,
    Comma,
    Dot,
}

struct Parser<'a> {
    text: &'a str,
    /// What comes after `token`.
    rest: &'a str,
    /// The one being looked at.
    token: Token<'a>,
    /// Where it begins, in bytes.
    token_at: usize,
}

impl<'a> Parser<'a> {
    fn new(text: &'a str) -> Result<Self, ExpressionError> {
        let mut parser = Self { text, rest: text, token: Token::End, token_at: 0 };
        if text.len() > LENGTH_MAX {
            return Err(parser.error(Wrong::TooLong));
        }
        parser.advance()?;
        match parser.token {
            Token::End => Err(parser.error(Wrong::Empty)),
            _ => Ok(parser),
        }
    }

    fn expr(&mut self, depth: usize) -> Result<Node, ExpressionError> {
        let mut nodes = vec![self.and(depth)?];
        while self.takes_keyword("OR")? {
            nodes.push(self.and(depth)?);
        }
        Ok(one_or(nodes, Node::Or))
    }

    fn and(&mut self, depth: usize) -> Result<Node, ExpressionError> {
        let mut nodes = vec![self.unary(depth)?];
        while self.takes_keyword("AND")? {
            nodes.push(self.unary(depth)?);
        }
        Ok(one_or(nodes, Node::And))
    }

    fn unary(&mut self, depth: usize) -> Result<Node, ExpressionError> {
        if depth >= NESTING_MAX {
            return Err(self.error(Wrong::TooDeep));
        }
        if self.takes_keyword("NOT")? {
            return Ok(Node::Not(Box::new(self.unary(depth + 1)?)));
        }
        if self.token == Token::Open {
            self.advance()?;
            let node = self.expr(depth + 1)?;
            self.expect(Token::Close, Wrong::Parenthesis)?;
            return Ok(node);
        }
        let left = self.operand(depth)?;
        match self.op()? {
            Some(op) => Ok(Node::Test(left, op, self.operand(depth)?)),
            None => Ok(Node::Bare(left)),
        }
    }

    fn op(&mut self) -> Result<Option<Op>, ExpressionError> {
        let op = match self.token {
            Token::Op(op) => op,
            Token::Word(word) if word.eq_ignore_ascii_case("CONTAINS") => Op::Contains,
            Token::Word(word) if word.eq_ignore_ascii_case("HAS") => Op::Has,
            Token::Word(word) if word.eq_ignore_ascii_case("IN") => Op::In,
            Token::Word(word) if word.eq_ignore_ascii_case("NOT") => {
                self.advance()?;
                match self.token {
                    Token::Word(word) if word.eq_ignore_ascii_case("IN") => Op::NotIn,
                    _ => return Err(self.error(Wrong::NotWithoutIn)),
                }
            }
            _ => return Ok(None),
        };
        self.advance()?;
        Ok(Some(op))
    }

    fn operand(&mut self, depth: usize) -> Result<Operand, ExpressionError> {
        if depth >= NESTING_MAX {
            return Err(self.error(Wrong::TooDeep));
        }
        let operand = match self.token {
            Token::Text(text) => Operand::Text(unescape(text)),
            Token::Number(digits) => Operand::Number(digits.parse().map_err(|_| self.error(Wrong::Number))?),
            Token::OpenBracket => return self.list(depth),
            Token::Word(word) if word.eq_ignore_ascii_case("true") => Operand::Bool(true),
            Token::Word(word) if word.eq_ignore_ascii_case("false") => Operand::Bool(false),
            Token::Word(word) if word.eq_ignore_ascii_case("null") => Operand::Null,
            Token::Word(word) if is_keyword(word) => return Err(self.error(Wrong::Operand)),
            Token::Word(word) => return self.path(word).map(Operand::Ref),
            _ => return Err(self.error(Wrong::Operand)),
        };
        self.advance()?;
        Ok(operand)
    }

    fn list(&mut self, depth: usize) -> Result<Operand, ExpressionError> {
        self.advance()?;
        let mut elements = Vec::new();
        if self.token != Token::CloseBracket {
            elements.push(self.operand(depth + 1)?);
            while self.token == Token::Comma {
                self.advance()?;
                elements.push(self.operand(depth + 1)?);
            }
        }
        self.expect(Token::CloseBracket, Wrong::Bracket)?;
        Ok(Operand::List(elements))
    }

    fn path(&mut self, root: &str) -> Result<Path, ExpressionError> {
        let mut path = Path { root: root.to_owned(), steps: Vec::new() };
        loop {
            self.advance()?;
            match self.token {
                Token::Dot => {
                    self.advance()?;
                    // After a dot nothing is a keyword: an attribute may well be called `in`.
                    let Token::Word(name) = self.token else { return Err(self.error(Wrong::Name)) };
                    path.steps.push(Step::Name(name.to_owned()));
                }
                Token::OpenBracket => {
                    self.advance()?;
                    let Token::Number(digits) = self.token else { return Err(self.error(Wrong::Number)) };
                    path.steps.push(Step::Index(digits.parse().map_err(|_| self.error(Wrong::Number))?));
                    self.advance()?;
                    if self.token != Token::CloseBracket {
                        return Err(self.error(Wrong::Bracket));
                    }
                }
                _ => return Ok(path),
            }
        }
    }

    fn takes_keyword(&mut self, keyword: &str) -> Result<bool, ExpressionError> {
        let is = matches!(self.token, Token::Word(word) if word.eq_ignore_ascii_case(keyword));
        if is {
            self.advance()?;
        }
        Ok(is)
    }

    fn expect(&mut self, token: Token<'_>, wrong: Wrong) -> Result<(), ExpressionError> {
        if self.token == token { self.advance() } else { Err(self.error(wrong)) }
    }

    fn advance(&mut self) -> Result<(), ExpressionError> {
        self.rest = self.rest.trim_start();
        self.token_at = self.text.len() - self.rest.len();
        let mut chars = self.rest.chars();
        let (first, second) = (chars.next(), chars.next());
        let (token, len) = match (first, second) {
            (None, _) => (Token::End, 0),
            (Some('('), _) => (Token::Open, 1),
            (Some(')'), _) => (Token::Close, 1),
            (Some('['), _) => (Token::OpenBracket, 1),
            (Some(']'), _) => (Token::CloseBracket, 1),
            (Some(','), _) => (Token::Comma, 1),
            (Some('.'), _) => (Token::Dot, 1),
            (Some('='), Some('=')) => (Token::Op(Op::Equal), 2),
            (Some('='), _) => (Token::Op(Op::Equal), 1),
            (Some('!'), Some('=')) => (Token::Op(Op::NotEqual), 2),
            (Some('>'), Some('=')) => (Token::Op(Op::GreaterOrEqual), 2),
            (Some('>'), _) => (Token::Op(Op::Greater), 1),
            (Some('<'), Some('=')) => (Token::Op(Op::LessOrEqual), 2),
            (Some('<'), _) => (Token::Op(Op::Less), 1),
            (Some(quote @ ('"' | '\'')), _) => {
                let end = closing_quote(self.rest, quote).ok_or_else(|| self.error(Wrong::Unterminated))?;
                (Token::Text(&self.rest[1..end]), end + 1)
            }
            (Some('-' | '0'..='9'), _) => {
                let len = number_len(self.rest).ok_or_else(|| self.error(Wrong::Number))?;
                (Token::Number(&self.rest[..len]), len)
            }
            (Some('A'..='Z' | 'a'..='z' | '_'), _) => {
                let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
                let len = self.rest.find(|c| !is_name(c)).unwrap_or(self.rest.len());
                (Token::Word(&self.rest[..len]), len)
            }
            _ => return Err(self.error(Wrong::Character)),
        };
        self.token = token;
        self.rest = &self.rest[len..];
        Ok(())
    }

    fn error(&self, what: Wrong) -> ExpressionError {
        ExpressionError { at: self.text[..self.token_at].chars().count() + 1, what }
    }
}

fn one_or(mut nodes: Vec<Node>, many: fn(Vec<Node>) -> Node) -> Node {
    if nodes.len() == 1 { nodes.remove(0) } else { many(nodes) }
}

fn is_keyword(word: &str) -> bool {
    ["AND", "OR", "NOT", "IN", "HAS", "CONTAINS"].iter().any(|keyword| word.eq_ignore_ascii_case(keyword))
}

/// Where the string that begins `text` ends, its quote not counted. A backslash escapes whatever follows.
fn closing_quote(text: &str, quote: char) -> Option<usize> {
    let mut escaped = false;
    text.char_indices().skip(1).find_map(|(at, c)| {
        let closes = c == quote && !escaped;
        escaped = c == '\\' && !escaped;
        closes.then_some(at)
    })
}

fn unescape(text: &str) -> String {
    let mut chars = text.chars();
    let mut plain = String::with_capacity(text.len());
    while let Some(c) = chars.next() {
        plain.extend(if c == '\\' { chars.next() } else { Some(c) });
    }
    plain
}

/// `[-] digits [. digits]`, which a name may not follow directly. An exponent is none of ours.
fn number_len(text: &str) -> Option<usize> {
    let digits = |from: usize| text.bytes().skip(from).take_while(u8::is_ascii_digit).count();
    let sign = usize::from(text.starts_with('-'));
    let mut len = sign + digits(sign);
    if len == sign {
        return None;
    }
    let fraction = if text[len..].starts_with('.') { digits(len + 1) } else { 0 };
    if fraction > 0 {
        len += 1 + fraction;
    }
    let glued = text[len..].starts_with(|c: char| c.is_alphanumeric() || c == '_');
    (!glued).then_some(len)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Expression;

    #[test]
    fn an_error_says_what_and_where() {
        let long = "x".repeat(LENGTH_MAX + 1);
        let deep = format!("{}a{}", "(".repeat(NESTING_MAX), ")".repeat(NESTING_MAX));
        let list = format!("a IN {}{}", "[".repeat(NESTING_MAX + 1), "]".repeat(NESTING_MAX + 1));
        for (text, at, what) in [
            ("", 1, Wrong::Empty),
            (" \t\n", 4, Wrong::Empty),
            (&*long, 1, Wrong::TooLong),
            (&*deep, NESTING_MAX + 1, Wrong::TooDeep),
            (&*list, NESTING_MAX + 6, Wrong::TooDeep),
            ("a & b", 3, Wrong::Character),
            ("a == é", 6, Wrong::Character),
            ("'é' == \"x", 8, Wrong::Unterminated),
            ("a == 'x\\'", 6, Wrong::Unterminated),
            ("a == -", 6, Wrong::Number),
            ("a == 1e5", 6, Wrong::Number),
            ("a == 5x", 6, Wrong::Number),
            ("a[-1] == 1", 3, Wrong::Number),
            ("a[1.5] == 1", 3, Wrong::Number),
            ("a[b] == 1", 3, Wrong::Number),
            ("a[99999999999999999999] == 1", 3, Wrong::Number),
            ("a ==", 5, Wrong::Operand),
            ("a == AND", 6, Wrong::Operand),
            ("in == 1", 1, Wrong::Operand),
            ("a. == 1", 4, Wrong::Name),
            ("a NOT 1", 7, Wrong::NotWithoutIn),
            ("(a == 1", 8, Wrong::Parenthesis),
            ("a IN [1, 2", 11, Wrong::Bracket),
            ("a[0 == 1", 5, Wrong::Bracket),
            ("a b", 3, Wrong::Trailing),
            ("(a) == 1", 5, Wrong::Trailing),
            ("a == 1)", 7, Wrong::Trailing),
        ] {
            let error = Expression::parse(text).expect_err(text);
            assert_eq!(error, ExpressionError { at, what }, "{text}");
            assert_eq!(error.code(), 20001);
        }
    }

    #[test]
    fn references_are_listed_as_written() {
        let expression =
            Expression::parse("task.a[2].in == worker.b AND NOT (c IN [d, 'e', [task.f]])").expect("valid");
        let shown: Vec<String> =
            expression.paths().iter().map(|path| format!("{}{:?}", path.root, path.steps)).collect();
        assert_eq!(
            shown,
            ["task[Name(\"a\"), Index(2), Name(\"in\")]", "worker[Name(\"b\")]", "c[]", "d[]", "task[Name(\"f\")]"]
        );
        assert_eq!(
            Path::parse(" worker.level ").as_ref().ok(),
            Expression::parse("worker.level").expect("valid").paths().first().copied()
        );
        for text in ["", "1", "worker.level DESC", "worker."] {
            assert!(Path::parse(text).is_err(), "{text}");
        }
    }
}
