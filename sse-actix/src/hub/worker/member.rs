//! A subscription, as its topics and its worker know it.

use std::{
    cell::{Cell, OnceCell, RefCell},
    rc::Rc,
    task::{Context, Waker},
};

use smallvec::SmallVec;
use sse_actix_core::Position;

use crate::{
    control::StreamControl,
    hub::{limits::Seat, presence::Stay},
    server::{Wire, Wired},
};

/// A subscription, as its topics know it.
pub(in crate::hub) struct Member {
    waker: RefCell<Option<Waker>>,
    pub(super) waiting: Cell<bool>,
    /// The tick at which it was last woken or polled.
    pub(super) touched: Cell<u32>,
    pub(super) over: Cell<bool>,
    /// It is an answer itself: its client not reading is why it is not polled, and nothing else.
    pub(in crate::hub) answers: Cell<bool>,
    pub(in crate::hub) control: Option<StreamControl>,
    pub(in crate::hub) seat: Cell<Option<Seat>>,
    pub(in crate::hub) stays: Cell<Vec<Stay>>,
    /// The socket of its connection, where that can be written to.
    pub(in crate::hub) wire: OnceCell<Rc<Wire>>,
    /// Whether what is new in the window, all of it and nothing else, is what it gets next.
    pub(in crate::hub) follows: Cell<bool>,
    /// How many events and bytes were written to its wire by the worker.
    pub(in crate::hub) written: Cell<(u64, u64)>,
    /// When it last wrote, in milliseconds of the worker's clock.
    pub(in crate::hub) wrote: Cell<u64>,
    /// After how many milliseconds of silence it is to be kept alive; 0 as long as nobody asked.
    pub(super) silence: Cell<u32>,
    /// That is due.
    pub(super) beat: Cell<bool>,
    /// It is done by the usual comment.
    pub(in crate::hub) comment: Cell<bool>,
    pub(in crate::hub) places: SmallVec<[Spot; 1]>,
}

/// A subscription's place in one topic.
pub(in crate::hub) struct Spot {
    pub(super) key: Cell<usize>,
    pub(super) slot: Cell<Option<usize>>,
    pub(in crate::hub) position: Cell<Option<Position>>,
    /// Its position is told in no id.
    pub(in crate::hub) silent: Cell<bool>,
}

impl Member {
    pub(in crate::hub) fn new(control: Option<StreamControl>, seat: Seat, parts: usize) -> Self {
        let spot = || Spot {
            key: Cell::new(0),
            slot: Cell::new(None),
            position: Cell::new(None),
            silent: Cell::new(false),
        };
        Self {
            waker: RefCell::new(None),
            waiting: Cell::new(false),
            touched: Cell::new(0),
            over: Cell::new(false),
            answers: Cell::new(false),
            control,
            seat: Cell::new(Some(seat)),
            stays: Cell::default(),
            wire: OnceCell::new(),
            follows: Cell::new(false),
            written: Cell::default(),
            wrote: Cell::new(0),
            silence: Cell::new(0),
            beat: Cell::new(false),
            comment: Cell::new(false),
            places: (0..parts).map(|_| spot()).collect(),
        }
    }

    pub(in crate::hub) fn is_over(&self) -> bool {
        self.over.get()
    }

    /// It has read everything, and was not woken since.
    pub(in crate::hub) fn is_waiting(&self) -> bool {
        self.waiting.get()
    }

    /// It is being polled.
    pub(in crate::hub) fn touch(&self, now: u32) {
        self.waiting.set(false);
        self.touched.set(now);
    }

    /// It has read everything, and waits.
    pub(in crate::hub) fn wait(&self, cx: &Context<'_>) {
        let mut waker = self.waker.borrow_mut();
        if !waker.as_ref().is_some_and(|known| known.will_wake(cx.waker())) {
            *waker = Some(cx.waker().clone());
        }
        self.waiting.set(true);
    }

    /// Times are rounded down to a quarter of the silence, a second at most: that many are looked at together is
    /// what makes keep-alives cheap, and one that comes earlier keeps alive as well.
    pub(super) fn rounded(&self, at: u64) -> u64 {
        let grain = (u64::from(self.silence.get()) / 4).clamp(1, 1_000);
        at - at % grain
    }

    pub(super) fn waits_before(&self, spot: &Spot, head: Position) -> bool {
        self.waiting.get()
            && spot
                .position
                .get()
                .is_some_and(|position| position.epoch != head.epoch || position.sequence < head.sequence)
    }

    pub(super) fn wake(&self, now: u32) {
        self.waiting.set(false);
        self.touched.set(now);
        if let Some(waker) = &*self.waker.borrow() {
            waker.wake_by_ref();
        }
    }
}

impl Wired for Member {
    fn wire(&self, wire: Rc<Wire>) {
        // A stream stays on its connection.
        let _ = self.wire.set(wire);
    }
}
