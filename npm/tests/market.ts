// Written from Rust types by `cargo run -p sse-tests --bin page_types`. Do not edit.

export type Price = { symbol: string, price: number, note: string | null, };

type Check = (value: unknown) => boolean;

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);
const isString: Check = (value) => typeof value === "string";
const isNumber: Check = (value) => typeof value === "number";
const isNull: Check = (value) => value === null;
const either = (...checks: Check[]): Check => (value) => checks.some((check) => check(value));
const object = (required: [string, Check][], optional: [string, Check][] = []): Check => (value) =>
  isObject(value) &&
  required.every(([key, check]) => Object.hasOwn(value, key) && check(value[key])) &&
  optional.every(([key, check]) => !Object.hasOwn(value, key) || check(value[key]));
const checked = <T>(check: Check) => (data: unknown): data is T => check(data);
const is_Price: Check = object([["symbol", isString], ["price", isNumber], ["note", either(isString, isNull)]]);

/**
 * An event, by its name.
 */
export type Market =
  | { event: "price", data: Price }
  | { event: "halted", data: { symbol: string, reason?: string | null, } }
  | { event: "closed", data: null };

/** The data of each event, by the event's name. */
export type MarketEvents = { [E in Market as E["event"]]: E["data"] };

/** The names of the events, and a check of each event's parsed data. */
export const market: {
  readonly names: readonly (keyof MarketEvents)[];
  readonly checks: { readonly [K in keyof MarketEvents]: (data: unknown) => data is MarketEvents[K] };
} = {
  names: ["price", "halted", "closed"],
  checks: {
    ["price"]: checked<MarketEvents["price"]>((value) => is_Price(value)),
    ["halted"]: checked<MarketEvents["halted"]>(object([["symbol", isString]], [["reason", either(isString, isNull)]])),
    ["closed"]: checked<MarketEvents["closed"]>(isNull),
  },
};
