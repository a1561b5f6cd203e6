// The server of the tests: static files, and a stream at /feed.

import { createServer } from "node:http";
import { readFile } from "node:fs/promises";
import path from "node:path";

const TYPES = { ".html": "text/html", ".js": "text/javascript", ".css": "text/css", ".map": "application/json" };

/** What a stream has sent so far, and who reads it. */
export class Server {
  /** The `Last-Event-ID` of each request, `undefined` for none. */
  requests = [];
  /** Statuses to answer instead of a stream, one for each request. */
  statuses = [];
  /** What answers everything but the stream. */
  handler = (_request, response) => response.writeHead(404).end();
  #frames = [];
  #streams = new Set();
  #http = createServer((request, response) => this.#answer(request, response));

  /** Listens at a free port. */
  static async start() {
    const server = new Server();
    await new Promise((resolve) => server.#http.listen(0, "127.0.0.1", resolve));
    return server;
  }

  get http() {
    return this.#http;
  }

  get openStreams() {
    return this.#streams.size;
  }

  url(path) {
    return `http://127.0.0.1:${this.#http.address().port}${path}`;
  }

  /** Answers everything but the stream with the files of a folder; `files` are others. */
  serve(folder, files = {}) {
    this.handler = async (request, response) => {
      const name = new URL(request.url, "http://a").pathname;
      try {
        const content = files[name] ?? (await readFile(path.join(folder, name === "/" ? "index.html" : name)));
        response.writeHead(200, { "Content-Type": TYPES[path.extname(name)] ?? "text/html" }).end(content);
      } catch {
        response.writeHead(404).end();
      }
    };
  }

  /** Sends an event with its number as its id, to who reads and to who comes later. */
  publish(event, data) {
    const text = typeof data === "string" ? data : JSON.stringify(data);
    const id = this.#frames.length + 1;
    const lines = text.split("\n").map((line) => `data: ${line}\n`);
    this.raw(`event: ${event}\n${lines.join("")}id: ${id}\n\n`);
  }

  /** Sends what is written here. */
  raw(frame) {
    this.#frames.push(frame);
    for (const response of this.#streams) response.write(frame);
  }

  /** Ends every stream; their clients come back. */
  cut() {
    for (const response of this.#streams) response.destroy();
  }

  async stop() {
    this.#http.closeAllConnections();
    await new Promise((resolve) => this.#http.close(resolve));
  }

  #answer(request, response) {
    if (!request.url.startsWith("/feed")) {
      this.handler(request, response);
      return;
    }
    const last = request.headers["last-event-id"];
    this.requests.push(last);
    const status = this.statuses.shift();
    if (status) {
      response.writeHead(status).end();
      return;
    }
    response.writeHead(200, { "Content-Type": "text/event-stream", "Cache-Control": "no-store" });
    response.write("retry: 100\n");
    for (const frame of this.#frames.slice(Number(last ?? 0))) response.write(frame);
    this.#streams.add(response);
    response.on("close", () => this.#streams.delete(response));
  }
}

/** Waits until `condition` holds, and fails if it does not within ten seconds. */
export async function until(what, condition) {
  const end = Date.now() + 10_000;
  for (;;) {
    const value = await condition();
    if (value) return value;
    if (Date.now() > end) throw new Error(`not within ten seconds: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
