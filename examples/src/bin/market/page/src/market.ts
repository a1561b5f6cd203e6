// Written from Rust types by `cargo run --bin market -- --typescript examples/src/bin/market/page/src/market.ts`. Do not edit.

export type Halt = { from: number, 
/**
 * Null while the share is not traded.
 */
until: number | null, reason: string, };

export type Share = { symbol: string, company: string, 
/**
 * The day's first price.
 */
first: number, 
/**
 * At least one, the oldest first.
 */
trades: Array<Trade>, 
/**
 * The oldest first.
 */
halts: Array<Halt>, };

export type State = { 
/**
 * When this market was opened. It begins again with the server, so this number identifies it. A later market may have an earlier time.
 */
opened_at: number, shares: Array<Share>, 
/**
 * The oldest first.
 */
news: Array<Story>, };

export type Story = { at: number, symbol: string, headline: string, };

export type Trade = { at: number, price: number, };

type Check = (value: unknown) => boolean;

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);
const isString: Check = (value) => typeof value === "string";
const isNumber: Check = (value) => typeof value === "number";
const isNull: Check = (value) => value === null;
const either = (...checks: Check[]): Check => (value) => checks.some((check) => check(value));
const list = (check: Check): Check => (value) => Array.isArray(value) && value.every((item) => check(item));
const object = (required: [string, Check][], optional: [string, Check][] = []): Check => (value) =>
  isObject(value) &&
  required.every(([key, check]) => Object.hasOwn(value, key) && check(value[key])) &&
  optional.every(([key, check]) => !Object.hasOwn(value, key) || check(value[key]));
const checked = <T>(check: Check) => (data: unknown): data is T => check(data);
const is_Halt: Check = object([["from", isNumber], ["until", either(isNumber, isNull)], ["reason", isString]]);
const is_Share: Check = object([["symbol", isString], ["company", isString], ["first", isNumber], ["trades", list((value) => is_Trade(value))], ["halts", list((value) => is_Halt(value))]]);
const is_State: Check = object([["opened_at", isNumber], ["shares", list((value) => is_Share(value))], ["news", list((value) => is_Story(value))]]);
const is_Story: Check = object([["at", isNumber], ["symbol", isString], ["headline", isString]]);
const is_Trade: Check = object([["at", isNumber], ["price", isNumber]]);

/**
 * An event, by its name.
 */
export type Market =
  | { event: "state", data: State }
  | { event: "price", data: { symbol: string, at: number, price: number, } }
  | { event: "halted", data: { symbol: string, at: number, reason: string, } }
  | { event: "resumed", data: { symbol: string, at: number, } }
  | { event: "news", data: Story };

/** The data of each event, by the event's name. */
export type MarketEvents = { [E in Market as E["event"]]: E["data"] };

/** The names of the events, and a check of each event's parsed data. */
export const market: {
  readonly names: readonly (keyof MarketEvents)[];
  readonly checks: { readonly [K in keyof MarketEvents]: (data: unknown) => data is MarketEvents[K] };
} = {
  names: ["state", "price", "halted", "resumed", "news"],
  checks: {
    ["state"]: checked<MarketEvents["state"]>((value) => is_State(value)),
    ["price"]: checked<MarketEvents["price"]>(object([["symbol", isString], ["at", isNumber], ["price", isNumber]])),
    ["halted"]: checked<MarketEvents["halted"]>(object([["symbol", isString], ["at", isNumber], ["reason", isString]])),
    ["resumed"]: checked<MarketEvents["resumed"]>(object([["symbol", isString], ["at", isNumber]])),
    ["news"]: checked<MarketEvents["news"]>((value) => is_Story(value)),
  },
};
