import { call, report } from "./connection.js";
import { END, GAP, POSITION } from "./shared-connection/names.js";
import type { ParsedEvent } from "./shared-connection/parser.js";
import { type AnySchema, type End, type Gap, InvalidEventError, type StreamCallbacks } from "./typed.js";

/** The options that say how a source delivers events. */
export interface DeliveryOptions extends StreamCallbacks {
  events?: AnySchema;
  gapEvent?: string;
}

/** Gives a stream's events to the listeners of a source. If there is a schema, the data is parsed and checked first. */
export class Delivery {
  #target: EventTarget;
  #options: DeliveryOptions;
  #ownNames: readonly string[];
  #warned = new Set<string>();

  /** How the server has ended the stream, once it has said so. */
  end: End | undefined;

  /**
   * @param ownNames the events with which the source reports the state of its connection. A server's event with such a
   *   name is not delivered
   */
  constructor(target: EventTarget, options: DeliveryOptions, ownNames: readonly string[]) {
    [this.#target, this.#options, this.#ownNames] = [target, options, ownNames];
  }

  event({ name, data, id }: ParsedEvent, origin: string) {
    if (name === (this.#options.gapEvent ?? GAP)) {
      const gap = toGap(data, id);
      call(this.#options.onGap, gap);
      this.#dispatch({ name, data, id }, gap, origin);
    } else if (name === END && id === END) {
      this.end = toEnd(data);
      call(this.#options.onEnd, this.end);
      this.#dispatch({ name, data, id }, this.end, origin);
    } else if (this.#options.events) {
      this.#deliverChecked({ name, data, id }, this.#options.events, origin);
    } else if (this.#ownNames.includes(name)) {
      this.#warn(
        name,
        "which is an event of the source itself, so no listener gets it; the server has to give it another name",
      );
    } else {
      // Names that begin with `sse-` are the library's. A newer server may send names that this version does not know.
      if (name.startsWith("sse-") && name !== END && name !== POSITION) {
        this.#warn(name, "which this version of the page's module does not know; update it");
      }
      this.#dispatch({ name, data, id }, data, origin);
    }
  }

  position(lastEventId: string) {
    call(this.#options.onPosition, { lastEventId });
  }

  #deliverChecked(event: ParsedEvent, { checks }: AnySchema, origin: string) {
    const invalid = (what: string, options?: ErrorOptions) => {
      const error = new InvalidEventError(what, event.name, event.data, event.id, options);
      if (this.#options.onInvalid) call(this.#options.onInvalid, error);
      else report(error);
    };
    const { name } = event;
    const shown = JSON.stringify(name);
    // Inherited properties, such as `__proto__`, are not checks of the schema.
    const check = Object.hasOwn(checks, name) ? checks[name] : undefined;
    if (!check) {
      invalid(`This page does not know the event ${shown}: the server is newer, or uses another enum`);
      return;
    }
    let value: unknown;
    let isValid = false;
    try {
      value = JSON.parse(event.data);
    } catch (cause) {
      invalid(`The data of the event ${shown} is not JSON`, { cause });
      return;
    }
    try {
      isValid = check(value);
    } catch (cause) {
      invalid(`The check of the event ${shown} has failed`, { cause });
      return;
    }
    if (isValid) this.#dispatch(event, value, origin);
    else invalid(`The data of the event ${shown} does not have the type with which this page was built`);
  }

  #dispatch({ name, data: text, id }: ParsedEvent, value: unknown, origin: string) {
    const data = this.#options.events ? value : text;
    this.#target.dispatchEvent(new MessageEvent(name, { data, lastEventId: id, origin }));
  }

  /** Warns once for each name. */
  #warn(name: string, why: string) {
    if (this.#warned.has(name)) return;
    this.#warned.add(name);
    console.warn(`sse-actix: the server sends ${name}, ${why}`);
  }
}

function toGap(data: string, lastEventId: string): Gap {
  const missed = objectOf(data)["missed"];
  return { missed: typeof missed === "number" ? missed : null, lastEventId };
}

function toEnd(data: string): End {
  const { reason, message } = objectOf(data);
  if (reason !== "failed") return { reason: "finished" };
  return typeof message === "string" ? { reason, message } : { reason };
}

/** The parsed text if it is JSON, else an object without properties. */
function objectOf(json: string): Record<string, unknown> {
  try {
    return Object(JSON.parse(json));
  } catch {
    return {};
  }
}
