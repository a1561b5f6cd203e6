//! The attribute's arguments, parsed to what they mean.

mod duration;
mod header;
mod spelling;

use proc_macro2::TokenStream;
use syn::{
    Expr, Ident, Lit, LitStr, Path, Token, UnOp, ext::IdentExt as _, parse::ParseStream, parse::Parser as _,
    parse_quote, spanned::Spanned as _,
};

pub(crate) use self::header::Header;
use super::errors::Errors;

/// What stands in the parentheses of `#[sse_stream(..)]`.
pub(crate) struct Args {
    pub(crate) keep_alive: Option<KeepAlive>,
    pub(crate) retry: Option<Retry>,
    pub(crate) event: Option<EventName>,
    pub(crate) finite: bool,
    pub(crate) resume: bool,
    pub(crate) compress: bool,
    pub(crate) headers: Vec<Header>,
    /// Where `sse_actix` is found.
    pub(crate) krate: Path,
}

pub(crate) enum KeepAlive {
    Off,
    Millis(u64),
    Const(Expr),
}

pub(crate) enum Retry {
    Millis(u32),
    Const(Expr),
}

pub(crate) enum EventName {
    Literal(LitStr),
    Const(Expr),
}

const KNOWN: [&str; 8] = [
    "keep_alive",
    "retry",
    "event",
    "finite",
    "resume",
    "compress",
    "headers",
    "crate",
];

/// As `KeepAlive::MIN` and `Retry::MIN` have it.
const MIN_MILLIS: u64 = 100;
/// As `Retry::MAX` has it.
const MAX_RETRY_MILLIS: u64 = 0x7FFF_FFFF;

impl Default for Args {
    fn default() -> Self {
        Self {
            keep_alive: None,
            retry: None,
            event: None,
            finite: false,
            resume: false,
            compress: false,
            headers: Vec::new(),
            krate: parse_quote!(::sse_actix),
        }
    }
}

impl Args {
    /// Every argument that can be taken. What is wrong with the others goes to `errors`, so that the
    /// function can still be expanded.
    pub(crate) fn parse(tokens: TokenStream, errors: &mut Errors) -> Self {
        let mut args = Self::default();
        let mut seen = Vec::new();
        let parser = |input: ParseStream<'_>| {
            while !input.is_empty() {
                args.parse_one(input, &mut seen, errors)?;
                if !input.is_empty() {
                    input.parse::<Token![,]>()?;
                }
            }
            Ok(())
        };
        if let Err(error) = parser.parse2(tokens) {
            errors.add(error);
        }
        args
    }

    fn parse_one(
        &mut self,
        input: ParseStream<'_>,
        seen: &mut Vec<String>,
        errors: &mut Errors,
    ) -> syn::Result<()> {
        if input.peek(LitStr) {
            return Err(input.error(
                "`#[sse_stream]` takes no path: routing stays actix's, write `#[get(\"/path\")]` above it",
            ));
        }
        let name = input.call(Ident::parse_any)?;
        let key = name.to_string();
        if seen.contains(&key) {
            errors.push(name.span(), format_args!("`{key}` is given twice"));
        }
        match key.as_str() {
            "keep_alive" => self.keep_alive = errors.take(keep_alive(value(input, &name, "\"15s\"")?)),
            "retry" => self.retry = errors.take(retry(value(input, &name, "\"3s\"")?)),
            "event" => self.event = errors.take(event(value(input, &name, "\"tick\"")?)),
            "headers" => {
                self.headers = header::parse(&value(input, &name, "[(\"name\", \"value\")]")?, errors);
            }
            "crate" => {
                equals(input, &name, "path::to::sse_actix")?;
                self.krate = input.call(Path::parse_mod_style)?;
            }
            "finite" => self.finite = flag(input, &name, errors)?,
            "resume" => self.resume = flag(input, &name, errors)?,
            "compress" => self.compress = flag(input, &name, errors)?,
            _ => {
                errors.push(name.span(), unknown(&key));
                if input.parse::<Option<Token![=]>>()?.is_some() {
                    input.parse::<Expr>()?;
                }
            }
        }
        seen.push(key);
        Ok(())
    }
}

/// An expression without the invisible delimiters that a `macro_rules` parameter comes in.
fn ungrouped(mut expr: &Expr) -> &Expr {
    while let Expr::Group(group) = expr {
        expr = &group.expr;
    }
    expr
}

