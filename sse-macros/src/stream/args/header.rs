//! `headers = [("name", "value"), ..]`, checked at compile time.

use syn::{Expr, ExprArray, ExprTuple, Lit, LitStr, spanned::Spanned as _};

use crate::errors::Errors;
use crate::stream::group::ungrouped;

/// One header: its name in lower case, and its value.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) name: String,
    pub(crate) value: String,
}

const FORM: &str = "headers are written as `headers = [(\"name\", \"value\"), ..]`, with literals";

/// The valid headers; the others become errors.
pub(super) fn parse(list: &Expr, errors: &mut Errors) -> Vec<Header> {
    let Expr::Array(ExprArray { elems, .. }) = ungrouped(list) else {
        errors.push(list.span(), FORM);
        return Vec::new();
    };
    elems
        .iter()
        .filter_map(|pair| errors.take(header(pair)))
        .collect()
}

fn header(pair: &Expr) -> syn::Result<Header> {
    let literals = match ungrouped(pair) {
        Expr::Tuple(ExprTuple { elems, .. }) => elems.iter().map(literal).collect(),
        _ => None,
    };
    let literals: Vec<&LitStr> = literals.unwrap_or_default();
    let [name, value] = literals.as_slice() else {
        return Err(syn::Error::new(pair.span(), FORM));
    };
    let header = Header {
        name: name.value().to_ascii_lowercase(),
        value: value.value(),
    };
    if let Some(message) = fault_of_name(&header.name) {
        return Err(syn::Error::new(name.span(), message));
    }
    if let Some(message) = fault_of_value(&header.value) {
        return Err(syn::Error::new(value.span(), message));
    }
    Ok(header)
}

fn literal(expr: &Expr) -> Option<&LitStr> {
    match ungrouped(expr) {
        Expr::Lit(lit) => match &lit.lit {
            Lit::Str(literal) => Some(literal),
            _ => None,
        },
        _ => None,
    }
}

fn fault_of_name(name: &str) -> Option<String> {
    // RFC 9110, section 5.1: a field name is a token.
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    if name.is_empty() || !name.bytes().all(is_token) {
        return Some(format!("`{}` is not a valid header name", name.escape_debug()));
    }
    let why = match name {
        "content-type" => "without `text/event-stream` a browser does not accept the stream",
        "cache-control" => "a cached or transformed stream would not arrive unchanged",
        "x-accel-buffering" => "without it nginx delays events",
        "content-encoding" => "it keeps compressors away from the stream; write `compress` to let them in",
        "content-length" | "transfer-encoding" => "a stream has no length and is framed by the server",
        "connection" | "keep-alive" | "proxy-connection" | "upgrade" | "te" | "trailer" => {
            "the connection is the server's, and HTTP/2 forbids it"
        }
        _ if name.starts_with("access-control-") => {
            "a browser refuses a stream that has it twice; use the CORS middleware"
        }
        _ => return None,
    };
    Some(format!("`{name}` cannot be set here: {why}"))
}

fn fault_of_value(value: &str) -> Option<String> {
    // RFC 9110, section 5.5, without obs-text, which recipients read differently.
    let bad = value.chars().find(|char| !matches!(char, '\t' | ' '..='~'));
    match bad {
        Some(char) => Some(format!(
            "a header's value cannot hold {char:?}: only visible ASCII, space and tab"
        )),
        None if value.starts_with([' ', '\t']) || value.ends_with([' ', '\t']) => {
            Some("a header's value cannot start or end with a space or tab: recipients trim it".to_owned())
        }
        None => None,
    }
}
