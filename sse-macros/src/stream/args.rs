//! The parsed arguments of the attribute.

mod duration;
mod header;
mod spelling;
mod time;

use proc_macro2::TokenStream;
use syn::{
    Expr, Ident, Lit, LitBool, LitStr, Path, Token, Type, ext::IdentExt as _, parse::ParseStream,
    parse::Parser as _, parse_quote, spanned::Spanned as _,
};

pub(crate) use self::header::Header;
use super::{group::ungrouped, literal};
use crate::errors::Errors;

/// The arguments in `#[sse_stream(..)]`.
pub(crate) struct Args {
    pub(crate) keep_alive: Option<KeepAlive>,
    pub(crate) retry: Option<Retry>,
    pub(crate) names: Option<Names>,
    /// True if the stream is for clients other than `EventSource`; `None` if the method decides.
    pub(crate) plain: Option<bool>,
    /// A `fn(&Error) -> Event`.
    pub(crate) on_error: Option<Expr>,
    pub(crate) finite: bool,
    pub(crate) resume: bool,
    pub(crate) compress: bool,
    pub(crate) headers: Vec<Header>,
    /// The path of `sse_actix`.
    pub(crate) krate: Path,
}

pub(crate) enum KeepAlive {
    Off,
    Millis(u64),
    Const(Expr),
}

pub(crate) enum Retry {
    Off,
    Millis(u32),
    Const(Expr),
}

/// The source of the events' names.
pub(crate) enum Names {
    /// The name of events without a name.
    Default(EventName),
    /// The enum of the stream's events.
    Events(Box<Type>),
}

pub(crate) enum EventName {
    Literal(LitStr),
    Const(Expr),
}

const KNOWN: [&str; 11] = [
    "keep_alive",
    "retry",
    "event",
    "events",
    "plain",
    "on_error",
    "finite",
    "resume",
    "compress",
    "headers",
    "crate",
];

/// The error for `on_error` on a stream for browsers.
pub(crate) const UNUSED_ON_ERROR: &str = "`on_error` is only for plain streams, and this stream is for browsers, which get `sse-end` when it fails: leave out `on_error`, or write `plain`";

impl Default for Args {
    fn default() -> Self {
        Self {
            keep_alive: None,
            retry: None,
            names: None,
            plain: None,
            on_error: None,
            finite: false,
            resume: false,
            compress: false,
            headers: Vec::new(),
            krate: parse_quote!(::sse_actix),
        }
    }
}

impl Args {
    /// The enum of the stream's events, if there is one.
    pub(crate) fn events(&self) -> Option<&Type> {
        match &self.names {
            Some(Names::Events(events)) => Some(events),
            _ => None,
        }
    }

    /// Parses the arguments. Mistakes go to `errors`, so that the function can still be expanded with the valid
    /// arguments.
    pub(crate) fn parse(tokens: TokenStream, errors: &mut Errors) -> Self {
        let mut args = Self::default();
        let mut seen: Vec<Ident> = Vec::new();
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
        args.check_plain(&seen, errors);
        check_names(&seen, errors);
        args
    }

    /// Adds an error for arguments that exclude each other, at the second of them.
    fn check_plain(&self, seen: &[Ident], errors: &mut Errors) {
        let Some(plain) = self.plain else { return };
        let excluded: &[(&str, &str)] = if plain {
            &[
                (
                    "finite",
                    "`finite` and `plain` exclude each other: clients of a plain stream do not reconnect by themselves; leave out `finite`",
                ),
                (
                    "resume",
                    "`resume` and `plain` exclude each other: a plain stream that fails is cut off, and its clients do not reconnect by themselves; leave out `resume`",
                ),
            ]
        } else {
            &[("on_error", UNUSED_ON_ERROR)]
        };
        for (name, message) in excluded {
            let mut pair = seen
                .iter()
                .filter(|argument| *argument == name || *argument == "plain");
            if seen.iter().any(|argument| argument == name)
                && let Some(second) = pair.nth(1)
            {
                errors.push(second.span(), message);
            }
        }
    }

    fn parse_one(
        &mut self,
        input: ParseStream<'_>,
        seen: &mut Vec<Ident>,
        errors: &mut Errors,
    ) -> syn::Result<()> {
        if input.peek(LitStr) {
            return Err(
                input.error("`#[sse_stream]` takes no path: write actix's `#[get(\"/path\")]` above it")
            );
        }
        let name = input.call(Ident::parse_any)?;
        let key = name.to_string();
        if seen.contains(&name) {
            errors.push(name.span(), format_args!("`{key}` is given twice"));
        }
        match key.as_str() {
            "keep_alive" => self.keep_alive = errors.take(time::keep_alive(value(input, &name, "\"15s\"")?)),
            "retry" => self.retry = errors.take(time::retry(value(input, &name, "\"3s\"")?)),
            "event" => {
                let name = errors.take(event(value(input, &name, "\"tick\"")?));
                self.names = name.map(Names::Default);
            }
            "events" => {
                equals(input, &name, "Market")?;
                self.names = Some(Names::Events(Box::new(input.parse()?)));
            }
            "headers" => {
                self.headers = header::parse(&value(input, &name, "[(\"name\", \"value\")]")?, errors);
            }
            "crate" => {
                equals(input, &name, "path::to::sse_actix")?;
                self.krate = input.call(Path::parse_mod_style)?;
            }
            "plain" => self.plain = choice(input, &name, errors)?,
            "on_error" => {
                self.on_error = errors.take(on_error(value(input, &name, "path::to::function")?));
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
        seen.push(name);
        Ok(())
    }
}

/// Adds an error for a default name if `events` gives all events their names.
fn check_names(seen: &[Ident], errors: &mut Errors) {
    let of = |known| seen.iter().position(|argument| argument == known);
    if let (Some(event), Some(events)) = (of("event"), of("events"))
        && let Some(second) = seen.get(event.max(events))
    {
        errors.push(
            second.span(),
            "`event` and `events` exclude each other: the variants of the enum have names; leave out `event`",
        );
    }
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

/// `name` alone, `name = true` or `name = false`.
fn choice(input: ParseStream<'_>, name: &Ident, errors: &mut Errors) -> syn::Result<Option<bool>> {
    if input.parse::<Option<Token![=]>>()?.is_none() {
        return Ok(Some(true));
    }
    let value: Expr = input.parse()?;
    if let Expr::Lit(lit) = ungrouped(&value)
        && let Lit::Bool(LitBool { value, .. }) = &lit.lit
    {
        return Ok(Some(*value));
    }
    errors.push(
        value.span(),
        format_args!("`{name}` is `true` or `false`: write `{name}` or `{name} = false`, or leave it out"),
    );
    Ok(None)
}

fn unknown(name: &str) -> String {
    match spelling::nearest(name, KNOWN) {
        Some(known) => format!("`{name}` is not an argument of `#[sse_stream]`; did you mean `{known}`?"),
        None => format!(
            "`{name}` is not an argument of `#[sse_stream]`; there are `{}`",
            KNOWN.join("`, `")
        ),
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
    match literal::fault_of_name(&literal.value()) {
        Some(fault) => Err(syn::Error::new(literal.span(), fault)),
        None => Ok(EventName::Literal(literal)),
    }
}

fn on_error(value: Expr) -> syn::Result<Expr> {
    match ungrouped(&value) {
        Expr::Lit(lit) => Err(syn::Error::new(
            lit.span(),
            "`on_error` is a function from the error to an event that reports it, `fn(&actix_web::Error) -> Event`: write `on_error = path::to::function`",
        )),
        _ => Ok(value),
    }
}

#[cfg(test)]
mod tests;
