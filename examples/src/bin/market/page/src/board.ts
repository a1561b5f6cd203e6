import type { Market, MarketEvents } from "./market.js";

type State = MarketEvents["state"];
export type Share = State["shares"][number];
export type Story = State["news"][number];

/** How long trades are kept, in milliseconds. */
const KEPT = 5 * 60 * 1000;
const KEPT_NEWS = 50;

/** What the page knows about the market. An event that arrives twice, or late, changes nothing. */
export class Board {
  readonly shares = new Map<string, Share>();
  news: Story[] = [];
  /** The time of the newest event, by the server's clock, which may differ from this page's clock. */
  now = 0;
  #openedAt = 0;

  apply(event: Market) {
    switch (event.event) {
      case "state":
        this.#merge(event.data);
        break;
      case "price": {
        const { symbol, at, price } = event.data;
        const share = this.shares.get(symbol);
        if (share && at > lastOf(share).at) share.trades = recent([...share.trades, { at, price }], at);
        this.#heard(at);
        break;
      }
      case "halted": {
        const { symbol, at, reason } = event.data;
        const share = this.shares.get(symbol);
        if (share && !share.halts.some(({ from }) => from === at)) share.halts.push({ from: at, until: null, reason });
        this.#heard(at);
        break;
      }
      case "resumed": {
        const { symbol, at } = event.data;
        const halt = this.shares.get(symbol)?.halts.findLast(({ from }) => from <= at);
        if (halt) halt.until ??= at;
        this.#heard(at);
        break;
      }
      case "news":
        this.#addNews([event.data]);
        break;
      default:
        // This does not compile if the server's enum has a further variant.
        event satisfies never;
    }
  }

  #merge(state: State) {
    if (state.opened_at < this.#openedAt) return;
    if (state.opened_at > this.#openedAt) {
      this.#openedAt = state.opened_at;
      this.shares.clear();
      this.news = [];
    }
    for (const share of state.shares) {
      const known = this.shares.get(share.symbol);
      this.shares.set(share.symbol, known ? merged(known, share) : share);
      this.#heard(lastOf(share).at);
    }
    this.#addNews(state.news);
  }

  #addNews(stories: Story[]) {
    const all = new Map([...this.news, ...stories].map((story) => [`${story.at} ${story.symbol}`, story]));
    this.news = [...all.values()].sort((a, b) => b.at - a.at).slice(0, KEPT_NEWS);
  }

  #heard(at: number) {
    this.now = Math.max(this.now, at);
  }
}

/** The server sends no share without a trade. */
export function lastOf({ trades, first }: Share) {
  return trades.at(-1) ?? { at: 0, price: first };
}

/** Why the share is not traded at present. */
export function haltOf({ halts }: Share): string | undefined {
  const last = halts.at(-1);
  return last?.until === null ? last.reason : undefined;
}

/** The change since the day's first price, as a fraction of that price. */
export function changeOf(share: Share) {
  return lastOf(share).price / share.first - 1;
}

function merged(a: Share, b: Share): Share {
  const trades = new Map([...a.trades, ...b.trades].map((trade) => [trade.at, trade]));
  const inOrder = [...trades.values()].sort((a, b) => a.at - b.at);
  const now = inOrder.at(-1)?.at ?? 0;
  return { ...b, trades: recent(inOrder, now), halts: mergedHalts(a.halts, b.halts, now) };
}

/**
 * A halt ends before the next one begins. So only the latest halt may have no end; of earlier ones, the end was missed.
 */
function mergedHalts(a: Share["halts"], b: Share["halts"], now: number) {
  const halts = new Map(a.map((halt) => [halt.from, halt]));
  for (const halt of b) halts.set(halt.from, { ...halt, until: halt.until ?? halts.get(halt.from)?.until ?? null });
  const inOrder = [...halts.values()].sort((a, b) => a.from - b.from);
  return inOrder
    .map((halt, at) => ({ ...halt, until: halt.until ?? inOrder[at + 1]?.from ?? null }))
    .filter(({ from, until }) => (until ?? from) + KEPT >= now);
}

function recent(trades: Share["trades"], now: number) {
  return trades.filter(({ at }) => at + KEPT >= now);
}
