//! Finds `emit!`, `open!` and `emitter!` in places where they are not allowed: they belong to the function of the
//! stream, and `emit!` waits in it.

use proc_macro2::TokenStream;
use syn::{
    Block, Expr, ExprAsync, ExprCall, ExprClosure, ExprMethodCall, ExprYield, Ident, Item, Macro, Pat, Stmt,
    visit::{self, Visit},
};

use super::{
    emission::{self, Kind},
    foreign,
};
use crate::errors::Errors;

/// Functions that start a separate task, which outlives the request.
const SPAWNING: [&str; 8] = [
    "spawn",
    "spawn_blocking",
    "spawn_blocking_on",
    "spawn_fn",
    "spawn_local",
    "spawn_local_on",
    "spawn_on",
    "spawn_pinned",
];

const INSTEAD_OF_A_TASK: &str =
    "run it in place with `join!` or `select!`, or let the task send to a channel that the stream reads";

/// Adds an error for every `emit!`, `open!`, `emitter!` and `yield` of `body` in a place where it is not allowed.
pub(crate) fn check(body: &Block, errors: &mut Errors) {
    let mut visitor = Placement {
        errors,
        place: Place::Stream,
        spawning: false,
        foreign: false,
        closure_parameters: Vec::new(),
    };
    visitor.visit_block(body);
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    /// In the function itself, or in async code that is polled as a part of it.
    Stream,
    /// In a closure that is not async.
    Closure,
    /// In a separate task.
    Task,
    /// In an item that is nested in the function.
    Item,
}

struct Placement<'e> {
    errors: &'e mut Errors,
    place: Place,
    /// True among the arguments of a function that spawns: the next async block or closure is a task.
    spawning: bool,
    /// True inside another macro, which may give `yield` a meaning.
    foreign: bool,
    /// Parameters of the closures around this place. `spawn` on such a parameter starts no separate task: a scope
    /// passes its closure a value that spawns inside the scope.
    closure_parameters: Vec<Ident>,
}

impl Placement<'_> {
    fn within(&mut self, place: Place, visit: impl FnOnce(&mut Self)) {
        let before = (self.place, self.spawning);
        (self.place, self.spawning) = (place, false);
        visit(self);
        (self.place, self.spawning) = before;
    }

    /// The place of async code at this point.
    fn async_place(&self) -> Place {
        match self.place {
            Place::Stream | Place::Closure if self.spawning => Place::Task,
            Place::Closure => Place::Stream,
            other => other,
        }
    }

    fn is_closure_parameter(&self, receiver: &Expr) -> bool {
        match receiver {
            Expr::Path(path) => path
                .path
                .get_ident()
                .is_some_and(|ident| self.closure_parameters.contains(ident)),
            _ => false,
        }
    }

    fn invocation(&mut self, name: &Ident, kind: Kind) {
        let message = match (self.place, kind) {
            // The future that gets the emitter would belong to the task.
            (Place::Stream | Place::Closure, Kind::Emitter) if self.spawning => format!(
                "`{name}!` cannot go into a spawned task, which outlives the stream: {INSTEAD_OF_A_TASK}"
            ),
            (Place::Stream, _) | (Place::Closure, Kind::Open | Kind::Emitter) => return,
            (Place::Closure, Kind::Emit) => {
                "`emit!` waits, and this closure cannot: make it `async |..| { .. }`, or return `async move { .. }` from it"
                    .to_owned()
            }
            (Place::Task, _) => {
                format!("`{name}!` cannot be used in a spawned task, which outlives the stream: {INSTEAD_OF_A_TASK}")
            }
            (Place::Item, Kind::Emit | Kind::Emitter) => format!(
                "`{name}!` cannot be used in a nested item, which has no stream: let the item take an `Emitter`, call `emitter.emit(..).await` in it, and pass it `emitter!()`"
            ),
            (Place::Item, Kind::Open) => format!(
                "`{name}!` cannot be used in a nested item, which has no stream: let the item take an `Emitter`, call `emitter.open()` in it, and pass it `emitter!()`"
            ),
        };
        self.errors.push(name.span(), message);
    }

    /// Visits the tokens of a macro, as far as they can be parsed.
    fn tokens(&mut self, tokens: TokenStream) {
        if !emission::contains_stream_macro(tokens.clone()) {
            return;
        }
        let unclear = foreign::visit(self, tokens);
        emission::for_each(unclear, &mut |invocation| {
            self.invocation(&invocation.name, invocation.kind);
        });
    }
}

fn is_spawning(name: &Ident) -> bool {
    SPAWNING.iter().any(|spawning| name == spawning)
}

