//! Parses types that ts-rs has written, and only the part of TypeScript that these need.

/// A type.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Type {
    /// `string`, `Price`, `Array<T>`.
    Name(String, Vec<Type>),
    /// A text, a number or a `true`, as it is written.
    Literal(String),
    Object(Vec<Property>),
    /// `{ [key in string]: T }`.
    Map(Box<Type>),
    Tuple(Vec<Type>),
    Union(Vec<Type>),
    Intersection(Vec<Type>),
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Property {
    /// As a text in quotes.
    pub(super) key: String,
    pub(super) is_optional: bool,
    pub(super) ty: Type,
}

/// `type Name<T> = ..;`: its parameters and its type.
pub(super) fn declaration(text: &str) -> Result<(Vec<String>, Type), &'static str> {
    let mut input = Input(text.trim_end().trim_end_matches(';'));
    if !input.eat("type ") {
        return Err("it does not begin with `type`");
    }
    input.word().ok_or("it has no name")?;
    let mut parameters = Vec::new();
    if input.eat("<") {
        while !input.eat(">") {
            parameters.push(input.word().ok_or("a parameter has no name")?);
            if input.eat("=") {
                input.union()?;
            }
            input.eat(",");
        }
    }
    if !input.eat("=") {
        return Err("there is no `=` after the name");
    }
    Ok((parameters, input.whole()?))
}

/// A type alone.
pub(super) fn parse(text: &str) -> Result<Type, &'static str> {
    Input(text).whole()
}

struct Input<'a>(&'a str);

impl Input<'_> {
    fn whole(&mut self) -> Result<Type, &'static str> {
        let ty = self.union()?;
        self.skip_blanks();
        if self.0.is_empty() {
            Ok(ty)
        } else {
            Err("there is more than one type")
        }
    }

    /// Skips white space and comments.
    fn skip_blanks(&mut self) {
        loop {
            self.0 = self.0.trim_start();
            let Some((_, rest)) = self
                .0
                .strip_prefix("/*")
                .and_then(|comment| comment.split_once("*/"))
            else {
                return;
            };
            self.0 = rest;
        }
    }

    fn eat(&mut self, token: &str) -> bool {
        self.skip_blanks();
        match self.0.strip_prefix(token) {
            Some(rest) => {
                self.0 = rest;
                true
            }
            None => false,
        }
    }

    fn word(&mut self) -> Option<String> {
        self.skip_blanks();
        let is_part = |char: char| char.is_alphanumeric() || "_$".contains(char);
        let end = self.0.find(|char| !is_part(char)).unwrap_or(self.0.len());
        let (word, rest) = self.0.split_at_checked(end)?;
        self.0 = rest;
        (!word.is_empty()).then(|| word.to_owned())
    }

    /// A text in quotes; the quotes are kept.
    fn text(&mut self) -> Option<String> {
        self.skip_blanks();
        let quote = self.0.chars().next().filter(|char| "\"'".contains(*char))?;
        let mut escaped = false;
        let end = self.0.char_indices().skip(1).find_map(|(at, char)| {
            let is_end = char == quote && !escaped;
            escaped = char == '\\' && !escaped;
            is_end.then_some(at + 1)
        })?;
        let (text, rest) = self.0.split_at_checked(end)?;
        self.0 = rest;
        Some(text.to_owned())
    }

    fn union(&mut self) -> Result<Type, &'static str> {
        self.eat("|");
        let mut types = vec![self.intersection()?];
        while self.eat("|") {
            types.push(self.intersection()?);
        }
        Ok(single_or(types, Type::Union))
    }

    fn intersection(&mut self) -> Result<Type, &'static str> {
        let mut types = vec![self.arrays()?];
        while self.eat("&") {
            types.push(self.arrays()?);
        }
        Ok(single_or(types, Type::Intersection))
    }

    fn arrays(&mut self) -> Result<Type, &'static str> {
        let mut ty = self.primary()?;
        while self.eat("[]") {
            ty = Type::Name("Array".to_owned(), vec![ty]);
        }
        Ok(ty)
    }

    fn primary(&mut self) -> Result<Type, &'static str> {
        if self.eat("(") {
            let ty = self.union()?;
            return if self.eat(")") {
                Ok(ty)
            } else {
                Err("a bracket is not closed")
            };
        }
        if self.eat("[") {
            return self.list("]").map(Type::Tuple);
        }
        if self.eat("{") {
            return self.object();
        }
        if let Some(text) = self.text() {
            return Ok(Type::Literal(text));
        }
        let minus = if self.eat("-") { "-" } else { "" };
        let word = self.word().ok_or("a type is missing")?;
        if word.starts_with(|char: char| char.is_ascii_digit()) {
            let fraction = if self.eat(".") { self.word() } else { None };
            let fraction = fraction.map(|digits| format!(".{digits}")).unwrap_or_default();
            return Ok(Type::Literal(format!("{minus}{word}{fraction}")));
        }
        if word == "true" || word == "false" {
            return Ok(Type::Literal(word));
        }
        let arguments = if self.eat("<") {
            self.list(">")?
        } else {
            Vec::new()
        };
        Ok(Type::Name(word, arguments))
    }

    fn list(&mut self, end: &str) -> Result<Vec<Type>, &'static str> {
        let mut types = Vec::new();
        while !self.eat(end) {
            types.push(self.union()?);
            if !self.eat(",") {
                return if self.eat(end) {
                    Ok(types)
                } else {
                    Err("a list is not closed")
                };
            }
        }
        Ok(types)
    }

    fn object(&mut self) -> Result<Type, &'static str> {
        let mut properties = Vec::new();
        while !self.eat("}") {
            if self.eat("[") {
                return self.map(&properties);
            }
            let key = match self.text() {
                Some(key) => key,
                None => format!("{:?}", self.word().ok_or("a property has no name")?),
            };
            let is_optional = self.eat("?");
            if !self.eat(":") {
                return Err("a property has no type");
            }
            let ty = self.union()?;
            properties.push(Property { key, is_optional, ty });
            if !self.eat(",") && !self.eat(";") {
                return if self.eat("}") {
                    Ok(Type::Object(properties))
                } else {
                    Err("an object is not closed")
                };
            }
        }
        Ok(Type::Object(properties))
    }

    /// `key in string]?: T }`.
    fn map(&mut self, before: &[Property]) -> Result<Type, &'static str> {
        let name = self.word().ok_or("a key has no name")?;
        if !before.is_empty() || name.is_empty() || !(self.eat("in ") || self.eat(":")) {
            return Err("there are properties beside `[key in ..]`");
        }
        self.union()?;
        let closes = self.eat("]");
        self.eat("?");
        if !closes || !self.eat(":") {
            return Err("a key has no type");
        }
        let ty = self.union()?;
        let _ = self.eat(",") || self.eat(";");
        if self.eat("}") {
            Ok(Type::Map(Box::new(ty)))
        } else {
            Err("an object is not closed")
        }
    }
}