fn equals(input: ParseStream<'_>, name: &Ident, example: &str) -> syn::Result<()> {
    match input.parse::<Option<Token![=]>>()? {
        Some(_) => Ok(()),
        None => Err(syn::Error::new(
            name.span(),
            format_args!("`{name}` needs a value: write `{name} = {example}`"),
        )),
    }
}

fn value(input: ParseStream<'_>, name: &Ident, example: &str) -> syn::Result<Expr> {
    equals(input, name, example)?;
    input.parse()
}

fn flag(input: ParseStream<'_>, name: &Ident, errors: &mut Errors) -> syn::Result<bool> {
    if input.parse::<Option<Token![=]>>()?.is_some() {
        let value: Expr = input.parse()?;
        errors.push(
            value.span(),
            format_args!("`{name}` takes no value: write `{name}`, or leave it out"),
        );
    }
    Ok(true)
}

fn unknown(name: &str) -> String {
    match spelling::nearest(name, KNOWN) {
        Some(known) => format!("`{name}` is no argument of `#[sse_stream]`; did you mean `{known}`?"),
        None => format!(
            "`{name}` is no argument of `#[sse_stream]`; there are `{}`",
            KNOWN.join("`, `")
        ),
    }
}

fn keep_alive(value: Expr) -> syn::Result<KeepAlive> {
    let Some(literal) = text(&value, "keep_alive", "15s")? else {
        return Ok(KeepAlive::Const(value));
    };
    if literal.value() == "off" {
        return Ok(KeepAlive::Off);
    }
    match duration::millis(&literal)? {
        millis @ MIN_MILLIS.. => Ok(KeepAlive::Millis(millis)),
        _ => Err(syn::Error::new(
            literal.span(),
            "a keep-alive after less than \"100ms\" of silence would keep a core busy; for none write \"off\"",
        )),
    }
}

fn retry(value: Expr) -> syn::Result<Retry> {
    let Some(literal) = text(&value, "retry", "3s")? else {
        return Ok(Retry::Const(value));
    };
    let millis = duration::millis(&literal)?;
    match u32::try_from(millis) {
        Ok(fits) if (MIN_MILLIS..=MAX_RETRY_MILLIS).contains(&millis) => Ok(Retry::Millis(fits)),
        _ => Err(syn::Error::new(
            literal.span(),
            "a retry time lies between \"100ms\" and \"2147483647ms\" (about 25 days): browsers storm with less and wrap around with more",
        )),
    }
}

fn event(value: Expr) -> syn::Result<EventName> {
    let literal = match ungrouped(&value) {
        Expr::Lit(lit) => match &lit.lit {
            Lit::Str(literal) => literal.clone(),
            other => {
                return Err(syn::Error::new(
                    other.span(),
                    "an event name is text: write `event = \"tick\"`",
                ));
            }
        },
        _ => return Ok(EventName::Const(value)),
    };
    let name = literal.value();
    let fault = match name.as_str() {
        "" => "an event name cannot be empty, which means `message`: leave `event` out".to_owned(),
        "open" | "error" => format!(
            "an event name cannot be `{name}`, which would reach `on{name}` of every page: choose another"
        ),
        _ => match name.find(['\n', '\r', '\0']) {
            Some(at) => {
                format!("an event name cannot hold a line break or NUL, as this one does at byte {at}")
            }
            None => return Ok(EventName::Literal(literal)),
        },
    };
    Err(syn::Error::new(literal.span(), fault))
}

/// The text of a duration, or `None` if it is a const expression.
fn text(value: &Expr, name: &str, example: &str) -> syn::Result<Option<LitStr>> {
    let value = ungrouped(value);
    let number = match value {
        Expr::Unary(unary) if matches!(unary.op, UnOp::Neg(_)) => ungrouped(&unary.expr),
        other => other,
    };
    let Expr::Lit(lit) = number else {
        return Ok(None);
    };
    let message = match &lit.lit {
        Lit::Str(literal) => return Ok(Some(literal.clone())),
        // `15s` is one token: a number with a suffix.
        Lit::Int(int) if matches!(int.suffix(), "ms" | "s" | "m" | "h") => {
            format!("a duration is written in quotes: `{name} = \"{int}\"`")
        }
        Lit::Int(int) if int.suffix().is_empty() && !matches!(value, Expr::Unary(_)) => {
            format!("a bare number has no unit: write `{name} = \"{int}s\"` or `{name} = \"{int}ms\"`")
        }
        _ => format!("a duration is text with a unit: write `{name} = \"{example}\"`"),
    };
    Err(syn::Error::new(value.span(), message))
}

#[cfg(test)]
mod tests;
