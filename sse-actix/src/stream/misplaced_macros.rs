//! The macros `emit!`, `open!` and `emitter!` outside of a function under `#[sse_stream]`: each is a compile error that
//! says what to write. Inside such a function, the attribute replaces them.

/// Sends one event, in a function under [`#[sse_stream]`](macro@crate::sse_stream).
///
/// ```
/// # use actix_web::test::TestRequest;
/// # use sse_actix::test::respond;
/// use sse_actix::{Event, Json, sse_stream};
///
/// #[sse_stream]
/// async fn feed() {
///     emit!("text");
///     emit!(Json([1, 2]));
///     emit!(Event::data("text").event("tick").id(3));
/// }
/// # #[actix_web::main]
/// # async fn main() -> Result<(), actix_web::Error> {
/// let mut stream = respond(feed().await?, TestRequest::get());
/// assert_eq!(stream.next().await.unwrap().data, "text");
/// assert_eq!(stream.next().await.unwrap().data, "[1,2]");
/// assert_eq!(stream.next().await.unwrap().event, "tick");
/// # Ok(()) }
/// ```
///
/// It is known there without an import. Anywhere else it is an error that says what to write: a helper function
/// takes an [`Emitter`](crate::Emitter).
///
/// ```compile_fail
/// use sse_actix::emit;
///
/// async fn helper() {
///     emit!("text"); // which stream's?
/// }
/// ```
#[macro_export]
macro_rules! emit {
    ($($value:tt)*) => {
        ::core::compile_error!(
            "`emit!` works only inside of a function under `#[sse_stream]`; in a helper take an argument `emitter: Emitter<'_>`, write `emitter.emit(..).await`, and call the helper with `emitter!()`"
        )
    };
}

/// Opens the stream of a function under [`#[sse_stream]`](macro@crate::sse_stream): `open!()`, or `open!(time)` with a
/// reconnection time that replaces the attribute's.
///
/// ```
/// use std::time::Duration;
/// use actix_web::{App, test, web};
/// use sse_actix::sse_stream;
///
/// #[sse_stream]
/// async fn feed(streams: web::Data<u64>) {
///     open!(Duration::from_millis(10 * **streams));
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
/// It is known there without an import. Anywhere else it is an error that says what to write.
#[macro_export]
macro_rules! open {
    ($($retry:tt)*) => {
        ::core::compile_error!(
            "`open!` works only inside of a function under `#[sse_stream]`; in a helper take an argument `emitter: Emitter<'_>`, write `emitter.open()`, and call the helper with `emitter!()`"
        )
    };
}

/// The [`Emitter`](crate::Emitter) of a function under [`#[sse_stream]`](macro@crate::sse_stream), to pass on.
///
/// ```
/// # use actix_web::test::TestRequest;
/// # use sse_actix::test::respond;
/// use sse_actix::{Emitter, sse_stream};
///
/// async fn greet(emitter: Emitter<'_>, name: &str) {
///     emitter.emit(format!("hello {name}")).await;
/// }
///
/// #[sse_stream]
/// async fn feed() {
///     greet(emitter!(), "you").await;
/// }
/// # #[actix_web::main]
/// # async fn main() -> Result<(), actix_web::Error> {
/// assert_eq!(respond(feed().await?, TestRequest::get()).next().await.unwrap().data, "hello you");
/// # Ok(()) }
/// ```
///
/// It is known there without an import. Anywhere else it is an error that says what to write.
#[macro_export]
macro_rules! emitter {
    ($($nothing:tt)*) => {
        ::core::compile_error!(
            "`emitter!` works only inside of a function under `#[sse_stream]`; in a helper take an argument `emitter: Emitter<'_>`, and call the helper with `emitter!()`"
        )
    };
}
