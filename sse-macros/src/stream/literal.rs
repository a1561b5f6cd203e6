//! Literal names and ids of events in the body: invalid ones are compile errors.

use proc_macro2::TokenStream;
use quote::ToTokens;
use syn::{
    Block, Expr, ExprCall, ExprConst, ExprMethodCall, ExprPath, ItemConst, ItemStatic, Lit, LitStr, Macro,
    Stmt,
    visit::{self, Visit},
};

use super::{foreign, group::ungrouped, text::OwnedTexts};
use crate::errors::Errors;

/// Names of the library's own events.
const RESERVED: [&str; 3] = ["sse-end", "sse-gap", "sse-position"];
/// The same as `EventId::MAX_LEN`.
const MAX_ID_LEN: usize = 1024;

/// The reason why no event can have this name, and what to write instead.
pub(crate) fn fault_of_name(name: &str) -> Option<String> {
    Some(match name {
        "" => "an event name cannot be empty, which means `message`: leave it out".to_owned(),
        "open" | "error" => format!(
            "an event name cannot be `{name}`, which would reach `on{name}` of every page: choose another"
        ),
        _ if RESERVED.contains(&name) => {
            format!("the event name `{name}` is the library's own: choose another")
        }
        _ => {
            let at = name.find(['\n', '\r', '\0'])?;
            format!("an event name cannot hold a line break or NUL, as this one does at byte {at}")
        }
    })
}

/// The reason why no event can have this id, and what to write instead.
fn fault_of_id(id: &str) -> Option<String> {
    if id.len() > MAX_ID_LEN {
        return Some(format!(
            "an id has at most {MAX_ID_LEN} bytes, since it comes back in a request header: this one has {}",
            id.len()
        ));
    }
    if id == "sse-end" {
        return Some(
            "the id `sse-end` is the library's own, for the end of a stream: choose another".to_owned(),
        );
    }
    if let Some(at) = id.find(|char: char| char.is_ascii_control() && char != '\t') {
        return Some(format!(
            "an id cannot hold a line break or another control character, as this one does at byte {at}: browsers would not send it back"
        ));
    }
    let blank = [' ', '\t'];
    (id.starts_with(blank) || id.ends_with(blank)).then(|| {
        "an id cannot start or end with a space or tab, which browsers do not send back: trim it".to_owned()
    })
}

/// Adds errors for names and ids in `body` that no event can have. If the stream is `for_browsers`, also for those that
/// browsers cannot use. `texts` are the variables that hold text made at run time.
pub(super) fn check(body: &Block, for_browsers: bool, texts: &OwnedTexts, errors: &mut Errors) {
    Literals {
        for_browsers,
        texts,
        errors,
    }
    .visit_block(body);
}

struct Literals<'a> {
    for_browsers: bool,
    texts: &'a OwnedTexts,
    errors: &'a mut Errors,
}

#[derive(Clone, Copy)]
enum Field {
    Name,
    Id,
}

impl Field {
    fn of_setter(method: &syn::Ident) -> Option<Self> {
        if method == "event" {
            Some(Self::Name)
        } else if method == "id" {
            Some(Self::Id)
        } else {
            None
        }
    }

    fn of_type(name: &syn::Ident) -> Option<Self> {
        if name == "EventName" {
            Some(Self::Name)
        } else if name == "EventId" {
            Some(Self::Id)
        } else {
            None
        }
    }

    fn fault(self, text: &str) -> Option<String> {
        match self {
            Self::Name => fault_of_name(text),
            Self::Id => fault_of_id(text),
        }
    }

    /// The error for text made at run time. Without it, the compiler would only report that the text does not live long
    /// enough.
    fn fault_of_text(self, text: &Expr) -> String {
        // All operators in it are before a value, as in `&*text`, so no space has to follow them.
        let written = text.to_token_stream().to_string();
        let written = written.replace("& ", "&").replace("* ", "*");
        match self {
            Self::Name => format!(
                "text made at run time is not proven to be an event name: write `.event(EventName::try_from({written})?)`"
            ),
            Self::Id => format!(
                "text made at run time is not proven to be an event id: write `.id(EventId::try_from({written})?)`"
            ),
        }
    }

