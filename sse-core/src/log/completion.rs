use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

/// A result that is ready at once, or comes later. A log in memory completes at once and allocates nothing for it; a
/// log on a server completes later.
///
/// ```
/// use sse_actix_core::Completion;
///
/// assert_eq!(Completion::ready(7).into_ready().ok(), Some(7));
/// assert!(Completion::later(async { 7 }).into_ready().is_err());
/// ```
#[must_use = "a completion may do nothing until it is awaited"]
pub struct Completion<T>(State<T>);

type Later<T> = Pin<Box<dyn Future<Output = T> + Send>>;

enum State<T> {
    Ready(Option<T>),
    Later(Later<T>),
}

impl<T> Completion<T> {
    /// Already completed, with this result.
    pub fn ready(result: T) -> Self {
        Self(State::Ready(Some(result)))
    }

    /// Completes when `future` does.
    pub fn later(future: impl Future<Output = T> + Send + 'static) -> Self {
        Self(State::Later(Box::pin(future)))
    }

    /// The result, if it was ready at once.
    ///
    /// # Errors
    ///
    /// The completion itself, to be awaited, if it was not ready.
    pub fn into_ready(self) -> Result<T, Self> {
        match self.0 {
            State::Ready(Some(result)) => Ok(result),
            later => Err(Self(later)),
        }
    }
}

impl<T> Unpin for Completion<T> {}

impl<T> Future for Completion<T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        match &mut self.0 {
            // Taken only here, and a future is not polled again once it was ready.
            State::Ready(result) => result.take().map_or(Poll::Pending, Poll::Ready),
            State::Later(future) => future.as_mut().poll(cx),
        }
    }
}

impl<T> fmt::Debug for Completion<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            State::Ready(_) => "Completion::ready",
            State::Later(_) => "Completion::later",
        })
    }
}
