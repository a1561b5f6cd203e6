// Builds the page from its sources. Build the npm package first: see README.md of the examples.
//
//     node build.mjs            writes the files in `built`, which the program embeds
//     node build.mjs --check    fails if these files differ from what the sources produce

import { spawnSync } from "node:child_process";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const HERE = path.dirname(fileURLToPath(import.meta.url));
const BUILT = path.join(HERE, "built");

const tsc = path.join(path.dirname(createRequire(import.meta.url).resolve("typescript/package.json")), "bin/tsc");
const { status } = spawnSync(process.execPath, [tsc, "-p", HERE], { stdio: "inherit" });
if (status !== 0) process.exit(1);

const license = await readFile(path.join(HERE, "node_modules/uplot/LICENSE"), "utf8");
const { outputFiles } = await build({
  absWorkingDir: HERE,
  entryPoints: { page: "src/main.ts", "sse-worker": "sse-actix/worker" },
  outdir: BUILT,
  bundle: true,
  format: "esm",
  target: "es2022",
  minify: true,
  legalComments: "none",
  banner: {
    js: "// Built from examples/src/bin/market/page/src and the npm package sse-actix; change them, and run `npm run build`.",
  },
  write: false,
});
const notice = `/* Contains uPlot.\n\n${license.trim()}\n*/\n`;

await mkdir(BUILT, { recursive: true });
for (const { path: file, text: code } of outputFiles) {
  const text = path.basename(file).startsWith("page.") ? code + notice : code;
  if (!process.argv.includes("--check")) {
    await writeFile(file, text);
  } else if ((await readFile(file, "utf8")) !== text) {
    console.error(`${path.relative(HERE, file)} is not what the sources give: run \`npm run build\`, and commit it`);
    process.exitCode = 1;
  }
}
