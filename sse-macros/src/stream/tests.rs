//! Whole expansions, as a reader would want to see them.

use proc_macro2::TokenStream;
use quote::quote;

use super::sse_stream;

fn pretty(args: TokenStream, item: TokenStream) -> String {
    prettyplease::unparse(&syn::parse2(sse_stream(args, item)).unwrap())
}

macro_rules! snapshot {
    ($name:ident, #[sse_stream $(($($args:tt)*))?] $($item:tt)*) => {
        #[test]
        fn $name() {
            insta::with_settings!({ prepend_module_to_snapshot => false, omit_expression => true }, {
                insta::assert_snapshot!(pretty(quote!($($($args)*)?), quote!($($item)*)));
            });
        }
    };
}

snapshot!(
    plain,
    #[sse_stream]
    /// Ticks.
    #[get("/ticks")]
    pub(crate) async fn ticks(last: LastEventId) -> Result<(), actix_web::Error> {
        let mut n = find(&last).await?;
        loop {
            n += 1;
            emit!(Event::json(&n)?.id(n));
            sleep(SECOND).await;
        }
    }
);

snapshot!(
    every_option,
    #[sse_stream(
        keep_alive = "15s", retry = "3s", event = "tick", plain = false, finite, resume, compress,
        headers = [("X-A", "b"), ("x-c", "d")], crate = crate::sse,
    )]
    async fn options() {
        emit!("x");
    }
);

snapshot!(
    options_by_expression,
    #[sse_stream(keep_alive = QUIET, retry = Retry::from_millis(500), event = TICK, on_error = told::failure)]
    async fn options() {
        emit!(1);
    }
);

snapshot!(
    for_other_clients,
    #[sse_stream(retry = "off", plain, on_error = |error| Event::data(error.to_string()))]
    async fn answer(prompt: String) {
        emit!(1);
    }
);

snapshot!(
    through_a_helper,
    #[sse_stream]
    async fn answer(time: Duration) {
        open!(time);
        progress(emitter!(), 1).await;
        join!(progress(emitter!(), 2), helper!());
    }
);

snapshot!(
    opened_for_a_helper,
    #[sse_stream]
    async fn answer() {
        for n in 0..3 {
            progress(emitter!(), n).await;
        }
    }
);

snapshot!(
    nothing_is_sent,
    #[sse_stream]
    async fn silent() -> Result<(), Error> {
        println!("asked");
        Ok(())
    }
);

snapshot!(
    mistakes_in_the_return_type,
    #[sse_stream]
    async fn mistaken() {
        emit!(find()?);
        emit!(1)?;
        helper(emitter!());
    }
);

snapshot!(
    every_kind_of_argument,
    #[sse_stream]
    async fn arguments<T: Feed + 'static>(
        plain: A,
        mut changed: B,
        _: Guard,
        #[allow(unused_variables)] unused: C,
        web::Path((a, _)): web::Path<(u8, u8)>,
        #[cfg(feature = "x")] maybe: D,
        generic: T,
        _opaque: impl Feed,
    ) -> Result<(), Error<T>>
    where
        T: Clone,
    {
        emit!(1);
        Ok(())
    }
);

snapshot!(
    openings,
    #[sse_stream]
    async fn openings() {
        for x in lines.lock().iter() {
            for y in x {
                emit!(y);
            }
        }
        #[cfg(feature = "x")]
        'outer: while let Some(x) = rx.recv().await {
            emit!(x);
        }
        match find().await {
            Ok(x) => {
                while x.more() {
                    emit!(x)
                }
            }
            Err(_) => select! { x = y => emit!(x) },
        }
        let pinned = pin!(async { emit!(1) });
        select(pin!(async { emit!(2) }), pinned).await;
        join!(async { emit!(3) });
        loop {
            use x::Y;
            join!(async {
                emit! { 4 }
            });
        }
    }
);

snapshot!(
    no_openings,
    #[sse_stream]
    async fn no_openings() {
        loop {
            quiet().await;
        }
        join!(quiet());
        if x {
            emit!(1)
        }
        emit!(2);
    }
);

snapshot!(
    opened_by_hand,
    #[sse_stream]
    async fn opened_by_hand() {
        open!();
        loop {
            emit!(1);
        }
    }
);

snapshot!(
    mistakes_in_arguments,
    #[sse_stream(keep_alive = 15, finite)]
    async fn mistaken() {
        emit!(1);
    }
);

snapshot!(
    mistakes_in_the_body,
    #[sse_stream]
    async fn mistaken(x: A) -> Result<(), Error> {
        yield x;
        spawn(async move { emit!(x) });
        emit!();
    }
);

snapshot!(
    mistakes_in_the_signature,
    #[sse_stream]
    fn mistaken(&self, a: A, b: &str) -> impl Responder {
        emit!(1);
    }
);

#[test]
fn an_unfinished_body_still_expands() {
    let expanded = sse_stream(
        TokenStream::new(),
        quote!(
            async fn f() {
                let x = emit!(a.);
            }
        ),
    )
    .to_string();
    assert!(!expanded.contains("compile_error"), "{expanded}");
    let expanded = sse_stream(TokenStream::new(), quote!(async fn f() { let x = a.; emit!(x) })).to_string();
    assert!(
        expanded.contains("compile_error") && expanded.contains(". emit (x)"),
        "{expanded}"
    );
}

#[test]
fn what_is_no_function_is_left_as_it_is() {
    let expanded = sse_stream(
        TokenStream::new(),
        quote!(
            struct S;
        ),
    )
    .to_string();
    assert!(
        expanded.contains("compile_error") && expanded.ends_with("struct S ;"),
        "{expanded}"
    );
}
