// In the form that Rust generates.
export type Price = { symbol: string; price: number; note: string | null };

export type Market =
  | { event: "price"; data: Price }
  | { event: "halted"; data: { symbol: string; reason?: string | null } }
  | { event: "closed"; data: null };

/** The data of each event, by the event's name. */
export type MarketEvents = { [E in Market as E["event"]]: E["data"] };

const isObject = (data: unknown): data is Record<string, unknown> =>
  typeof data === "object" && data !== null && !Array.isArray(data);
const isText = (value: unknown): value is string => typeof value === "string";

export const market: {
  readonly names: readonly (keyof MarketEvents)[];
  readonly checks: { readonly [K in keyof MarketEvents]: (data: unknown) => data is MarketEvents[K] };
} = {
  names: ["price", "halted", "closed"],
  checks: {
    price: (data): data is MarketEvents["price"] =>
      isObject(data) &&
      isText(data["symbol"]) &&
      typeof data["price"] === "number" &&
      (data["note"] === null || isText(data["note"])),
    halted: (data): data is MarketEvents["halted"] =>
      isObject(data) &&
      isText(data["symbol"]) &&
      (data["reason"] === undefined || data["reason"] === null || isText(data["reason"])),
    closed: (data): data is MarketEvents["closed"] => data === null,
  },
};
