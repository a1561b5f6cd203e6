//! `keep_alive = ".."` and `retry = ".."`.

use syn::{Expr, Lit, LitStr, UnOp, spanned::Spanned as _};

use super::{KeepAlive, Retry, duration};
use crate::stream::group::ungrouped;

/// The same as `KeepAlive::MIN` and `Retry::MIN`.
const MIN_MILLIS: u64 = 100;
/// The same as `Retry::MAX`.
const MAX_RETRY_MILLIS: u64 = 0x7FFF_FFFF;

pub(super) fn keep_alive(value: Expr) -> syn::Result<KeepAlive> {
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

pub(super) fn retry(value: Expr) -> syn::Result<Retry> {
    let Some(literal) = text(&value, "retry", "3s")? else {
        return Ok(Retry::Const(value));
    };
    if literal.value() == "off" {
        return Ok(Retry::Off);
    }
    let millis = duration::millis(&literal)?;
    match u32::try_from(millis) {
        Ok(fits) if (MIN_MILLIS..=MAX_RETRY_MILLIS).contains(&millis) => Ok(Retry::Millis(fits)),
        _ => Err(syn::Error::new(
            literal.span(),
            "a retry time lies between \"100ms\" and \"2147483647ms\" (about 25 days): with less, browsers would reconnect in a tight loop, and with more, the number overflows in Firefox; to send none write \"off\"",
        )),
    }
}

/// The text of a duration, or `None` if it is a const expression.
fn text(value: &Expr, name: &str, example: &str) -> syn::Result<Option<LitStr>> {
    let value = ungrouped(value);
    let number = match value {
        Expr::Unary(unary) if matches!(unary.op, UnOp::Neg(_)) => ungrouped(&unary.expr),
        other => other,
    };
    if let Expr::Path(path) = number
        && path.path.is_ident("off")
    {
        return Err(syn::Error::new(
            path.span(),
            format_args!("`off` is written in quotes: `{name} = \"off\"`"),
        ));
    }
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
