// Builds the package into dist, and from the same sources the two files that the Rust crate embeds.
//
//     node build.mjs            writes these files
//     node build.mjs --check    fails if the crate's files differ from what the sources produce

import { spawnSync } from "node:child_process";
import { readFile, rm, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { transformSync } from "@swc/wasm-typescript";
import { format } from "prettier";
import { rollup } from "rollup";

const HERE = path.dirname(fileURLToPath(import.meta.url));
const EMBEDDED = path.join(HERE, "../sse-actix/src/shared_event_source/shared-event-source");

/** The modules whose types a page sees. A module comes after those that it uses. */
const TYPES = [
  "connection",
  "iterate",
  "typed",
  "options",
  "event-source",
  "shared-connection/parser",
  "shared-connection/closing",
  "shared-event-source",
];

const GENERATED = "// Built from the npm package in `npm` by `npm run build`; change it there.\n";

/** The documentation of a type. */
const DOCS_OF_TYPES = /^\/\*\*(?:(?!\*\/)[^])*\*\/\n(?=(export )?(interface|type) )/gm;

await rm(path.join(HERE, "dist"), { recursive: true, force: true });
const tsc = createRequire(import.meta.url).resolve("typescript/package.json");
const { status } = spawnSync(process.execPath, [path.join(path.dirname(tsc), "bin/tsc"), "-p", HERE], {
  stdio: "inherit",
});
if (status !== 0) process.exit(1);

const built = { [`${EMBEDDED}.js`]: await script(), [`${EMBEDDED}.d.ts`]: await types() };
for (const [file, text] of Object.entries(built)) {
  if (!process.argv.includes("--check")) {
    await writeFile(file, text);
  } else if ((await readFile(file, "utf8")) !== text) {
    console.error(
      `${path.relative(HERE, file)} is not what the sources give: run \`npm run build\` in npm, and commit it`,
    );
    process.exitCode = 1;
  }
}

/** All modules as one file, with the comments and the layout of the sources. */
async function script() {
  const bundle = await rollup({ input: path.join(HERE, "src/embedded.ts"), plugins: [sources()] });
  const { output } = await bundle.generate({ format: "es" });
  const story = (await readFile(path.join(HERE, "src/index.ts"), "utf8")).match(/^(\/\/.*\n)+/)[0];
  return format(`${GENERATED}//\n${story}\n${output[0].code}`, { parser: "babel", printWidth: 120 });
}

/** Reads the sources without their types. */
function sources() {
  return {
    name: "sources",
    resolveId(name, importer) {
      if (!importer) return name;
      const file = path.resolve(path.dirname(importer), name).replace(/\.js$/, ".ts");
      // The embedded file is its own worker script.
      return file.endsWith("/src/worker-script.ts") ? path.join(HERE, "src/embedded-worker-script.ts") : file;
    },
    async load(file) {
      const text = (await readFile(file, "utf8")).replace(DOCS_OF_TYPES, "");
      return transformSync(text, { mode: "strip-only" }).code;
    },
  };
}

/** The declarations as one file, which has the same exports as the package's index. */
async function types() {
  const read = (name) => readFile(path.join(HERE, `dist/${name}.d.ts`), "utf8");
  const declarations = await Promise.all(TYPES.map(read));
  const local = declarations.map((text) =>
    text
      .replace(/^(import|export \{).*;$/gm, "")
      .replace(/^export /gm, "")
      .replace(/^\/\/# .*$/gm, ""),
  );
  const index = await read("index");
  const exported = [...index.matchAll(/^export (type )?\{([^}]*)\}/gm)].flatMap(([, type, names]) =>
    names.split(",").flatMap((name) => (name.trim() ? `${type ?? ""}${name.trim()}` : [])),
  );
  const text = [GENERATED, ...local, `export { ${exported.join(", ")} };`].join("\n");
  return format(text, { parser: "typescript", printWidth: 120 });
}
