//! Opens the stream without an `open!`: on entry to a loop, or to another macro, that emits.
//!
//! A loop waits before it emits, so without this a browser would stay in `CONNECTING` until the first event. The code
//! before the loop can still fail with its own status.

use proc_macro2::{Ident, Span};
use quote::{ToTokens, quote_spanned};
use syn::{
    Arm, Attribute, Block, Expr, ExprForLoop, ExprLoop, ExprMacro, ExprWhile, Item, Macro, Stmt,
    parse_quote_spanned,
    spanned::Spanned as _,
    visit_mut::{self, VisitMut},
};

use super::{
    emission::{self, generated},
    placement::stream_macro,
};

/// Opens the stream at every such place of `body` that is not inside another one.
pub(crate) fn insert(body: &mut Block, emitter: &Ident) {
    Opening { emitter, open: false }.visit_block_mut(body);
}

struct Opening<'a> {
    emitter: &'a Ident,
    /// Inside a loop that has opened the stream.
    open: bool,
}

impl Opening<'_> {
    fn emitter(&self, span: Span) -> Ident {
        Ident::new(&self.emitter.to_string(), generated(span))
    }

    /// The statement that opens the stream, with the same conditional compilation as the statement after it.
    fn statement(&self, span: Span, attrs: &[Attribute]) -> Stmt {
        let emitter = self.emitter(span);
        let cfgs = attrs.iter().filter(|attr| attr.path().is_ident("cfg"));
        parse_quote_spanned!(generated(span)=> #(#cfgs)* #emitter.open();)
    }

    fn opened(&mut self, visit: impl FnOnce(&mut Self)) {
        let before = std::mem::replace(&mut self.open, true);
        visit(self);
        self.open = before;
    }

    fn emits_elsewhere(&self, mac: &Macro) -> bool {
        !self.open && stream_macro(mac).is_none() && emission::emits(mac.tokens.clone())
    }

    fn is_emitting_while(&self, expr: &Expr) -> bool {
        !self.open && matches!(expr, Expr::While(_)) && emission::emits(expr.to_token_stream())
    }

    /// The opening that has to be put before `stmt`, if there is one. It is a separate statement: inside an expression,
    /// a block around the macro would drop the macro's temporaries too early.
    fn before(&self, stmt: &Stmt) -> Option<Stmt> {
        let (mac, attrs) = match stmt {
            Stmt::Expr(
                expr @ Expr::While(ExprWhile {
                    attrs, while_token, ..
                }),
                _,
            ) if self.is_emitting_while(expr) => {
                return Some(self.statement(while_token.span, attrs));
            }
            Stmt::Macro(stmt) => (&stmt.mac, &stmt.attrs),
            Stmt::Expr(Expr::Macro(expr), _) => (&expr.mac, &expr.attrs),
            Stmt::Local(local) => match local.init.as_ref().map(|init| &*init.expr) {
                Some(Expr::Macro(expr)) => (&expr.mac, &local.attrs),
                _ => return None,
            },
            _ => return None,
        };
        self.emits_elsewhere(mac)
            .then(|| self.statement(mac.path.span(), attrs))
    }
}

impl VisitMut for Opening<'_> {
    fn visit_block_mut(&mut self, block: &mut Block) {
        let mut stmts = Vec::with_capacity(block.stmts.len());
        for mut stmt in std::mem::take(&mut block.stmts) {
            let before = self.before(&stmt);
            let is_opened = before.is_some();
            stmts.extend(before);
            if is_opened {
                self.opened(|this| this.visit_stmt_mut(&mut stmt));
            } else {
                self.visit_stmt_mut(&mut stmt);
            }
            stmts.push(stmt);
        }
        block.stmts = stmts;
    }

    fn visit_expr_mut(&mut self, expr: &mut Expr) {
        let is_while = self.is_emitting_while(expr);
        match expr {
            Expr::While(_) if is_while => {
                let open = self.statement(expr.span(), &[]);
                self.opened(|this| visit_mut::visit_expr_mut(this, expr));
                *expr = parse_quote_spanned!(generated(expr.span())=> { #open #expr });
            }
            // A tuple, not a block, because a macro's temporaries (`pin!`) live as long as the statement around it.
            Expr::Macro(ExprMacro { mac, .. }) if self.emits_elsewhere(mac) => {
                let span = generated(mac.path.span());
                let emitter = self.emitter(span);
                *expr = parse_quote_spanned!(span=> (#emitter.open(), #expr).1);
            }
            _ => visit_mut::visit_expr_mut(self, expr),
        }
    }

    fn visit_arm_mut(&mut self, arm: &mut Arm) {
        self.visit_pat_mut(&mut arm.pat);
        // An arm has no temporaries that would outlive it, and a tuple would give a value to a macro that never returns
        // one.
        if let Expr::Macro(ExprMacro { mac, .. }) = &*arm.body
            && self.emits_elsewhere(mac)
        {
            let open = self.statement(mac.path.span(), &[]);
            let body = &arm.body;
            *arm.body = parse_quote_spanned!(generated(mac.path.span())=> { #open #body });
        } else {
            self.visit_expr_mut(&mut arm.body);
        }
    }

    // An item has no stream.
    fn visit_item_mut(&mut self, _: &mut Item) {}

    fn visit_expr_loop_mut(&mut self, expr: &mut ExprLoop) {
        if self.open || !emission::emits(expr.body.to_token_stream()) {
            return visit_mut::visit_expr_loop_mut(self, expr);
        }
        // The stream is opened at the start of each iteration. This costs one store, and keeps label, attributes and
        // type as they are.
        let open = self.statement(expr.loop_token.span, &[]);
        self.opened(|this| visit_mut::visit_expr_loop_mut(this, expr));
        let first = expr
            .body
            .stmts
            .iter()
            .take_while(|stmt| matches!(stmt, Stmt::Item(_)))
            .count();
        expr.body.stmts.insert(first, open);
    }

    fn visit_expr_for_loop_mut(&mut self, expr: &mut ExprForLoop) {
        self.visit_expr_mut(&mut expr.expr);
        if self.open || !emission::emits(expr.body.to_token_stream()) {
            return self.visit_block_mut(&mut expr.body);
        }
        // After the iterator's expression, whose temporaries live as long as the loop.
        let span = expr.for_token.span;
        let (emitter, iterator) = (self.emitter(span), &expr.expr);
        let value = quote_spanned!(generated(iterator.span())=> (#iterator, #emitter.open()).0);
        *expr.expr = Expr::Verbatim(value);
        self.opened(|this| this.visit_block_mut(&mut expr.body));
    }
}
