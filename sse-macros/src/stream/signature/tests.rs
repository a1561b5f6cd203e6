use proc_macro2::TokenStream;
use quote::quote;

use super::*;

fn errors(args: &Args, tokens: TokenStream) -> Vec<String> {
    let mut errors = Errors::default();
    match syn::parse2::<Function>(tokens) {
        Ok(function) => {
            function.check(args, &mut errors);
        }
        Err(error) => errors.add(error),
    }
    errors.messages()
}

#[test]
fn what_a_stream_can_have() {
    for tokens in [
        quote!(
            async fn f() {}
        ),
        quote!(
            pub(crate) async fn f() -> () {}
        ),
        quote!(
            async fn f(_: A, B(mut x): B<C>, #[cfg(x)] y: &'static str) -> Result<(), E> {}
        ),
        quote!(
            async fn f<T: Clone + 'static>(x: impl Fn(&str) -> &str, y: fn(&T)) -> io::Result<()> {}
        ),
        quote!(
            async fn f(x: Box<dyn for<'a> Visit<'a>>) -> type_of!(x) {}
        ),
    ] {
        assert_eq!(errors(&Args::default(), tokens.clone()), [""; 0], "{tokens}");
    }
}

#[test]
fn what_it_cannot() {
    for (tokens, says) in [
        (
            quote!(
                struct X;
            ),
            "goes on an async function",
        ),
        (
            quote!(
                async fn f();
            ),
            "needs a body",
        ),
        (
            quote!(
                fn f() {}
            ),
            "write `async fn`",
        ),
        (
            quote!(
                async fn f(&self) {}
            ),
            "cannot take `self`",
        ),
        (
            quote!(
                async fn f(x: &str) {}
            ),
            "cannot borrow",
        ),
        (
            quote!(
                async fn f(x: web::Json<&'a str>) {}
            ),
            "cannot borrow",
        ),
        (
            quote!(
                async fn f(x: Cow<'_, str>) {}
            ),
            "cannot borrow",
        ),
        (
            quote!(
                async fn f() -> impl Responder {}
            ),
            "returns `()` or",
        ),
        (
            quote!(
                async fn f() -> ! {}
            ),
            "returns `()` or",
        ),
        (
            quote!(
                async fn f() -> (u8, u8) {}
            ),
            "returns `()` or",
        ),
        (
            quote!(
                #[sse_actix::sse_stream]
                async fn f() {}
            ),
            "twice",
        ),
    ] {
        let [message] = errors(&Args::default(), tokens.clone()).try_into().unwrap();
        assert!(message.contains(says), "{tokens}: {message}");
    }
}

#[test]
fn the_hidden_argument_has_a_place() {
    let arguments = |count: usize| {
        let arguments = (0..count).map(|n| quote::format_ident!("a{n}"));
        quote!(async fn f(#(#arguments: A),*) {})
    };
    let finite = Args {
        finite: true,
        ..Args::default()
    };
    assert_eq!(errors(&finite, arguments(15)), [""; 0]);
    assert_eq!(errors(&Args::default(), arguments(16)), [""; 0]);
    assert_eq!(errors(&finite, arguments(16)).len(), 1);
}

#[test]
fn attributes_inside_the_body_move_above_it() {
    let function: Function = syn::parse2(quote!(
        #[a]
        async fn f() {
            #![b]
            1
        }
    ))
    .unwrap();
    assert_eq!(function.body.to_string(), "{ 1 }");
    let attrs: Vec<_> = function
        .attrs
        .iter()
        .map(|attr| attr.to_token_stream().to_string())
        .collect();
    assert_eq!(attrs, ["# [a]", "# [b]"]);
}
