//! The `#[sse_stream]` attribute and the `SseEvents` derive of [`sse-actix`](https://docs.rs/sse-actix), which
//! re-exports them. Depend on `sse-actix`: the expanded code needs it, and changes with it.

mod errors;
mod events;
mod fallback;
mod stream;

use proc_macro::TokenStream;

/// Turns an async function into a handler that answers with a stream of server-sent events.
///
/// The function is still an async function whose arguments are extractors. It sends events with `emit!`:
///
/// ```
/// use actix_web::{App, Error, get, test, web::Path};
/// use sse_actix::{Event, sse_stream};
///
/// #[get("/countdown/{from}")]
/// #[sse_stream(event = "tick")]
/// async fn countdown(from: Path<u32>) -> Result<(), Error> {
///     for n in (0..*from).rev() {
///         emit!(Event::json(&n)?.id(n));
///     }
///     Ok(())
/// }
///
/// # #[actix_web::main]
/// # async fn main() {
/// let app = test::init_service(App::new().service(countdown)).await;
/// let request = test::TestRequest::get().uri("/countdown/2").to_request();
/// assert_eq!(
///     test::call_and_read_body(&app, request).await,
///     "retry: 3000\nevent: tick\nid: 1\ndata: 1\n\nevent: tick\nid: 0\ndata: 0\n\n",
/// );
/// # }
/// ```
///
/// It returns `()`, or `Result<(), E>` with any `E` that actix can answer with (`ResponseError`, or `actix_web::Error`
/// itself). Its arguments own their data. Used or not, they live as long as the stream, and are dropped when it ends or
/// its client leaves. The future need not be `Send`.
///
/// # `emit!`, `open!` and `emitter!`
///
/// | macro | effect |
/// |---|---|
/// | `emit!(value)` | sends one event and waits for room |
/// | `open!()` | opens the stream, so that its response head is sent: [see below](#when-the-stream-opens) |
/// | `open!(time)` | the same, with this reconnection time instead of [`retry`](#arguments)'s; a `Duration` or a `Retry`, computed at run time |
/// | `emitter!()` | returns the `Emitter`, with which a [helper function](#helper-functions) sends |
///
/// `emit!` and `open!` are expressions of type `()`, and cannot fail. A value is an `Event`, text (an event with that
/// data), `Json(value)`, a `Frame` that was encoded before, or a `Comment`. A value that cannot be serialised ends the
/// stream like an error.
///
/// Inside the function, these three names mean these macros. Call your own macro of such a name by its path. A function
/// that uses none of the three, and calls no macro that could expand to one, never emits: it does not compile.
///
/// # Helper functions
///
/// A helper takes an `Emitter`, which is `Copy`, and the stream's function passes it `emitter!()`:
///
/// ```
/// use actix_web::{App, Error, test, web};
/// use sse_actix::{Emitter, Event, sse_stream};
///
/// async fn progress(emitter: Emitter<'_>, percent: u8) -> Result<(), Error> {
///     emitter.emit(Event::json(&percent)?.event("progress")).await;
///     Ok(())
/// }
///
/// #[sse_stream]
/// async fn import() -> Result<(), Error> {
///     for percent in [50, 100] {
///         progress(emitter!(), percent).await?;
///     }
///     emit!("done");
///     Ok(())
/// }
///
/// # #[actix_web::main]
/// # async fn main() {
/// let app = test::init_service(App::new().route("/", web::get().to(import))).await;
/// let request = test::TestRequest::get().to_request();
/// assert_eq!(
///     test::call_and_read_body(&app, request).await,
///     "retry: 3000\nevent: progress\ndata: 50\n\nevent: progress\ndata: 100\n\ndata: done\n\n",
/// );
/// # }
/// ```
///
/// The attribute's [`event`](#arguments) also names the events that a helper sends. The emitter cannot outlive the
/// stream, so it cannot go into a spawned task.
///
/// # Two phases
///
/// Before the stream opens, `?` and `return Err(..)` are ordinary HTTP errors with their own status, and `Ok(())`
/// without an event is 204, which stops an `EventSource`. After the opening the status is always 200.
/// An error is then logged, the events before it are delivered, and the client gets an `sse-end` event. After this
/// event it does not reconnect. With [`resume`](#arguments), the client may reconnect.
///
/// ```
/// use actix_web::{App, Error, error::ErrorNotFound, test, web};
/// use sse_actix::sse_stream;
///
/// #[sse_stream]
/// async fn feed(name: web::Path<String>) -> Result<(), Error> {
///     if *name != "news" {
///         return Err(ErrorNotFound("no such feed")); // a 404
///     }
///     emit!("welcome"); // the head leaves, with this event
///     Err(ErrorNotFound("gone")) // the end of the stream
/// }
///
/// # #[actix_web::main]
/// # async fn main() {
/// let app = test::init_service(App::new().route("/{name}", web::get().to(feed))).await;
/// let get = |path| test::TestRequest::get().uri(path).to_request();
///
/// assert_eq!(test::call_service(&app, get("/olds")).await.status(), 404);
/// assert_eq!(
///     test::call_and_read_body(&app, get("/news")).await,
///     "retry: 3000\ndata: welcome\n\nevent: sse-end\nid: sse-end\ndata: {\"reason\":\"failed\"}\n\n",
/// );
/// # }
/// ```
///
/// # When the stream opens
///
/// A page learns that it is connected when the response head arrives, so the head should not wait for an event. The
/// head is sent the next time the function waits, after the function has reached one of these places:
///
/// | place | code up to here can still answer with an error status |
/// |---|---|
/// | the first `emit!` that runs, also in a helper | its argument |
/// | a `loop` or `while` with an `emit!` or `emitter!` written in it | the code before the loop; not its condition |
/// | a `for` with one written in it | the expression that is iterated |
/// | another macro with one written in it: `select!`, `join!` | the code before it |
/// | `open!()`, `open!(time)` | the code before it |
///
/// If an `open!` is written anywhere in the function, the three places in the middle do not open the stream. Use
/// `open!` to open the stream before slow work, or to fail with a status inside a loop:
///
/// ```
/// # use actix_web::{App, Error, error::ErrorGone, test, web};
/// # use sse_actix::sse_stream;
/// # use std::collections::VecDeque;
/// # async fn next(pages: &mut VecDeque<&'static str>) -> Result<&'static str, Error> {
/// #     pages.pop_front().ok_or_else(|| ErrorGone("no page is left"))
/// # }
/// #[sse_stream]
/// async fn pages() -> Result<(), Error> {
/// #   let mut pages = VecDeque::new();
///     loop {
///         let page = next(&mut pages).await?; // without `open!`, the first would be too late for a 410
///         open!();
///         emit!(page);
///     }
/// }
/// # #[actix_web::main]
/// # async fn main() {
/// # let app = test::init_service(App::new().route("/", web::get().to(pages))).await;
/// # let request = test::TestRequest::get().to_request();
/// # assert_eq!(test::call_service(&app, request).await.status(), 410);
/// # }
/// ```
///
/// Only the code written in the function counts. An `emit!` inside a helper macro sends, and opens the stream when it
/// runs, but a loop around that helper macro does not open the stream. Neither does a loop that uses an emitter from
/// before the loop, such as `let emitter = emitter!();`.
///
/// `open!(time)` sends a reconnection time that is known only at run time:
///
/// ```
/// use std::time::Duration;
/// use actix_web::{App, test, web};
/// use sse_actix::sse_stream;
///
/// #[sse_stream]
/// async fn feed(readers: web::Data<u64>) {
///     open!(Duration::from_millis(10 * **readers)); // the more there are, the later they come back
///     emit!("hello");
/// }
///
/// # #[actix_web::main]
/// # async fn main() {
/// let app = App::new().app_data(web::Data::new(700_u64)).route("/", web::get().to(feed));
/// let app = test::init_service(app).await;
/// let request = test::TestRequest::get().to_request();
/// assert_eq!(test::call_and_read_body(&app, request).await, "retry: 7000\ndata: hello\n\n");
/// # }
/// ```
///
/// # Arguments
///
/// | argument | value | default |
/// |---|---|---|
/// | `keep_alive` | the silence after which a keep-alive is sent: a duration for a comment, `"off"`, or a const expression of type `KeepAlive`; at least `"100ms"` | `"15s"` |
/// | `retry` | how long a browser waits before it reconnects: a duration, a const expression of type `Retry`, or `"off"`, which sends no `retry` line; `"100ms"` to 2,147,483,647 ms (about 25 days). At run time: `open!(time)` | `"3s"`; none on a plain stream |
/// | `event` | the name of events without a name: text, or a const expression of type `EventName` | none: `message` |
/// | `events` | the enum of the stream's events, which derives [`SseEvents`](derive@SseEvents): `emit!` then accepts only its values. Excludes `event` | anything can be emitted |
/// | `plain` | whether the stream is for clients other than `EventSource`: `plain` or `plain = true`, `plain = false`: [below](#plain-streams) | the method decides: GET and HEAD are for browsers, any other method is plain |
/// | `on_error` | the event that a plain stream sends when it fails after its opening: a const expression of type `fn(&actix_web::Error) -> Event` | nothing |
/// | `finite` | when the function has ended, the stream has ended permanently: [below](#finite) | the client reconnects |
/// | `resume` | when the function has failed, the client may reconnect and resume | the client does not reconnect |
/// | `compress` | actix's `Compress` may compress the stream | it may not |
/// | `headers` | additional headers, `[("name", "value"), ..]`; not the headers that belong to the stream, the connection, or the CORS middleware | none |
/// | `crate` | the path of `sse_actix`, if it is reached through another crate | `::sse_actix` |
///
/// A duration is a whole number and a unit: `ms`, `s`, `m` or `h`. The compiler checks all arguments, also in `cargo
/// check`.
///
/// ```
/// use std::time::Duration;
/// use actix_web::{App, test, web};
/// use sse_actix::{EventName, KeepAlive, sse_stream};
///
/// const BEAT: KeepAlive = KeepAlive::event(Duration::from_secs(5), EventName::from_static("beat"));
///
/// #[sse_stream(keep_alive = BEAT, retry = "500ms", headers = [("x-feed", "7")])]
/// async fn feed() {
///     emit!("hello");
/// }
///
/// # #[actix_web::main]
/// # async fn main() {
/// let app = test::init_service(App::new().route("/", web::get().to(feed))).await;
/// let response = test::call_service(&app, test::TestRequest::get().to_request()).await;
/// assert_eq!(response.headers().get("x-feed").unwrap(), "7");
/// assert_eq!(test::read_body(response).await, "retry: 500\ndata: hello\n\n");
/// # }
/// ```
///
/// ```compile_fail
/// # use sse_actix::sse_stream;
/// #[sse_stream(keep_alive = 15)] // fifteen what? write `keep_alive = "15s"`
/// async fn feed() {
///     emit!("hello");
/// }
/// ```
///
/// # Plain streams
///
/// A plain stream is for clients other than `EventSource`, such as the SDKs of language models. It sends only the
/// events that its function emits, and keep-alive comments: no `sse-end`, and no `retry` unless you set one. If it
/// fails after its opening, it sends the event that `on_error` makes of the error, if any, and is cut off, so that the
/// client does not treat half an answer as complete. Its client does not reconnect: `finite` and `resume` exclude
/// `plain`, and have no effect if the method makes a stream plain. `on_error` excludes `plain = false`.
///
/// ```
/// use actix_web::{App, Error, error::ErrorBadGateway, test::{TestRequest, init_service}, web};
/// use sse_actix::{Event, sse_stream, test};
///
/// fn told(error: &Error) -> Event {
///     Event::data(error.to_string()).event("failure")
/// }
///
/// #[sse_stream(on_error = told)]
/// async fn answer() -> Result<(), Error> {
///     emit!("half");
///     Err(ErrorBadGateway("the model is gone"))
/// }
///
/// # #[actix_web::main]
/// # async fn main() {
/// let app = init_service(App::new().route("/", web::post().to(answer))).await;
/// let mut stream = test::call(&app, TestRequest::post()).await;
/// assert_eq!(stream.next().await.unwrap().data, "half");
/// assert_eq!(stream.next().await.unwrap().data, "the model is gone");
/// assert!(stream.try_next().await.is_err()); // cut off
/// # }
/// ```
///
/// # Names and ids
///
/// An event name or id that is written as a literal in the function is checked when it compiles, in
/// `Event::data(..).event("name").id("id")` and in `EventName::from_static("name")`. `EventName::not_for_browsers(..)`
/// is checked, too: it is a compile error if the attribute can see that browsers read the stream, with `plain = false`,
/// or with `#[get]` below it. Otherwise the stream fails when such an event is emitted.
///
/// ```compile_fail
/// # use sse_actix::{Event, sse_stream};
/// #[sse_stream]
/// async fn feed() {
///     emit!(Event::data("a").event("two\nlines")); // an event name cannot hold a line break
/// }
/// ```
///
/// # Backpressure and cancellation
///
/// `emit!` encodes an event directly into the stream's buffer. It is ready at once until 16 KiB wait for the client;
/// then it waits until the client has read. Events that are ready together are sent as one chunk.
///
/// It is cancel-safe: an `emit!` that is dropped before it is ready, for example as a branch of `select!`, has sent
/// nothing, and one that is ready has sent exactly one event. Its argument is evaluated first, and temporaries in it
/// live until it is ready, as in any `f(..).await`: take a value out of a lock before you emit it.
///
/// # Where `emit!` is allowed
///
/// Anywhere in the function's own async code, which includes async blocks and async closures that run as
/// a part of it:
///
/// ```
/// # use actix_web::test::TestRequest;
/// # use futures_util::future::join_all;
/// # use sse_actix::{Json, sse_stream, test::respond};
/// #[sse_stream]
/// async fn squares() {
///     tokio::join!(async { emit!("one task") }, async { emit!("another") });
///     join_all((1..=3).map(|n| async move { emit!(Json(n * n)) })).await;
/// }
/// # #[actix_web::main]
/// # async fn main() -> Result<(), actix_web::Error> {
/// # let mut stream = respond(squares().await?, TestRequest::get());
/// # for data in ["one task", "another", "1", "4", "9"] {
/// #     assert_eq!(stream.next().await.unwrap().data, data);
/// # }
/// # Ok(())
/// # }
/// ```
///
/// In these places `emit!` is a compile error:
///
/// | place | why not | instead |
/// |---|---|---|
/// | a closure that is not async | it cannot wait | make it `async` |
/// | a spawned task | it would outlive the stream | send to a channel that the stream reads |
/// | a nested item, such as an inner function | it has no stream | take an [emitter](#helper-functions) as an argument |
///
/// `open!` and `emitter!` do not wait, so they are allowed in any closure.
///
/// # `finite`
///
/// An `EventSource` reconnects after every end. With `finite`, a function that has finished sends a last event with the
/// name and the id `sse-end`. The browser sends that id when it reconnects, and the server answers 204, which stops the
/// browser permanently. For this, the attribute adds a last argument of type `HttpRequest`, which it reads before the
/// function runs, and then drops. So the function may have 15 arguments instead of 16, and code that calls the function
/// directly passes a request as the last argument.
///
/// ```
/// use actix_web::{App, test, web};
/// use sse_actix::sse_stream;
///
/// #[sse_stream(finite)]
/// async fn answer() {
///     emit!("42");
/// }
///
/// # #[actix_web::main]
/// # async fn main() {
/// let app = test::init_service(App::new().route("/", web::get().to(answer))).await;
/// let first = test::TestRequest::get().to_request();
/// assert_eq!(
///     test::call_and_read_body(&app, first).await,
///     "retry: 3000\ndata: 42\n\nevent: sse-end\nid: sse-end\ndata: {\"reason\":\"finished\"}\n\n",
/// );
/// let reconnect = test::TestRequest::get().insert_header(("last-event-id", "sse-end")).to_request();
/// assert_eq!(test::call_service(&app, reconnect).await.status(), 204);
/// # }
/// ```
///
/// # With other attributes
///
/// | attribute | where |
/// |---|---|
/// | `#[get]` and similar, `#[route]` | above or below; above, actix needs an explicit return type, at least `-> ()` |
/// | `#[routes]` | above |
/// | `#[scope]` | on the module around it |
/// | `#[tracing::instrument]` | above: its span then lasts as long as the stream; below, the span ends when the stream opens |
/// | lints, docs, `#[cfg]` | anywhere |
///
/// Without a route attribute the function is routed like any handler: `web::get().to(feed)`, with generic arguments
/// `web::get().to(feed::<T>)`. It may be in an `impl` block, without `self`. The expanded function returns
/// `Result<EventStream, actix_web::Error>`, an answer that a test can read.
#[proc_macro_attribute]
pub fn sse_stream(args: TokenStream, item: TokenStream) -> TokenStream {
    stream::sse_stream(args.into(), item.into()).into()
}

/// Makes an enum the list of a stream's events. Each variant is an event, with its name and its data as JSON.
///
/// ```
/// use serde::{Deserialize, Serialize};
/// use sse_actix::{Frame, SseEvents};
///
/// #[derive(Serialize, Deserialize, SseEvents)]
/// enum Market {
///     Price(f64),
/// }
///
/// assert_eq!(Frame::new(Market::Price(12.5))?.as_ref(), b"event: Price\ndata: 12.5\n\n");
/// # Ok::<(), sse_actix::EmitError>(())
/// ```
///
#[doc = include_str!("events/derive.md")]
#[proc_macro_derive(SseEvents, attributes(sse, serde, schema, ts))]
pub fn sse_events(item: TokenStream) -> TokenStream {
    events::derive(item.into()).into()
}