impl<'ast> Visit<'ast> for Placement<'_> {
    fn visit_expr_async(&mut self, block: &'ast ExprAsync) {
        let place = self.async_place();
        self.within(place, |this| visit::visit_expr_async(this, block));
    }

    fn visit_expr_closure(&mut self, closure: &'ast ExprClosure) {
        let place = match (self.async_place(), self.place) {
            (Place::Task, _) => Place::Task,
            (_, place @ (Place::Task | Place::Item)) => place,
            _ if closure.asyncness.is_some() => Place::Stream,
            _ => Place::Closure,
        };
        let outer = self.closure_parameters.len();
        for input in &closure.inputs {
            let mut input = input;
            if let Pat::Type(typed) = input {
                input = &typed.pat;
            }
            if let Pat::Ident(binding) = input {
                self.closure_parameters.push(binding.ident.clone());
            }
        }
        self.within(place, |this| visit::visit_expr_closure(this, closure));
        self.closure_parameters.truncate(outer);
    }

    fn visit_expr_call(&mut self, call: &'ast ExprCall) {
        self.visit_expr(&call.func);
        let before = self.spawning;
        if let Expr::Path(path) = &*call.func {
            self.spawning |= path
                .path
                .segments
                .last()
                .is_some_and(|segment| is_spawning(&segment.ident));
        }
        call.args.iter().for_each(|arg| self.visit_expr(arg));
        self.spawning = before;
    }

    fn visit_expr_method_call(&mut self, call: &'ast ExprMethodCall) {
        self.visit_expr(&call.receiver);
        let before = self.spawning;
        self.spawning |= is_spawning(&call.method) && !self.is_closure_parameter(&call.receiver);
        call.args.iter().for_each(|arg| self.visit_expr(arg));
        self.spawning = before;
    }

    fn visit_expr_yield(&mut self, expr: &'ast ExprYield) {
        if !self.foreign && self.place == Place::Stream {
            self.errors.push(
                expr.yield_token.span,
                "a stream sends with `emit!`: write `emit!(..)` for `yield ..`",
            );
        }
        visit::visit_expr_yield(self, expr);
    }

    fn visit_stmt(&mut self, stmt: &'ast Stmt) {
        match stmt {
            // Helper macros expand where they are used, and the compiler reports mistakes there.
            Stmt::Item(Item::Macro(_)) => {}
            Stmt::Item(item) => self.within(Place::Item, |this| visit::visit_item(this, item)),
            other => visit::visit_stmt(self, other),
        }
    }

    fn visit_macro(&mut self, mac: &'ast Macro) {
        if let Some((name, kind)) = stream_macro(mac) {
            self.invocation(name, kind);
        }
        let before = self.foreign;
        self.foreign |= stream_macro(mac).is_none();
        self.tokens(mac.tokens.clone());
        self.foreign = before;
    }
}

/// The name and the macro, if it is an `emit!`, `open!` or `emitter!`.
pub(crate) fn stream_macro(mac: &Macro) -> Option<(&Ident, Kind)> {
    let name = mac.path.get_ident()?;
    Some((name, Kind::of(name)?))
}

#[cfg(test)]
mod tests {
    use quote::quote;
    use syn::parse_quote;

    use super::*;

    fn errors(body: &TokenStream) -> Vec<String> {
        let body: Block = parse_quote!({ #body });
        let mut errors = Errors::default();
        check(&body, &mut errors);
        errors.messages()
    }

    #[test]
    fn in_place() {
        for body in [
            quote!(emit!(1); open!(); if a { emit!(2) } else { loop { emit!(3) } }),
            quote!(join!(async { emit!(1) }, async move { emit!(2) });),
            quote!(join_all(xs.map(|x| async move { emit!(x) })).await),
            quote!(each(async |x| emit!(x)).await),
            quote!(xs.for_each(|_| open!())),
            quote!(join_all(xs.map(|x| progress(emitter!(), x))).await),
            quote!(let emitter = emitter!(); tokio::join!(a(emitter), b(emitter!()));),
            quote!(
                select! { biased; Some(ref x) = rx.recv(), if !x => emit!(x), _ = async { emit!(1) } => { emit!(2); } }
            ),
            quote!(async_scope!(|scope| {
                scope.spawn(async { emit!(1) });
            })),
            quote!(tokio::spawn(work(emit!(1)));),
            quote!(let s = stream! { yield 1; emit!(2) };),
            quote!(
                macro_rules! tick {
                    ($x:expr) => {
                        emit!($x)
                    };
                }
            ),
            quote!(let Some(x) = y else { emit!(1); return };),
        ] {
            assert_eq!(errors(&body), [""; 0], "{body}");
        }
    }

    #[test]
    fn out_of_place() {
        for (body, says) in [
            (quote!(xs.for_each(|x| emit!(x));), "this closure cannot"),
            (
                quote!(xs.for_each(move |x: u8| { if x > 1 { emit!(x) } });),
                "this closure cannot",
            ),
            (quote!(dbg!(xs.for_each(|x| emit!(x)));), "this closure cannot"),
            (
                quote!(select! { x = y => xs.for_each(|x| emit!(x)), Some(ref x) = z => {} }),
                "this closure cannot",
            ),
            (quote!(async { xs.map(|x| emit!(x)) }), "this closure cannot"),
            (quote!(tokio::spawn(async move { emit!(1) });), "spawned task"),
            (quote!(spawn_local(async { loop { open!() } });), "spawned task"),
            (quote!(thread::spawn(move || emit!(1));), "spawned task"),
            (quote!(set.spawn(wrap(async { emit!(1) }));), "spawned task"),
            (
                quote!(spawn(async { xs.map(|x| async move { emit!(x) }) });),
                "spawned task",
            ),
            (
                quote!(select! { Some(ref x) = tokio::spawn(async { emit!(1) }) => {} }),
                "spawned task",
            ),
            (
                quote!(
                    async fn inner() {
                        emit!(1)
                    }
                ),
                "nested item",
            ),
            (
                quote!(impl X { fn f() { tokio::spawn(async { emit!(1) }); } }),
                "nested item",
            ),
            (
                quote!(tokio::spawn(progress(emitter!(), 1));),
                "cannot go into a spawned task",
            ),
            (
                quote!(tokio::spawn(async { progress(emitter!(), 1).await });),
                "cannot be used in a spawned task",
            ),
            (
                quote!(
                    async fn inner() {
                        progress(emitter!(), 1).await
                    }
                ),
                "let the item take an `Emitter`",
            ),
            (quote!(yield 1;), "write `emit!(..)`"),
        ] {
            let [message] = errors(&body).try_into().unwrap();
            assert!(message.contains(says), "{body}: {message}");
        }
    }
}
