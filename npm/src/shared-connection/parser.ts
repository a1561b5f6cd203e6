/** An event as the server sent it. Its `id` is the last event id after this event. */
export interface ParsedEvent {
  name: string;
  data: string;
  id: string;
}

/**
 * Parses bytes into events, as the standard says:
 * https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation
 */
export class EventStreamParser {
  #text = new TextDecoder();
  #line: string[] = [];
  #afterCarriageReturn = false;
  #data: string[] = [];
  #name = "";
  #id: string;

  /** The last event id at the last empty line. */
  lastEventId: string;

  /** The reconnection time in milliseconds, if the stream has set it. */
  retry: number | undefined;

  /** @param lastEventId the last event id of an earlier connection */
  constructor(lastEventId = "") {
    this.#id = this.lastEventId = lastEventId;
  }

  /**
   * @param bytes any piece of the stream
   * @returns the events that it completes
   */
  feed(bytes: Uint8Array): ParsedEvent[] {
    const text = this.#text.decode(bytes, { stream: true });
    const events: ParsedEvent[] = [];
    let start = this.#afterCarriageReturn && text.startsWith("\n") ? 1 : 0;
    if (text) this.#afterCarriageReturn = text.endsWith("\r");
    const lineBreak = /\r\n?|\n/g;
    lineBreak.lastIndex = start;
    for (let found: RegExpExecArray | null; (found = lineBreak.exec(text)); start = lineBreak.lastIndex) {
      this.#line.push(text.slice(start, found.index));
      const event = this.#endLine(this.#line.join(""));
      this.#line = [];
      if (event) events.push(event);
    }
    if (start < text.length) this.#line.push(text.slice(start));
    return events;
  }

  #endLine(line: string): ParsedEvent | undefined {
    if (line === "") return this.#dispatch();
    const colon = line.indexOf(":");
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(line[colon + 1] === " " ? colon + 2 : colon + 1);
    switch (field) {
      case "data":
        this.#data.push(value);
        break;
      case "event":
        this.#name = value;
        break;
      case "id":
        if (!value.includes("\0")) this.#id = value;
        break;
      case "retry":
        if (/^[0-9]+$/.test(value)) this.retry = Number(value);
    }
    return undefined;
  }

  #dispatch(): ParsedEvent | undefined {
    const [data, name] = [this.#data, this.#name || "message"];
    [this.#data, this.#name] = [[], ""];
    this.lastEventId = this.#id;
    return data.length > 0 ? { name, data: data.join("\n"), id: this.#id } : undefined;
  }
}
