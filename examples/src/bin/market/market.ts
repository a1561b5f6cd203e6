// Written from Rust types by `cargo run --bin market -- --typescript examples/src/bin/market/market.ts`. Do not edit.

export type Quote = { symbol: string, 
/**
 * In cents.
 */
price: number, 
/**
 * Since the market has opened, as a part of the first price.
 */
change: number, is_halted: boolean, };

type Check = (value: unknown) => boolean;

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);
const isString: Check = (value) => typeof value === "string";
const isNumber: Check = (value) => typeof value === "number";
const isBoolean: Check = (value) => typeof value === "boolean";
const list = (check: Check): Check => (value) => Array.isArray(value) && value.every((item) => check(item));
const object = (required: [string, Check][], optional: [string, Check][] = []): Check => (value) =>
  isObject(value) &&
  required.every(([key, check]) => Object.hasOwn(value, key) && check(value[key])) &&
  optional.every(([key, check]) => !Object.hasOwn(value, key) || check(value[key]));
const checked = <T>(check: Check) => (data: unknown): data is T => check(data);
const is_Quote: Check = object([["symbol", isString], ["price", isNumber], ["change", isNumber], ["is_halted", isBoolean]]);

/**
 * An event, by its name.
 */
export type Market =
  | { event: "quotes", data: Array<Quote> }
  | { event: "price", data: Quote }
  | { event: "halted", data: { symbol: string, reason: string, } }
  | { event: "resumed", data: { symbol: string, } }
  | { event: "news", data: { symbol: string, headline: string, } };

/** The data of each event, by the event's name. */
export type MarketEvents = { [E in Market as E["event"]]: E["data"] };

/** The names of the events, and a check of what `JSON.parse` gives of each one's data. */
export const market: {
  readonly names: readonly (keyof MarketEvents)[];
  readonly checks: { readonly [K in keyof MarketEvents]: (data: unknown) => data is MarketEvents[K] };
} = {
  names: ["quotes", "price", "halted", "resumed", "news"],
  checks: {
    ["quotes"]: checked<MarketEvents["quotes"]>(list((value) => is_Quote(value))),
    ["price"]: checked<MarketEvents["price"]>((value) => is_Quote(value)),
    ["halted"]: checked<MarketEvents["halted"]>(object([["symbol", isString], ["reason", isString]])),
    ["resumed"]: checked<MarketEvents["resumed"]>(object([["symbol", isString]])),
    ["news"]: checked<MarketEvents["news"]>(object([["symbol", isString], ["headline", isString]])),
  },
};
