import { CLOSED, CONNECTING, OPEN } from "./shared-connection/state.js";

/** Gives a class the properties of the interface `EventSource`: its constants, and handlers such as `onopen`. */
export function define(source: { prototype: EventTarget }, types: string[]) {
  for (const [name, value] of Object.entries({ CONNECTING, OPEN, CLOSED })) {
    Object.defineProperty(source, name, { value, enumerable: true });
    Object.defineProperty(source.prototype, name, { value, enumerable: true });
  }
  for (const type of types) {
    const handlers = new WeakMap<EventTarget, Function | null>();
    Object.defineProperty(source.prototype, `on${type}`, {
      get(this: EventTarget) {
        return handlers.get(this) ?? null;
      },
      set(this: EventTarget, handler: unknown) {
        if (!handlers.has(this)) this.addEventListener(type, (event) => handlers.get(this)?.call(this, event));
        handlers.set(this, typeof handler === "function" ? handler : null);
      },
      enumerable: true,
    });
  }
}
