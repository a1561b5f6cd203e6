// Validates what stands on stdin, `{ document, cases: [{ schema, instance }] }`: the document against OpenAPI's own schema with
// the dialect of its Schema Objects, and each instance against a schema of the document. Prints what is wrong with the document, and
// which instances are valid.
//
// README.md says where the schemas beside this file come from, and their licence.

import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const require = createRequire(new URL("../../clients/package.json", import.meta.url));
const { registerSchema, validate } = await import(
  pathToFileURL(require.resolve("@hyperjump/json-schema/draft-2020-12"))
);

const official = "https://spec.openapis.org/oas/3.2/";
for (const name of ["meta", "dialect", "schema", "schema-base"]) {
  const text = await readFile(new URL(`${name}.json`, import.meta.url), "utf8");
  registerSchema(JSON.parse(text), official + name);
}

let input = "";
for await (const chunk of process.stdin) {
  input += chunk;
}
const { document, cases } = JSON.parse(input);
const checked = await validate(`${official}schema-base`, document, "DETAILED");

const dialect = "https://json-schema.org/draft/2020-12/schema";
const valid = [];
for (const [at, { schema, instance }] of cases.entries()) {
  const uri = `https://cases.example/${at}`;
  registerSchema({ $schema: dialect, $ref: schema, components: document.components }, uri);
  valid.push((await validate(uri, instance)).valid);
}
const errors = checked.valid ? [] : [JSON.stringify(checked.errors)];
console.log(JSON.stringify({ errors, valid }));