    fn not_for_browsers(self) -> &'static str {
        match self {
            Self::Name => {
                "this stream is for browsers, whose `EventSource` cannot listen to such a name: write `EventName::try_from(..)`, or for other clients `#[sse_stream(plain)]`"
            }
            Self::Id => {
                "this stream is for browsers, which would not send such an id back: write `EventId::try_from(..)`, or for other clients `#[sse_stream(plain)]`"
            }
        }
    }
}

impl Literals<'_> {
    /// Checks every literal that `value` may become: of an `if`, of a `match`, and of a block.
    fn values(&mut self, field: Field, value: &Expr) {
        match ungrouped(value) {
            Expr::Lit(lit) => {
                if let Lit::Str(literal) = &lit.lit {
                    self.literal(field, literal);
                }
            }
            Expr::Paren(inner) => self.values(field, &inner.expr),
            Expr::Block(block) => self.last_value(field, &block.block),
            Expr::If(branches) => {
                self.last_value(field, &branches.then_branch);
                if let Some((_, other)) = &branches.else_branch {
                    self.values(field, other);
                }
            }
            Expr::Match(arms) => {
                for arm in &arms.arms {
                    self.values(field, &arm.body);
                }
            }
            _ => {}
        }
    }

    fn last_value(&mut self, field: Field, block: &Block) {
        if let Some(Stmt::Expr(value, None)) = block.stmts.last() {
            self.values(field, value);
        }
    }

    fn literal(&mut self, field: Field, literal: &LitStr) {
        let text = literal.value();
        if let Some(fault) = field.fault(&text) {
            let or = match (field, text.as_str()) {
                (Field::Name, "open" | "error") if !self.for_browsers => format!(
                    ", or, for clients other than `EventSource`, write `EventName::not_for_browsers({text:?})?`"
                ),
                _ => String::new(),
            };
            self.errors.push(literal.span(), fault + &or);
        }
    }
}

impl<'ast> Visit<'ast> for Literals<'_> {
    fn visit_expr_method_call(&mut self, call: &'ast ExprMethodCall) {
        visit::visit_expr_method_call(self, call);
        if let Some(field) = Field::of_setter(&call.method)
            && call.args.len() == 1
            && let Some(value) = call.args.first()
            && starts_at_event(&call.receiver)
        {
            self.values(field, value);
            if self.texts.lends(value) {
                self.errors.push_spanned(value, field.fault_of_text(value));
            }
        }
    }

    fn visit_expr_call(&mut self, call: &'ast ExprCall) {
        visit::visit_expr_call(self, call);
        let Some((of, function)) = associated(&call.func) else {
            return;
        };
        let Some(field) = Field::of_type(of) else { return };
        if function == "not_for_browsers" && self.for_browsers {
            self.errors.push_spanned(&call.func, field.not_for_browsers());
        } else if function == "from_static"
            && let Some(value) = call.args.first()
        {
            self.values(field, value);
        }
    }

    fn visit_macro(&mut self, mac: &'ast Macro) {
        let _: TokenStream = foreign::visit(self, mac.tokens.clone());
    }

    // The compiler evaluates these itself.
    fn visit_expr_const(&mut self, _: &'ast ExprConst) {}
    fn visit_item_const(&mut self, _: &'ast ItemConst) {}
    fn visit_item_static(&mut self, _: &'ast ItemStatic) {}
}

/// True if `expr` is a chain of calls that starts with one of `Event`'s constructors.
fn starts_at_event(mut expr: &Expr) -> bool {
    loop {
        expr = match expr {
            Expr::MethodCall(call) => &call.receiver,
            Expr::Try(tried) => &tried.expr,
            Expr::Await(awaited) => &awaited.base,
            Expr::Paren(inner) => &inner.expr,
            Expr::Group(inner) => &inner.expr,
            // This library's `Event` has no `new`, but types of other libraries do.
            Expr::Call(call) => {
                return associated(&call.func)
                    .is_some_and(|(of, function)| of == "Event" && function != "new");
            }
            _ => return false,
        }
    }
}

/// The type and the name of an associated function.
fn associated(function: &Expr) -> Option<(&syn::Ident, &syn::Ident)> {
    let Expr::Path(ExprPath { path, .. }) = ungrouped(function) else {
        return None;
    };
    let mut segments = path.segments.iter().rev();
    let function = segments.next()?;
    Some((&segments.next()?.ident, &function.ident))
}

#[cfg(test)]
mod tests;
