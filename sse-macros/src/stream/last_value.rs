//! Checks whether a body ends in a value, as its return type needs.

use proc_macro2::{TokenStream, TokenTree};
use quote::{ToTokens, quote};
use syn::{
    Block, Expr, ExprAsync, ExprBreak, ExprClosure, ExprForLoop, ExprIf, ExprLoop, ExprReturn, ExprTry,
    ExprWhile, Item, Label, Lifetime, Macro, Stmt,
    visit::{self, Visit},
};

use super::{foreign, placement::stream_macro};

/// Macros that never return.
const DIVERGING: [&str; 5] = ["bail", "panic", "todo", "unimplemented", "unreachable"];

/// True if `body` certainly ends without a value, although the function returns a `Result`.
///
/// Only certain cases count: a called function may never return, and a macro may expand to anything. The compiler
/// checks those. An awaited call counts as returning: most bodies that lack their last line wait there, and a call that
/// never returns can be written without its semicolon.
pub(crate) fn lacks_a_value(body: &Block) -> bool {
    let Some((last, before)) = body.stmts.split_last() else {
        return true;
    };
    if before.iter().any(never_passed) {
        return false;
    }
    match last {
        Stmt::Local(_) => !never_passed(last),
        Stmt::Item(_) => true,
        Stmt::Macro(stmt) => stream_macro(&stmt.mac).is_some(),
        Stmt::Expr(expr, semicolon) => is_nothing(expr) || (semicolon.is_some() && is_thrown_away(expr)),
    }
}

/// The code in `body` that needs a return type: a `?`, or a returned result.
pub(crate) fn failure(body: &Block) -> Option<TokenStream> {
    let mut failures = Failures(None);
    failures.visit_block(body);
    failures.0.or_else(|| {
        ends_in_a_result(body)
            .then(|| body.stmts.last().map(ToTokens::to_token_stream))
            .flatten()
    })
}

/// True if the last expression is an `Ok(..)` or `Err(..)`.
pub(crate) fn ends_in_a_result(body: &Block) -> bool {
    matches!(body.stmts.last(), Some(Stmt::Expr(expr, None)) if is_result(expr))
}

/// True if the last expression is, or returns, an `Err(..)`.
pub(crate) fn ends_in_an_error(body: &Block) -> bool {
    let Some(Stmt::Expr(expr, _)) = body.stmts.last() else {
        return false;
    };
    let value = match expr {
        Expr::Return(returned) => returned.expr.as_deref(),
        other => Some(other),
    };
    match value {
        Some(Expr::Call(call)) => matches!(&*call.func, Expr::Path(path) if path.path.is_ident("Err")),
        _ => false,
    }
}

/// The first `?` or `return` of a result in the function's own code.
struct Failures(Option<TokenStream>);

