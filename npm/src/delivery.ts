import { call, report } from "./connection.js";
import { END, GAP, POSITION } from "./hub/names.js";
import type { ParsedEvent } from "./hub/parser.js";
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
  #warned = new Set<string>();

  /** How the server has ended the stream, once it has said so. */
  end: End | undefined;

  constructor(target: EventTarget, options: DeliveryOptions) {
    [this.#target, this.#options] = [target, options];
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
    } else {
      this.#warnOf(name);
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
      invalid(`This page does not know the event ${shown}: the server is newer, or sends another enum`);
      return;
    }
    let value: unknown;
    let isValid = false;
    try {
      value = JSON.parse(event.data);
    } catch (cause) {
      invalid(`The data of the event ${shown} is no JSON`, { cause });
      return;
    }
    try {
      isValid = check(value);
    } catch (cause) {
      invalid(`The check of the event ${shown} has failed`, { cause });
      return;
    }
    if (isValid) this.#dispatch(event, value, origin);
    else invalid(`The data of the event ${shown} is not of the type that this page was built with`);
  }

  #dispatch({ name, data: text, id }: ParsedEvent, value: unknown, origin: string) {
    const data = this.#options.events ? value : text;
    this.#target.dispatchEvent(new MessageEvent(name, { data, lastEventId: id, origin }));
  }

  /** Names that begin with `sse-` are the library's. A newer server may send names that this version does not know. */
  #warnOf(name: string) {
    if (!name.startsWith("sse-") || name === END || name === POSITION || this.#warned.has(name)) return;
    this.#warned.add(name);
    console.warn(
      `sse-actix: the server sends ${name}, which this version of the page's module does not know; update it`,
    );
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
