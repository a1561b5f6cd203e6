//! Caches blocks of the file that were read lately, so that many returning readers cost one query for each block.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, PoisonError},
};

use sse_actix_core::{Entry, Epoch};

/// The number of sequences in a block.
pub(crate) const LENGTH: u64 = 512;

/// A block of a topic's entries: those after `LENGTH * index`, up to the next block.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct BlockKey {
    pub(crate) epoch: Epoch,
    pub(crate) index: u64,
}

pub(crate) type Block = Arc<[Arc<Entry>]>;

#[derive(Debug)]
pub(crate) struct Blocks {
    kept: Mutex<Kept>,
    most_bytes: usize,
}

#[derive(Debug, Default)]
struct Kept {
    by_key: HashMap<BlockKey, Block>,
    /// The oldest first.
    order: VecDeque<BlockKey>,
    bytes: usize,
}

impl Blocks {
    pub(crate) fn new(most_bytes: usize) -> Self {
        Self {
            kept: Mutex::default(),
            most_bytes,
        }
    }

    pub(crate) fn get(&self, key: BlockKey) -> Option<Block> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.by_key.get(&key).cloned()
    }

    /// Keeps a block. Drops the oldest blocks if there are too many bytes.
    pub(crate) fn insert(&self, key: BlockKey, block: Block) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.bytes += weight(&block);
        if let Some(before) = kept.by_key.insert(key, block) {
            kept.bytes -= weight(&before);
        } else {
            kept.order.push_back(key);
        }
        while kept.bytes > self.most_bytes
            && let Some(oldest) = kept.order.pop_front()
        {
            let gone = kept.by_key.remove(&oldest);
            kept.bytes -= gone.map_or(0, |block| weight(&block));
        }
    }
}

fn weight(block: &Block) -> usize {
    block
        .iter()
        .map(|entry| size_of::<Entry>() + entry.frame().len())
        .sum()
}