impl<'ast> Visit<'ast> for Failures {
    fn visit_expr_try(&mut self, expr: &'ast ExprTry) {
        visit::visit_expr_try(self, expr);
        // A `?` after `emit!(..)` gets its own error.
        if !matches!(&*expr.expr, Expr::Macro(expr) if stream_macro(&expr.mac).is_some()) {
            let question = &expr.question_token;
            self.0.get_or_insert_with(|| quote!(#question));
        }
    }

    fn visit_expr_return(&mut self, expr: &'ast ExprReturn) {
        if expr.expr.as_deref().is_some_and(is_result) {
            self.0.get_or_insert_with(|| expr.to_token_stream());
        }
        visit::visit_expr_return(self, expr);
    }

    fn visit_macro(&mut self, mac: &'ast Macro) {
        // Other macros may give a `?` another meaning.
        if stream_macro(mac).is_some() {
            foreign::visit(self, mac.tokens.clone());
        }
    }

    // A `return` inside these returns from them.
    fn visit_expr_closure(&mut self, _: &'ast ExprClosure) {}
    fn visit_expr_async(&mut self, _: &'ast ExprAsync) {}
    fn visit_item(&mut self, _: &'ast Item) {}
}

/// True if `expr` is `Ok(..)` or `Err(..)`.
pub(crate) fn is_result(expr: &Expr) -> bool {
    match expr {
        Expr::Call(call) => {
            matches!(&*call.func, Expr::Path(path) if path.path.is_ident("Ok") || path.path.is_ident("Err"))
        }
        _ => false,
    }
}

/// True if `expr` is `()` whether or not a semicolon follows.
fn is_nothing(expr: &Expr) -> bool {
    match expr {
        Expr::ForLoop(_) | Expr::While(_) | Expr::Assign(_) => true,
        Expr::Loop(expr) => Breaks::of(expr).without_value,
        Expr::If(ExprIf { else_branch, .. }) => else_branch.is_none(),
        Expr::Macro(expr) => stream_macro(&expr.mac).is_some(),
        _ => false,
    }
}

/// True if `expr` returns, so that a semicolon after it discards its value.
fn is_thrown_away(expr: &Expr) -> bool {
    match expr {
        Expr::Await(_) | Expr::Binary(_) | Expr::Try(_) => true,
        _ => is_result(expr),
    }
}

fn never_passed(stmt: &Stmt) -> bool {
    let expr = match stmt {
        Stmt::Expr(Expr::Macro(expr), _) => return is_diverging(&expr.mac),
        Stmt::Macro(stmt) => return is_diverging(&stmt.mac),
        Stmt::Expr(expr, _) => expr,
        Stmt::Local(local) => match &local.init {
            Some(init) => &*init.expr,
            None => return false,
        },
        Stmt::Item(_) => return false,
    };
    match expr {
        Expr::Return(_) | Expr::Break(_) | Expr::Continue(_) => true,
        Expr::Loop(expr) => !Breaks::of(expr).any,
        _ => false,
    }
}

fn is_diverging(mac: &Macro) -> bool {
    mac.path
        .segments
        .last()
        .is_some_and(|segment| DIVERGING.iter().any(|name| segment.ident == name))
}

/// Finds the ways out of a `loop` other than returning.
struct Breaks<'a> {
    label: Option<&'a Lifetime>,
    /// The number of loops between here and the loop in question.
    depth: usize,
    any: bool,
    without_value: bool,
}

impl<'a> Breaks<'a> {
    fn of(expr: &'a ExprLoop) -> Self {
        let label = expr.label.as_ref().map(|Label { name, .. }| name);
        let mut breaks = Self {
            label,
            depth: 0,
            any: false,
            without_value: false,
        };
        breaks.visit_block(&expr.body);
        breaks
    }

    fn deeper(&mut self, visit: impl FnOnce(&mut Self)) {
        self.depth += 1;
        visit(self);
        self.depth -= 1;
    }
}

impl<'ast> Visit<'ast> for Breaks<'_> {
    fn visit_expr_break(&mut self, expr: &'ast ExprBreak) {
        let is_ours = match &expr.label {
            Some(label) => self.label == Some(label),
            None => self.depth == 0,
        };
        self.any |= is_ours;
        self.without_value |= is_ours && expr.expr.is_none();
        visit::visit_expr_break(self, expr);
    }

    fn visit_macro(&mut self, mac: &'ast Macro) {
        let mut idents = Vec::new();
        collect_idents(mac.tokens.clone(), &mut idents);
        let has = |names: &[&str]| idents.iter().any(|ident| names.contains(&ident.as_str()));
        if has(&["break"]) {
            self.any = true;
            // An example is `None => break` in a `select!`. If there is a loop among the tokens, the `break` may belong
            // to that loop.
            self.without_value |= self.depth == 0 && !has(&["loop", "while", "for"]);
        }
    }

    fn visit_expr_loop(&mut self, expr: &'ast ExprLoop) {
        self.deeper(|this| visit::visit_expr_loop(this, expr));
    }

    fn visit_expr_while(&mut self, expr: &'ast ExprWhile) {
        self.deeper(|this| visit::visit_expr_while(this, expr));
    }

    fn visit_expr_for_loop(&mut self, expr: &'ast ExprForLoop) {
        self.deeper(|this| visit::visit_expr_for_loop(this, expr));
    }

    // A `break` cannot leave these.
    fn visit_expr_closure(&mut self, _: &'ast ExprClosure) {}
    fn visit_expr_async(&mut self, _: &'ast ExprAsync) {}
    fn visit_item(&mut self, _: &'ast Item) {}
}

fn collect_idents(tokens: TokenStream, idents: &mut Vec<String>) {
    for token in tokens {
        match token {
            TokenTree::Group(group) => collect_idents(group.stream(), idents),
            TokenTree::Ident(ident) => idents.push(ident.to_string()),
            TokenTree::Punct(_) | TokenTree::Literal(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use syn::parse_quote;

    use super::*;

    fn lacks(body: &TokenStream) -> bool {
        let body: Block = parse_quote!({ #body });
        lacks_a_value(&body)
    }

    #[test]
    fn a_body_that_ends_in_nothing() {
        for body in [
            quote!(),
            quote!(emit!(1);),
            quote!(emit!(1)),
            quote!(x = 1;),
            quote!(let x = 1;),
            quote!(for x in y {}),
            quote!(while x {}),
            quote!(if x {
                emit!(1)
            }),
            quote!(Ok(());),
            quote!(sleep(x).await;),
            quote!(tx.send(x).await?;),
            quote!(x += 1;),
            quote!(loop {
                break;
            }),
            quote!('a: loop { loop { break 'a } };),
            quote!(loop {
                match x {
                    Some(x) => emit!(x),
                    None => break,
                }
            }),
            quote!(loop {
                select! { x = y => emit!(x), else => break }
            }),
        ] {
            assert!(lacks(&body), "{body}");
        }
    }

    #[test]
    fn what_needs_a_return_type() {
        for (body, part) in [
            (quote!(find().await?; emit!(1);), "?"),
            (quote!(emit!(Event::json(&x)?);), "?"),
            (
                quote!(for x in y {
                    z(x?);
                }),
                "?",
            ),
            (quote!(emit!(1); Ok(())), "Ok (())"),
            (quote!(if x { return Err(y); } emit!(1);), "return Err (y)"),
        ] {
            let body: Block = parse_quote!({ #body });
            let failure = failure(&body).map(|tokens| tokens.to_string());
            assert_eq!(failure.as_deref(), Some(part), "{}", quote!(#body));
        }
        for body in [
            quote!(emit!(1)),
            quote!(let x = async { f()?; Ok(()) }.await;),
            quote!(let x = || Some(f()?);),
            quote!(
                fn f() -> Option<u8> {
                    g()?
                }
            ),
            quote!(let x = ours!(y?);),
            quote!(emit!(1)?;),
            quote!(return;),
            quote!(Ok(());),
        ] {
            let body: Block = parse_quote!({ #body });
            assert!(failure(&body).is_none(), "{}", quote!(#body));
        }
    }

    #[test]
    fn a_body_that_always_fails() {
        for (body, fails) in [
            (quote!(Err(x)), true),
            (quote!(f(); return Err(x);), true),
            (quote!(Ok(())), false),
            (
                quote!(if x {
                    return Err(y);
                }),
                false,
            ),
            (quote!(), false),
        ] {
            let block: Block = parse_quote!({ #body });
            assert_eq!(ends_in_an_error(&block), fails, "{body}");
        }
    }

    #[test]
    fn a_body_that_may_not() {
        for body in [
            quote!(Ok(())),
            quote!(loop {
                emit!(1);
            }),
            quote!(loop {
                loop {
                    break;
                }
            }),
            quote!(loop {
                break Ok(());
            }),
            quote!(loop {
                select! { x = y => loop { break } }
            }),
            quote!(return Ok(());),
            quote!(let _: () = loop {};),
            quote!(loop {} emit!(1);),
            quote!(todo!(); for x in y {}),
            quote!(never();),
            quote!(never().await),
            quote!(bail!("x");),
            quote!(if x { return Ok(()) } else { return Err(y) };),
            quote!(match x {}),
        ] {
            assert!(!lacks(&body), "{body}");
        }
    }
}
