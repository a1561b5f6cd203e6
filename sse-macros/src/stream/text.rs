//! Variables that certainly hold text made at run time.
//!
//! An event's name and id accept only `&'static str`. For other text the compiler would only report that it does not
//! live long enough.

use std::collections::HashMap;

use syn::{
    Block, Expr, ExprCall, ExprIndex, ExprMacro, ExprMethodCall, ExprReference, ExprUnary, GenericArgument,
    Ident, Local, Macro, Pat, PatIdent, PatType, PathArguments, Type, UnOp,
    visit::{self, Visit},
};

use super::{foreign, group::ungrouped};

/// Types that lend a `&str` of the `String` in them.
const WRAPPERS: [&str; 9] = [
    "Arc", "Box", "Data", "Form", "Header", "Json", "Path", "Query", "Rc",
];

/// For each name, how often the function binds it, and whether it is a `String`.
#[derive(Debug, Default)]
pub(super) struct OwnedTexts(HashMap<String, Binding>);

#[derive(Debug, Default)]
struct Binding {
    count: usize,
    is_text: bool,
}

impl OwnedTexts {
    /// Collects a function's arguments and the variables of its body.
    pub(super) fn of(arguments: &[&PatType], body: &Block) -> Self {
        let mut texts = Self::default();
        for typed in arguments {
            texts.visit_pat(&typed.pat);
            if holds_a_string(&typed.ty) {
                texts.note(&typed.pat);
            }
        }
        texts.visit_block(body);
        texts
    }

    /// True if `expr` borrows from one of them. A name that is bound twice is ignored, because it may be another
    /// variable.
    pub(super) fn lends(&self, expr: &Expr) -> bool {
        match ungrouped(expr) {
            Expr::MethodCall(ExprMethodCall {
                receiver,
                method,
                args,
                ..
            }) => {
                args.is_empty()
                    && ["as_ref", "as_str", "trim"]
                        .iter()
                        .any(|lending| method == lending)
                    && (self.is_text(receiver) || self.lends(receiver))
            }
            Expr::Reference(ExprReference { expr, .. }) => match ungrouped(expr) {
                // `&*text`, `&**text`
                Expr::Unary(ExprUnary {
                    op: UnOp::Deref(_),
                    expr,
                    ..
                }) => self.is_text(dereferenced(expr)),
                Expr::Index(ExprIndex { expr, .. }) => self.is_text(expr),
                _ => false,
            },
            _ => false,
        }
    }

    fn is_text(&self, expr: &Expr) -> bool {
        match ungrouped(expr) {
            Expr::Path(path) => path.path.get_ident().is_some_and(|name| {
                self.0
                    .get(&name.to_string())
                    .is_some_and(|binding| binding.is_text && binding.count == 1)
            }),
            _ => false,
        }
    }

    fn binding(&mut self, name: &Ident) -> &mut Binding {
        self.0.entry(name.to_string()).or_default()
    }

    fn note(&mut self, pat: &Pat) {
        if let Pat::Ident(PatIdent { ident, .. }) = pat {
            self.binding(ident).is_text = true;
        }
    }
}

impl<'ast> Visit<'ast> for OwnedTexts {
    fn visit_pat_ident(&mut self, pat: &'ast PatIdent) {
        self.binding(&pat.ident).count += 1;
        visit::visit_pat_ident(self, pat);
    }

    fn visit_local(&mut self, local: &'ast Local) {
        visit::visit_local(self, local);
        match &local.pat {
            Pat::Type(PatType { pat, ty, .. }) if holds_a_string(ty) => self.note(pat),
            pat if local.init.as_ref().is_some_and(|init| makes_a_string(&init.expr)) => self.note(pat),
            _ => {}
        }
    }

    fn visit_macro(&mut self, mac: &'ast Macro) {
        foreign::visit(self, mac.tokens.clone());
    }
}

fn dereferenced(mut expr: &Expr) -> &Expr {
    while let Expr::Unary(ExprUnary {
        op: UnOp::Deref(_),
        expr: inner,
        ..
    }) = ungrouped(expr)
    {
        expr = inner;
    }
    expr
}

fn holds_a_string(ty: &Type) -> bool {
    let Type::Path(path) = ty else { return false };
    let Some(last) = path.path.segments.last() else {
        return false;
    };
    match &last.arguments {
        PathArguments::None => last.ident == "String",
        PathArguments::AngleBracketed(arguments) if WRAPPERS.iter().any(|name| last.ident == name) => {
            matches!(arguments.args.first(), Some(GenericArgument::Type(ty)) if holds_a_string(ty))
        }
        _ => false,
    }
}

fn makes_a_string(expr: &Expr) -> bool {
    match ungrouped(expr) {
        Expr::Macro(ExprMacro { mac, .. }) => mac
            .path
            .segments
            .last()
            .is_some_and(|last| last.ident == "format"),
        Expr::MethodCall(call) => call.method == "to_string",
        Expr::Call(ExprCall { func, .. }) => match ungrouped(func) {
            Expr::Path(path) => path
                .path
                .segments
                .iter()
                .rev()
                .nth(1)
                .is_some_and(|of| of.ident == "String"),
            _ => false,
        },
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use proc_macro2::TokenStream;
    use quote::quote;
    use syn::{FnArg, ItemFn, parse_quote};

    use super::*;

    /// Whether `expr` certainly borrows from text made at run time, in a function with this argument and body.
    fn lends(argument: &TokenStream, body: &TokenStream, expr: &TokenStream) -> bool {
        let function: ItemFn = parse_quote!(async fn f(#argument) { #body });
        let arguments: Vec<_> = function
            .sig
            .inputs
            .iter()
            .filter_map(|argument| match argument {
                FnArg::Typed(typed) => Some(typed),
                FnArg::Receiver(_) => None,
            })
            .collect();
        OwnedTexts::of(&arguments, &function.block).lends(&parse_quote!(#expr))
    }

    #[test]
    fn what_certainly_lives_too_short() {
        for (argument, body, expr) in [
            (quote!(p: web::Path<String>), quote!(), quote!(p.as_str())),
            (quote!(mut p: String), quote!(), quote!(&p[1..])),
            (quote!(p: Data<Arc<String>>), quote!(), quote!(&**p)),
            (quote!(), quote!(let p: String = f();), quote!(p.as_ref())),
            (quote!(), quote!(let p = format!("x");), quote!(p.trim())),
            (
                quote!(),
                quote!(let p = String::from("x");),
                quote!(p.as_str().trim()),
            ),
            (
                quote!(),
                quote!(loop {
                    let p = n.to_string();
                }),
                quote!(p.as_str()),
            ),
        ] {
            assert!(lends(&argument, &body, &expr), "{argument} {body} {expr}");
        }
    }

    #[test]
    fn what_may_live_for_ever() {
        for (argument, body, expr) in [
            (quote!(p: Kind), quote!(), quote!(p.as_str())),
            (quote!(p: &'static str), quote!(), quote!(&*p)),
            (quote!(p: String), quote!(), quote!(p)),
            (quote!(p: String), quote!(), quote!(p.kind())),
            (quote!(p: String), quote!(), quote!(names.get(&p))),
            (quote!(p: String), quote!(let p = kind(&p);), quote!(p.as_str())),
            (quote!(p: String), quote!(), quote!(other.as_str())),
            (quote!(p: HashMap<String, u8>), quote!(), quote!(p.as_str())),
            (quote!(), quote!(let p = kind();), quote!(p.as_str())),
        ] {
            assert!(!lends(&argument, &body, &expr), "{argument} {body} {expr}");
        }
    }
}
