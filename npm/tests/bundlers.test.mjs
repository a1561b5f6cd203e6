// The packed package in the pages of three bundlers, in Chromium. `test.sh` unpacks it into tests/apps/node_modules.

import assert from "node:assert/strict";
import { cp, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { after, afterEach, before, beforeEach, test } from "node:test";
import { fileURLToPath } from "node:url";
import * as esbuild from "esbuild";
import * as vite from "vite";
import webpack from "webpack";
import { Browser } from "./browser.mjs";
import { Server, until } from "./server.mjs";

const APPS = path.join(path.dirname(fileURLToPath(import.meta.url)), "apps");

let browser, server, folder, copy;

before(async () => {
  browser = await Browser.start();
  folder = await mkdtemp(path.join(APPS, "built-"));
  copy = await mkdtemp(path.join(APPS, "copy-"));
});

after(async () => {
  await browser.stop();
  await rm(folder, { recursive: true });
  await rm(copy, { recursive: true });
});

beforeEach(async () => {
  server = await Server.start();
  await browser.console();
});

afterEach(async () => {
  await browser.closeTabs();
  await server.stop();
});

const price = (price) => ({ symbol: "ACME", price, note: null });

/** Opens three tabs; `seen` is what each gets. They share one connection. */
async function threeTabsShareOneConnection(seen) {
  server.publish("price", price(1));
  const tabs = [];
  for (let number = 0; number < 3; number++) {
    tabs.push(await browser.open(server.url("/")));
    await browser.until("return globalThis.seen?.length === 1");
  }
  server.publish("price", price(2));
  for (const tab of tabs) {
    await browser.goTo(tab);
    await browser.until("return seen.length >= 2");
    assert.deepEqual(await browser.run("return seen"), seen);
  }
  assert.deepEqual(server.requests, [undefined]);
  assert.equal(server.openStreams, 1);
  return tabs;
}

const parsed = [
  ["price", price(1)],
  ["price", price(2)],
];
const texts = [JSON.stringify(price(1)), JSON.stringify(price(2))];

/** How many sources there are in all tabs: each holds a lock. */
const SOURCES = `
  return navigator.locks.query().then(({ held }) =>
    held.filter(({ name }) => /^shared-event-source:[0-9]/.test(name)).length)`;

test("Vite, production", async () => {
  const outDir = path.join(folder, "vite");
  await vite.build({ root: path.join(APPS, "vite"), logLevel: "error", build: { outDir } });
  server.serve(outDir, { "/elsewhere": "<title>elsewhere</title>" });
  const tabs = await threeTabsShareOneConnection(parsed);
  assert.equal(await browser.run("return document.querySelector('#price').textContent"), "2");

  // Into the back/forward cache, and back: what came meanwhile is not lost.
  await browser.get(server.url("/elsewhere"));
  server.publish("price", price(3));
  await browser.back();
  await browser.until("return globalThis.returned === true");
  await browser.until("return seen.length === 3");
  await browser.until("return document.querySelector('#price').textContent === '3'");
  assert.equal(server.openStreams, 1);
  assert.equal(await browser.run(SOURCES), 3);

  // Without any tab the stream ends.
  await browser.run("document.querySelector('button').click()");
  for (const tab of tabs) {
    await browser.goTo(tab);
    await browser.until("return document.querySelector('#connection').textContent === 'reset'");
  }
  await until("the stream ends", () => server.openStreams === 0);
  assert.equal(await browser.run(SOURCES), 0);
  assert.deepEqual(await warnings(), []);
});

test("Vite, development", async () => {
  // It is edited.
  await cp(path.join(APPS, "vite"), copy, { recursive: true });
  const app = path.join(copy, "src/app.tsx");
  // A production build leaves "production" here, with which there is no hot reload.
  process.env.NODE_ENV = "development";
  const development = await vite.createServer({
    root: copy,
    logLevel: "error",
    cacheDir: path.join(folder, "cache"),
    server: { middlewareMode: true, hmr: { server: server.http } },
  });
  try {
    server.handler = development.middlewares;
    const tabs = await threeTabsShareOneConnection(parsed);
    for (const tab of tabs) {
      await browser.goTo(tab);
      await browser.run("globalThis.isSamePage = true");
    }
    for (let version = 2; version <= 4; version++) {
      const text = await readFile(app, "utf8");
      await writeFile(app, text.replace(/version \d/, `version ${version}`));
      for (const tab of tabs) {
        await browser.goTo(tab);
        await browser.until(`return document.querySelector('h1').textContent === 'version ${version}'`);
        await browser.until("return document.querySelector('#connection').textContent === 'open'");
        assert.equal(await browser.run("return globalThis.isSamePage"), true);
      }
    }
    await until("each tab has one source", async () => (await browser.run(SOURCES)) === 3);
    assert.equal(server.openStreams, 1);
    assert.deepEqual(await warnings(), []);
  } finally {
    await browser.closeTabs();
    await development.close();
  }
});

test("webpack 5, production", async () => {
  const output = path.join(folder, "webpack");
  await new Promise((resolve, reject) => {
    const config = { mode: "production", context: path.join(APPS, "webpack"), output: { path: output } };
    webpack(config, (error, stats) => {
      if (error || stats.hasErrors() || stats.hasWarnings()) reject(error ?? new Error(stats.toString()));
      else resolve();
    });
  });
  server.serve(output, { "/": "<!doctype html><title>webpack</title><script src=main.js></script>" });
  await threeTabsShareOneConnection(texts);
  assert.deepEqual(await warnings(), []);
});

const ESBUILD_PAGE = "<!doctype html><title>esbuild</title><script type=module src=page.js></script>";

/** Bundles the page, and the worker if the page is to have its URL. */
async function buildWithEsbuild(name, worker) {
  const outdir = path.join(folder, name);
  await esbuild.build({
    absWorkingDir: path.join(APPS, "esbuild"),
    entryPoints: { page: "src/index.js", ...(worker && { "sse-worker": "sse-actix/worker" }) },
    define: { WORKER: worker ? "'/sse-worker.js'" : "undefined" },
    bundle: true,
    format: "esm",
    minify: true,
    outdir,
    logLevel: "error",
  });
  return outdir;
}

test("esbuild, with the worker as an entry point", async () => {
  server.serve(await buildWithEsbuild("esbuild", true), { "/": ESBUILD_PAGE });
  await threeTabsShareOneConnection(texts);
  assert.deepEqual(await warnings(), []);
});

for (const [what, script, why] of [
  // Chromium does not always tell a tab that the script of a worker is missing. Then the tab waits as it does for a silent one.
  ["there is no worker", undefined, "(cannot be loaded|has not answered within 2 s)"],
  ["another script is in the place of the worker", "globalThis.onconnect = () => {};", "has not answered within 2 s"],
]) {
  test(`esbuild, where ${what}: tabs elect an owner`, async () => {
    const files = script ? { "/worker.js": script } : {};
    server.serve(await buildWithEsbuild("esbuild-alone", false), { "/": ESBUILD_PAGE, ...files });
    await threeTabsShareOneConnection(texts);
    // Once in each tab, however many sources there are.
    await browser.run("globalThis.second = new source.constructor('/feed', { key: 'b' })");
    await browser.until("return second.readyState === second.OPEN");
    const said = await warnings();
    assert.equal(said.length, 3, said.join("\n"));
    for (const line of said) assert.match(line, new RegExp(`${why}.*option .*worker`));
  });
}

/** What the console warns of, but for files that are not found. */
async function warnings() {
  const lines = await browser.console();
  return lines.filter((line) => line.includes("SharedEventSource") || line.includes("Uncaught"));
}