fn single_or(mut types: Vec<Type>, several: impl Fn(Vec<Type>) -> Type) -> Type {
    if types.len() > 1 {
        return several(types);
    }
    types.pop().unwrap_or(Type::Tuple(Vec::new()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(name: &str) -> Type {
        Type::Name(name.to_owned(), Vec::new())
    }

    #[test]
    fn what_ts_rs_writes_is_read() {
        let property = |key: &str, is_optional, ty| Property {
            key: format!("{key:?}"),
            is_optional,
            ty,
        };
        for (text, ty) in [
            ("string", name("string")),
            ("string | null", Type::Union(vec![name("string"), name("null")])),
            (
                "Array<Price>",
                Type::Name("Array".to_owned(), vec![name("Price")]),
            ),
            (
                "(A | B)[]",
                Type::Name("Array".to_owned(), vec![Type::Union(vec![name("A"), name("B")])]),
            ),
            (
                "[number, string]",
                Type::Tuple(vec![name("number"), name("string")]),
            ),
            (
                "{ [key in string]?: number }",
                Type::Map(Box::new(name("number"))),
            ),
            (
                "\"a\\\"b\" | -1.5",
                Type::Union(vec![
                    Type::Literal("\"a\\\"b\"".to_owned()),
                    Type::Literal("-1.5".to_owned()),
                ]),
            ),
            (
                "{ \n/**\n * How much.\n */\nprice: number, \"in-cents\"?: boolean | null, }",
                Type::Object(vec![
                    property("price", false, name("number")),
                    property("in-cents", true, Type::Union(vec![name("boolean"), name("null")])),
                ]),
            ),
            (
                "{ a: A } & B",
                Type::Intersection(vec![
                    Type::Object(vec![property("a", false, name("A"))]),
                    name("B"),
                ]),
            ),
            (
                "Record<string, never>",
                Type::Name("Record".to_owned(), vec![name("string"), name("never")]),
            ),
        ] {
            assert_eq!(parse(text), Ok(ty), "{text}");
        }
        assert_eq!(
            declaration("type Page<T> = { items: Array<T>, };"),
            Ok((
                vec!["T".to_owned()],
                Type::Object(vec![property(
                    "items",
                    false,
                    Type::Name("Array".to_owned(), vec![name("T")])
                )])
            ))
        );
    }

    #[test]
    fn what_is_no_such_type_is_an_error() {
        for text in [
            "",
            "a b",
            "{ a }",
            "(a",
            "[a",
            "a<b",
            "{ a: b",
            "() => void",
            "{ a: b, [key in string]: c }",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
        assert!(declaration("interface A {}").is_err());
    }
}
